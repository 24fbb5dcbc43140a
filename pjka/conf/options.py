"""How an object declares its options: name, rule, default and spelling in one line of its dataclass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where something stands: file, and line from 1."""

    file: str
    line: int


class Spelling(Enum):
    """Under which names a file may set an option."""

    STANDARD = "standard"
    """``name``: Asterisk knows it."""
    PJKA = "pjka"
    """``@name`` only: Asterisk accepts and ignores names that begin with ``@``."""
    BOTH = "both"
    """Either, because the PBX may be too old for the standard name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one option accepts and how it is stored."""

    name: str
    """Of the field, and in the file (there without regard to case, and perhaps with ``@``)."""
    parse: Callable[[str], Any]
    """Raises ValueError, whose text says what was expected."""
    parse_at: Callable[[str], Any]
    """The same for the ``@`` spelling, which may allow more than Asterisk does."""
    several: bool
    """A list: repeated options add up, where of a scalar the last value wins."""
    spelling: Spelling


def read_by(
    parse: Callable[[str], object],
    *,
    parse_at: Callable[[str], object] | None = None,
    several: bool = False,
    spelling: Spelling = Spelling.STANDARD,
) -> Mapping[str, Any]:
    """The metadata that makes a dataclass field an option which a file can set."""
    return {"parse": parse, "parse_at": parse_at or parse, "several": several, "spelling": spelling}


def rules_of(kind: type) -> Mapping[str, Rule]:
    """The options that ``kind`` declares, by name."""
    return {each.name: Rule(name=each.name, **each.metadata) for each in fields(kind) if each.metadata}
