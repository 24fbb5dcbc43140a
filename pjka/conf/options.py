"""How an object declares its options: name, default, rule and spelling in one line of its dataclass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from itertools import chain
from typing import Any, NamedTuple

Parse = Callable[[str], Any]
Join = Callable[[list[Any]], Any]


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
    """What one option accepts and how it is kept."""

    name: str
    """Of the field, and in the file (there without regard to case, and perhaps with ``@``)."""
    parse: Parse
    """Raises ValueError, whose text says what was expected."""
    parse_at: Parse
    """The same for the ``@`` spelling, which may allow more than Asterisk does."""
    join: Join | None
    """What becomes of the values of a repeated option, in their order; None: the last wins."""
    spelling: Spelling
    file: bool
    """Names a file that has to be readable."""
    secret: bool
    """Its value is never shown."""


def read_by(
    parse: Parse,
    *,
    parse_at: Parse | None = None,
    join: Join | None = None,
    spelling: Spelling = Spelling.STANDARD,
    file: bool = False,
) -> Mapping[str, Any]:
    """The metadata that makes a dataclass field an option which a file can set."""
    return {"parse": parse, "parse_at": parse_at or parse, "join": join, "spelling": spelling, "file": file}


def rules_of(kind: type) -> Mapping[str, Rule]:
    """The options that ``kind`` declares, by name."""
    return {
        each.name: Rule(name=each.name, secret=not each.repr, **each.metadata)
        for each in fields(kind)
        if each.metadata
    }


def all_of(lists: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Join lists: repeated options add up."""
    return tuple(chain.from_iterable(lists))


def all_since_empty(lists: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Join lists of which an empty one empties what was there."""
    begin = max((number for number, each in enumerate(lists) if not each), default=0)
    return all_of(lists[begin:])


def last_said(texts: list[str]) -> str:
    """Join texts of which empty ones are ignored."""
    return next((text for text in reversed(texts) if text), "")
