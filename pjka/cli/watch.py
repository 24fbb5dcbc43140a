"""The live table of ``pjka show --watch``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pjka.cli.show import Question
from pjka.cli.tables import TABLES, facts
from pjka.status import Row
from pjka.surface.client import ControlClient, NoDaemonError
from pjka.text import printable

#: Lines that the title, the column heads and the last line take.
_FRAME_LINES: Final = 4
_BAD: Final = frozenset({"failed", "refused", "offline", "Unreachable"})


def watch(path: Path, question: Question, moments: Iterator[None]) -> None:
    """Fill the terminal with the rows at each of the moments; a daemon that goes away is waited for."""
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for _ in moments:
            live.update(_frame(path, question, console.height - _FRAME_LINES), refresh=True)


def _frame(path: Path, question: Question, height: int) -> RenderableType:
    try:
        with ControlClient(path) as client:
            rows = question.rows(question.ask(client))
    except NoDaemonError as error:
        return Text(printable(str(error)), style="red")
    title = Text(f"{len(rows)} {question.subject}, {time.strftime('%H:%M:%S')}, Ctrl-C ends", style="bold")
    if question.subject == "engine":
        return Group(title, Text(""), *(Text(line) for row in rows for line in facts(TABLES["engine"], row)))
    left_out = Text(f"and {len(rows) - height} more" if len(rows) > height else "", style="dim")
    return Group(title, Text(""), table(question.subject, rows[: max(height, 1)]), left_out)


def table(subject: str, rows: Sequence[Row]) -> Table:
    """The rows as a table of rich, what needs attention in colour."""
    made = Table(box=None, pad_edge=False)
    for column in TABLES[subject]:
        made.add_column(column.title, no_wrap=True, justify="right" if column.right else "left")
    for row in rows:
        made.add_row(*(Text(column.cell(row)) for column in TABLES[subject]), style=_style(row))
    return made


def _style(row: Row) -> str:
    members = row.to_json()
    if _BAD & {members.get("state"), members.get("status")}:
        return "red"
    return "yellow" if members.get("drift") or members.get("drifting") or members.get("misses") else ""
