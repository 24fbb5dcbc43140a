"""Collecting findings, so that what a template says is told once and not for each object made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pjka.check.codes import CODES
from pjka.conf.findings import Finding
from pjka.conf.objects import ConfigObject
from pjka.conf.options import Place


class Note(NamedTuple):
    """One thing found: its code, the place and type of object it is about, what there is to say, and do."""

    code: str
    place: Place
    kind: str
    text: str
    advice: str = ""


class Notes:
    """Findings by place, each with the objects that it holds for."""

    def __init__(self) -> None:
        self._found: dict[Note, list[str]] = {}

    def add(self, code: str, thing: ConfigObject, option: str | None, text: str, advice: str = "") -> None:
        """Note ``text`` about ``thing``, at the line of ``option`` where the file sets it."""
        place = thing.places.get(option or "", thing.place)
        self.put(Note(code, place, type(thing).__name__.lower(), text, advice), (thing.id,))

    def put(self, note: Note, ids: Iterable[str]) -> None:
        """Note something about several objects at once."""
        self._found.setdefault(note, []).extend(ids)

    def findings(self) -> Iterator[Finding]:
        """What was noted, in that order."""
        for note, ids in self._found.items():
            code = CODES[note.code]
            others = f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""
            yield Finding(
                severity=code.severity,
                code=note.code,
                file=note.place.file,
                line=note.place.line,
                message=f"{note.kind} {ids[0]}{others}: {note.text}",
                asterisk=code.asterisk,
                advice=code.advice.format(advice=note.advice),
            )
