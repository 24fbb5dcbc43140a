"""Changing single lines of a configuration file and nothing else of it, not a blank or a line ending.

An edit says which option the line must set, and refuses any other line: a file that has changed since it was
read is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pjka.conf.document import decode, encode, fold
from pjka.errors import PjkaError

# Indent, name, sign, value and what follows it. Words with blanks between them; a line with a backslash or a
# block comment is not edited.
_BLANK: Final = r"[\x00-\x20]"
_ASSIGNMENT: Final = re.compile(
    rf"(?P<indent>{_BLANK}*)"
    rf"(?P<name>[^\x00-\x20=;\\\[#+][^\x00-\x20=;\\+]*(?:{_BLANK}+[^\x00-\x20=;\\+]+)*)"
    rf"(?P<sign>{_BLANK}*=>?{_BLANK}*+)"
    rf"(?P<value>(?:[^\x00-\x20;\\]+(?:{_BLANK}+[^\x00-\x20;\\]+)*)?)"
    rf"(?P<rest>{_BLANK}*(?:(?<!--);(?!--).*)?)"
)
_HEADER: Final = re.compile(rf"{_BLANK}*\[(?P<name>[^\]]*)\](?:\([^)]*\))?{_BLANK}*(?:;(?!--).*)?")


class EditError(PjkaError):
    """The line is not what the edit is for; nothing was changed."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """Give the option of this line another value."""

    line: int
    option: str
    value: str

    def apply(self, text: str) -> list[str]:
        """The lines that take the place of ``text``; raises :class:`EditError`."""
        found = _assignment(text, self.option, self.line)
        return [f"{found['indent']}{found['name']}{found['sign']}{self.value}{found['rest']}"]


@dataclass(frozen=True, slots=True)
class Rename:
    """Give the option of this line another name."""

    line: int
    option: str
    name: str

    def apply(self, text: str) -> list[str]:
        """The lines that take the place of ``text``; raises :class:`EditError`."""
        found = _assignment(text, self.option, self.line)
        return [f"{found['indent']}{self.name}{found['sign']}{found['value']}{found['rest']}"]


@dataclass(frozen=True, slots=True)
class CommentOut:
    """Make the line a comment."""

    line: int
    option: str

    def apply(self, text: str) -> list[str]:
        """The lines that take the place of ``text``; raises :class:`EditError`."""
        _assignment(text, self.option, self.line)
        return [f";{text}"]


@dataclass(frozen=True, slots=True)
class AddTo:
    """Add a line to the section whose header is this line."""

    line: int
    section: str
    text: str

    def apply(self, text: str) -> list[str]:
        """The lines that take the place of ``text``; raises :class:`EditError`."""
        found = _HEADER.fullmatch(text.removeprefix("\ufeff"))
        if found is None or fold(found["name"]) != fold(self.section):
            raise EditError(f"is no longer the header of [{self.section}]", line=self.line)
        return [text, self.text]


Edit = SetValue | Rename | CommentOut | AddTo


def edited(content: bytes, edits: Iterable[Edit]) -> bytes:
    """``content`` with all edits made; raises :class:`EditError` if one does not fit its line."""
    lines = decode(content).split("\n")
    for edit in sorted(edits, key=lambda edit: edit.line, reverse=True):
        if not 0 < edit.line <= len(lines):
            raise EditError("the file has fewer lines", line=edit.line)
        whole = lines[edit.line - 1]
        text = whole.removesuffix("\r")
        lines[edit.line - 1 : edit.line] = _with_endings(edit.apply(text), whole[len(text) :])
    return encode("\n".join(lines))


def with_section(content: bytes, name: str, lines: Sequence[str]) -> bytes:
    """``content`` with a section at its end."""
    ending = "\r\n" if b"\r\n" in content else "\n"
    gap = "" if not content else ending if content.endswith(b"\n") else 2 * ending
    return content + encode(gap + "".join(f"{line}{ending}" for line in (f"[{name}]", *lines)))


def option_of(content: bytes, line: int) -> str | None:
    """The name of the option that a line sets in a way that can be edited, in lower case."""
    lines = decode(content).split("\n")
    found = _ASSIGNMENT.fullmatch(lines[line - 1].removesuffix("\r")) if 0 < line <= len(lines) else None
    return fold(found["name"]) if found else None


def _with_endings(lines: list[str], ending: str) -> list[str]:
    return [line + ending for line in lines]


def _assignment(text: str, option: str, line: int) -> re.Match[str]:
    found = _ASSIGNMENT.fullmatch(text)
    if found is None or fold(found["name"]) != fold(option):
        raise EditError(f"does not plainly set {option}", line=line)
    return found
