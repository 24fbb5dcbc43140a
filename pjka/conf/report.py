"""Collecting what is found: a template's mistake is told once and not for each object made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pjka.conf.codes import CODES
from pjka.conf.dialect_codes import DIALECT_CODES
from pjka.conf.findings import Finding
from pjka.conf.options import Place

MAX_FINDINGS: Final = 1000
"""How many different findings about objects are kept."""

_SHOWN: Final = 60


class Problem(NamedTuple):
    """Something about one object: a code, the option that it is about, if one, and what there is to say."""

    code: str
    option: str | None
    text: str
    advice: str = ""
    """Instead of the code's own."""


class _Key(NamedTuple):
    code: str
    place: Place
    kind: str
    text: str
    advice: str


class Report:
    """The findings about objects, each place and problem once."""

    def __init__(self) -> None:
        self._found: dict[_Key, list[str]] = {}
        self._omitted: Place | None = None

    def add(self, code: str, place: Place, kind: str, id: str, text: str, advice: str = "") -> None:
        """Note that ``text`` holds for object ``id`` of type ``kind``; ``advice`` replaces the code's own."""
        key = _Key(code, place, kind, text, advice)
        if key in self._found:
            self._found[key].append(id)
        elif not self.full:
            self._found[key] = [id]
        else:
            self._omitted = self._omitted or place

    @property
    def full(self) -> bool:
        """Whether so much was found that further problems are left out."""
        return len(self._found) >= MAX_FINDINGS

    def findings(self) -> Iterator[Finding]:
        """What was noted, in that order."""
        for key, ids in self._found.items():
            code = CODES[key.code]
            others = f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""
            yield Finding(
                severity=code.severity,
                code=key.code,
                file=key.place.file,
                line=key.place.line,
                message=f"{key.kind} {ids[0]}{others}: {key.text}",
                asterisk=code.asterisk.format(kind=key.kind),
                advice=key.advice or code.advice.format(kind=key.kind),
            )
        if self._omitted is not None:
            yield _omission(self._omitted)


def _omission(place: Place) -> Finding:
    code = DIALECT_CODES["findings-omitted"]
    message = f"findings about objects are left out after {MAX_FINDINGS}"
    return Finding(
        code.severity, "findings-omitted", place.file, place.line, message, code.asterisk, code.advice
    )


def shown(text: str) -> str:
    """``text`` quoted, and cut where it is long."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
