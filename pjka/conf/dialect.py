"""The dialect of ``pjsip.conf``: bytes to sections of options, each knowing its file and line.

The rules are those of Asterisk's ``main/config.c``, but for three things. Line numbers are those of the file,
even in the later files of one ``#include``, where Asterisk goes on counting. ``#exec`` is never run. What
would keep Asterisk busy for ever is an error, and so is what exceeds the limits that bound the reading here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn

from pjka.conf.dialect_codes import DIALECT_CODES
from pjka.conf.document import DialectError, Document, EndlessError, Option, Section, decode, encode
from pjka.conf.findings import Finding
from pjka.conf.includes import MAX_BYTES, Directory, Included, Opener
from pjka.conf.lines import (
    BLANKS,
    BYTE_ORDER_MARK,
    MAX_NESTING,
    NestingError,
    numbered_lines,
    without_comments,
)
from pjka.conf.sections import MAX_NAME, Sections, shown

__all__ = ["DialectError", "Document", "EndlessError", "Option", "Section", "parse", "read"]

MAX_INCLUDES: Final = 10
"""How deep includes nest (``MAX_INCLUDE_LEVEL``)."""
MAX_FINDINGS: Final = 1000
"""How many findings are kept; the last then says that there are more."""


def parse(text: bytes, file: str, *, opener: Opener | None = None) -> Document:
    """Read a configuration from its bytes; ``file`` names it in places and errors.

    ``opener`` opens what ``#include`` names; without one there is nothing to include. Raises `DialectError`,
    with file and line, for what makes the file unusable.
    """
    reader = _Reader(opener or _nothing)
    reader.load([Included(file, text)])
    return reader.document()


def read(path: str | os.PathLike[str], *, root: Path | None = None) -> Document:
    """Read a configuration file and what it includes; its directory is the configuration directory.

    With ``root``, ``path`` and all others are those of a process whose root directory that is, for instance
    ``/proc/PID/root``, and are reported so. Raises `DialectError`.
    """
    name = decode(os.fsencode(path))
    directory = Directory(os.path.dirname(name) or ".", root)
    main = directory.open_file(name)
    if main.text is None:
        raise DialectError(f"cannot be read: {main.problem}", file=name)
    return parse(main.text, name, opener=directory.open)


def _nothing(_name: str) -> Iterable[Included]:
    return ()


class _Reader:
    """What one configuration adds up to while its lines come in."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._sections = Sections()
        self._findings: list[Finding] = []
        self._files: dict[str, None] = {}
        self._included: set[str] = set()
        self._names: dict[str, str] = {}
        # where the reading is, and the section to which lines are added there
        self._file, self._line = "", 0
        self._section: Section | None = None
        self._level = 1
        self._size = 0

    def document(self) -> Document:
        """What has been read so far."""
        return Document(self._sections.all, self._findings, tuple(self._files))

    def load(self, files: Iterable[Included]) -> list[Included]:
        """Read the files of one ``#include``, which share section, comment nesting and byte order mark.

        Returns all of them. Raises `DialectError` at the first invalid line.
        """
        depth, mark = 0, BYTE_ORDER_MARK
        self._section = self._sections.current
        seen = []
        for included in files:
            seen.append(included)
            if included.text is not None:
                self._enter(included.file, len(included.text))
                depth, mark = self._lines(included.text, mark, depth), b""
        return seen

    def _enter(self, file: str, size: int) -> None:
        self._file, self._line = file, 0
        self._files[file] = None
        self._size += size
        if self._size > MAX_BYTES:
            raise EndlessError(f"more than {MAX_BYTES} bytes with all includes", file=file, line=1)

    def _lines(self, text: bytes, mark: bytes, depth: int) -> int:
        """Read one file; returns how deep in block comments it ends."""
        options = self._section.options if self._section else None
        file, names, new, opened = self._file, self._names, tuple.__new__, 0
        for number, whole in numbered_lines(text, mark, self._report):
            line = whole
            if depth or ";" in whole:
                opened = opened if depth else number
                line, depth = self._without_comments(whole, number, depth)
            left, equals, value = line.partition("=")
            name = names.get(left)
            if name and equals and options is not None and value[:1] != ">":
                options.append(new(Option, (name, value.strip(BLANKS), file, number)))
            elif line := line.strip(BLANKS):
                self._line = number
                if line[0] == "[":
                    self._header(line)
                elif line[0] == "#":
                    self._directive(encode(line[1:]))
                else:
                    self._assignment(line, left)
                options = self._section.options if self._section else None
        if depth > 0:
            begins = "here" if opened else "in the file before this one"
            self._report(
                "block-comment-unterminated",
                opened or 1,
                f"the block comment that begins {begins} never ends",
            )
        return depth

    def _without_comments(self, line: str, number: int, depth: int) -> tuple[str, int]:
        try:
            line, after = without_comments(line, depth)
        except NestingError:
            self._line = number
            self._hang(f"block comments are nested deeper than {MAX_NESTING}")
        if after < 0 <= depth:
            self._report("block-comment-unopened", number, "a block comment ends here that never began")
        return line, after

    def _assignment(self, line: str, left: str) -> None:
        """Any assignment but a plain one with the same ``left`` of its equal sign as one before."""
        if self._section is None:
            self._fail("an option stands before any section")
        escaped = line[0] == "\\"
        line = line[escaped:]
        if escaped and not "!" <= line[:1] <= "\x7f":
            self._fail("a backslash at the start of the line escapes no printable character")
        at = line.find("=", escaped)
        if at < 0:
            self._note("no-equal-sign", "no equal sign in the line")
        elif at > escaped and line[at - 1] == "+":
            name = line[: at - 1].strip(BLANKS)
            if not self._sections.extend(self._section, Option(name, line[at + 1 :], self._file, self._line)):
                self._add(self._section, name, line[at + 1 :])
        else:
            name = line[:at].strip(BLANKS)
            self._add(self._section, name, line[at + 1 :].removeprefix(">"))
            if not escaped:
                self._names[left] = name

    def _add(self, section: Section, name: str, value: str) -> None:
        if name:
            section.options.append(Option(name, value.strip(BLANKS), self._file, self._line))
        else:
            self._note("no-option-name", "no name before the equal sign")

    def _header(self, line: str) -> None:
        """``[name]`` and what stands in parentheses directly behind it, in its order."""
        end = line.find("]")
        if end < 0:
            self._fail("the name of the section has no closing bracket")
        name = line[1:end]
        kept = name if len(name) * 4 <= MAX_NAME else self._kept_name(name)
        section = Section(kept, False, [], self._file, self._line)
        words: list[str] = []
        if line.startswith("(", end + 1):
            start, end = end + 2, line.find(")", end + 1)
            if end < 0:
                self._fail("the parenthesis behind the name of the section is not closed")
            words = line[start:end].split(",")
        if end + 1 < len(line):
            self._note("header-text-ignored", "the text behind the header of the section is ignored")
        self._section = self._sections.declare(section, name, words)

    def _kept_name(self, name: str) -> str:
        if len(encode(name)) <= MAX_NAME:
            return name
        self._note("section-name-cut", f"the name of the section has more than {MAX_NAME} bytes")
        return decode(encode(name)[:MAX_NAME])

    def _directive(self, line: bytes) -> None:
        """``#word argument``. Bytes above 127 end the word as blanks do: Asterisk's ``char`` is signed."""
        end = next((at for at, byte in enumerate(line) if not 32 < byte < 128), len(line))
        word = decode(line[:end].lower())
        argument = decode(line[end + 1 :].strip(encode(BLANKS)))
        if word == "exec":
            self._note("exec-not-run", "#exec is not run")
        elif word not in ("include", "tryinclude"):
            self._note("unknown-directive", f"no directive #{word}" if word.isalpha() else "no directive")
        elif not argument:
            self._note("directive-without-argument", f"#{word} without the name of a file")
        else:
            self._include(word, _unquoted(argument))

    def _include(self, word: str, name: str) -> None:
        if name in self._included:
            self._note("included-twice", f"{shown(name)} is included before")
        self._included.add(name)
        if self._level > MAX_INCLUDES:
            self._missing(word, name, f"includes are nested deeper than {MAX_INCLUDES}")
        elif (seen := self._loaded(name)) is not None:
            unread = [included for included in seen if included.text is None]
            if len(unread) == len(seen):
                self._missing(word, name, unread[0].problem if unread else "no file matches")
            else:
                self._note_problems(seen)

    def _loaded(self, name: str) -> list[Included] | None:
        """What the name stands for, after reading it; nothing where that is invalid."""
        place = self._file, self._line, self._section
        self._level += 1
        try:
            seen = self.load(self._opener(name))
        except EndlessError as error:
            if error.line is not None:
                raise
            raise EndlessError(error.message, file=place[0], line=place[1]) from None
        except DialectError as error:
            # Asterisk does not leave the level of an invalid include, so ten of these leave room for no other
            self._report("include-invalid", error.line or 1, f"{error.message}; the rest of the file is lost")
            return None
        finally:
            self._file, self._line, self._section = place
        self._level -= 1
        return seen

    def _missing(self, word: str, name: str, reason: str) -> None:
        if word == "include":
            self._fail(f"#include {shown(name)} cannot be read: {reason}")
        self._note("tryinclude-missing", f"#tryinclude {shown(name)} cannot be read: {reason}")

    def _note_problems(self, seen: list[Included]) -> None:
        for included in seen:
            if included.problem:
                code = "include-skipped" if included.text is None else "include-path-cut"
                self._note(code, f"{shown(included.file)}: {included.problem}")

    def _fail(self, message: str) -> NoReturn:
        raise DialectError(message, file=self._file, line=self._line)

    def _hang(self, message: str) -> NoReturn:
        raise EndlessError(message, file=self._file, line=self._line)

    def _note(self, code: str, message: str) -> None:
        self._report(code, self._line, message)

    def _report(self, code: str, line: int, message: str) -> None:
        if len(self._findings) >= MAX_FINDINGS:
            return
        if len(self._findings) == MAX_FINDINGS - 1:
            code, message = "findings-omitted", f"findings from here on are left out after {MAX_FINDINGS - 1}"
        kind = DIALECT_CODES[code]
        self._findings.append(
            Finding(kind.severity, code, self._file, line, message, kind.asterisk, kind.advice)
        )


def _unquoted(text: str) -> str:
    """The argument of a directive without the quotes or angle brackets around it."""
    closing = {'"': '"', "<": ">"}.get(text[0])
    return text[1:-1] if closing is not None and text[-1] == closing else text
