"""What a configuration file says once it is read: sections of options, and how to print them back.

Text is decoded as UTF-8 with ``surrogateescape``: every byte sequence survives reading and printing, while
names and values that are UTF-8, as they should be, show as what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pjka.conf.findings import Finding
from pjka.errors import PjkaError

MAX_LINE: Final = 8190
"""The longest line in bytes, without its line feed, that Asterisk does not skip (its buffer has 8192)."""


class DialectError(PjkaError):
    """The file is unusable: Asterisk would load nothing from it.

    Always carries ``file``; ``line`` is None only where the file itself cannot be read.
    """


class EndlessError(DialectError):
    """Asterisk would not come to an end with this file, or it exceeds a limit of this reader."""


class Option(NamedTuple):
    """One ``name = value`` line. An inherited one is the template's own object and keeps its place there."""

    name: str
    value: str
    file: str
    line: int
    """From 1. Of an option that was extended with ``+=``, the line that extended it last."""


@dataclass(slots=True)
class Section:
    """One ``[name]`` category, with what it inherits already in ``options``, in the order Asterisk sees.

    Not frozen: a later ``[name](+)`` continues it and may even make it a template.
    """

    name: str
    template: bool
    options: list[Option]
    file: str
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A whole file with its includes, in the order Asterisk sees it.

    Two documents are equal when a consumer reads the same from them: sections, templates, option names and
    values, in order. Places and findings do not count. ``bytes(document)`` parses to an equal document, with
    inheritance and includes resolved.
    """

    sections: list[Section]
    findings: list[Finding]
    files: tuple[str, ...]
    """Every file that was read, the main one first, each once."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Document):
            return NotImplemented
        return self._content() == other._content()

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def _content(self) -> list[tuple[str, bool, list[tuple[str, str]]]]:
        return [(s.name, s.template, [(o.name, o.value) for o in s.options]) for s in self.sections]

    def __str__(self) -> str:
        """The document as text; ValueError for a name that leaves its value no room in a line."""
        return "".join(f"{line}\n" for section in self.sections for line in _section_lines(section))

    def __bytes__(self) -> bytes:
        return encode(str(self))


def decode(data: bytes) -> str:
    """Bytes of a configuration file as text; `encode` gives them back, whatever they are."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Text of a configuration file as bytes."""
    return text.encode("utf-8", "surrogateescape")


def normal(text: str) -> str:
    """The text as it is decoded from its own bytes, which can differ after two pieces were joined."""
    return text if text.isascii() else decode(encode(text))


def fold(text: str) -> str:
    """Lower case of the ASCII letters only, which is how ``strcasecmp`` compares."""
    return text.lower() if text.isascii() else decode(encode(text).lower())


def _section_lines(section: Section) -> Iterable[str]:
    yield f"[{_escape(section.name)}]{'(!)' if section.template else ''}"
    for index, option in enumerate(section.options):
        line = f"{_left(option.name)} = {_escape(option.value)}"
        if len(encode(line)) <= MAX_LINE:
            yield line.rstrip(" ")
        else:
            yield from _long_option(option, section.options[:index])


def _escape(text: str) -> str:
    return text.replace(";", "\\;")


def _left(name: str) -> str:
    """The name as it must stand at the start of a line."""
    return ("\\" if name[0] in "[#\\=" else "") + _escape(name)


def _long_option(option: Option, before: list[Option]) -> Iterable[str]:
    """One assignment and as many ``+=`` as the value needs to fit into lines, without a blank to spare."""
    left, done = _left(option.name), 0
    sign = (" =" if option.name.endswith("+") else "=") + (">" if option.value.startswith(">") else "")
    taken = {fold(other.value) for other in before if fold(other.name) == fold(option.name)}
    while done < len(option.value) or sign != "+=":
        end = _piece_end(option, done, MAX_LINE - len(encode(left + sign)), taken)
        yield left + sign + _escape(option.value[done:end])
        done, sign = end, "+="


def _piece_end(option: Option, start: int, space: int, taken: set[str]) -> int:
    """Where the piece of the value from ``start`` ends that takes at most ``space`` bytes when printed.

    Not at a blank, which would be stripped. Not where the value so far equals that of an earlier option of
    the same name either: ``+=`` extends the first that has this name and value (``ast_variable_update``).
    """
    value, end = option.value, start
    while end < len(value) and (space := space - len(encode(_escape(value[end])))) >= 0:
        end += 1
    while start < end < len(value) and (value[end - 1] <= " " or fold(value[:end]) in taken):
        end -= 1
    if end == start < len(value):
        raise ValueError(f"the option in line {option.line} does not fit into lines of {MAX_LINE} bytes")
    return end
