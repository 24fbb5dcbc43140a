"""The dialect of ``pjsip.conf``: bytes to sections of options, each knowing its file and line.

The rules are those of Asterisk's ``main/config.c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pjka.conf.findings import Finding
from pjka.errors import PjkaError


class DialectError(PjkaError):
    """The file is unusable: Asterisk would load nothing from it. Always carries ``file`` and ``line``."""


class Option(NamedTuple):
    """One ``name = value`` line. An inherited option is the template's own object, so it keeps its place there."""

    name: str
    value: str
    file: str
    line: int


class Section(NamedTuple):
    """One ``[name]`` category, with what it inherits already in ``options``, in the order Asterisk sees."""

    name: str
    template: bool
    options: list[Option]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """A whole file with its includes, in the order Asterisk sees it."""

    sections: list[Section]
    findings: list[Finding]
    files: tuple[str, ...]
    """Every file that was read, the main one first, each once."""
