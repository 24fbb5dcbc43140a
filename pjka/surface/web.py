"""The status page: what ``pjka show`` shows, as plain HTML tables. It runs no script and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Final

from pjka.errors import PjkaError
from pjka.status import SHOWS
from pjka.surface.shows import Command
from pjka.text import printable

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_REFRESH_SECONDS: Final = 5
_ROWS_SHOWN: Final = 500
_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
_HEAD: Final = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{_REFRESH_SECONDS}">
<title>pjka</title><style>
body {{ font: 14px sans-serif; margin: 1em }} table {{ border-collapse: collapse }}
th, td {{ text-align: left; padding: .2em .8em .2em 0; border-bottom: 1px solid #ccc; vertical-align: top }}
</style></head><body><h1>pjka</h1>
"""


def status_page(commands: Mapping[str, Command]) -> WSGIApplication:
    """The page with a table for each ``show`` command; other paths than ``/`` are not found."""

    def serve(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environment.get("PATH_INFO") not in ("", "/"):
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"there is only /\n"]
        page = _HEAD + "".join(_tables(commands)) + "</body></html>\n"
        start("200 OK", [*_HEADERS])
        return [page.encode()]

    return serve


def _tables(commands: Mapping[str, Command]) -> Iterator[str]:
    for subject in SHOWS:
        if (show := commands.get(f"show {subject}")) is not None:
            yield _section(subject, show)


def _section(subject: str, show: Command) -> str:
    heading = f"<h2>{escape(subject)}</h2>"
    try:
        answer = show({})
    except (PjkaError, TimeoutError) as error:
        return f"{heading}<p>{_text(str(error))}</p>\n"
    rows = answer["rows"] if isinstance(answer, dict) else []
    if not rows:
        return f"{heading}<p>none</p>\n"
    names = [name for name in rows[0] if any(row[name] not in (None, "", (), []) for row in rows)]
    head = "".join(f"<th>{_text(name.replace('_', ' '))}</th>" for name in names)
    body = "".join(_row(row, names) for row in rows[:_ROWS_SHOWN])
    more = f"<p>and {len(rows) - _ROWS_SHOWN} more</p>" if len(rows) > _ROWS_SHOWN else ""
    return f"{heading}<table><tr>{head}</tr>{body}</table>{more}\n"


def _row(row: Mapping[str, object], names: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<td>{_text(row[name])}</td>" for name in names) + "</tr>\n"


def _text(value: object) -> str:
    """A value as HTML; it may come from the network."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, tuple | list):
        return "<br>".join(map(_text, value))
    return escape(printable(str(value)))
