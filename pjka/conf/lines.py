"""From the bytes of one file to its lines, and from a line to what is left of it without comments.

The rules are those of ``config_text_file_load`` in Asterisk's ``main/config.c``: a buffer of 8192 bytes that
``fgets`` fills, strings that end at a NUL byte, ``;`` and the nested ``;-- --;``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from pjka.conf.document import MAX_LINE, decode, normal

BLANKS: Final = " " + "".join(map(chr, range(1, 32)))
"""What Asterisk strips from both ends of a line, a name and a value: every byte below 33."""
MAX_NESTING: Final = 128
"""How deep block comments nest (``MAX_NESTED_COMMENTS``)."""

Report: TypeAlias = Callable[[str, int, str], None]
"""Takes the code, line and message of a finding."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_BUFFER: Final = MAX_LINE + 1


class NestingError(ValueError):
    """A block comment nested deeper than `MAX_NESTING`."""


def numbered_lines(data: bytes, mark: bytes, report: Report) -> Iterable[tuple[int, str]]:
    """The lines of a file, as far as Asterisk looks at them, with their numbers from 1.

    ``mark`` is left out at the start: `BYTE_ORDER_MARK`, or nothing.
    """
    text = decode(data)
    lines = text.split("\n")
    longest = max(map(len, lines)) * (1 if text.isascii() else 4)
    if longest > MAX_LINE or "\0" in text:
        return _buffered_lines(data, mark, report)
    lines[0] = lines[0].removeprefix(decode(mark))
    return enumerate(lines, 1)


def _buffered_lines(data: bytes, mark: bytes, report: Report) -> Iterator[tuple[int, str]]:
    """The lines as ``fgets`` delivers them; a NUL byte hides what follows it in the buffer."""
    number, skipping = 1, False
    for chunk in _chunks(data):
        kept, nul, _ = chunk.partition(b"\0")
        overlong = len(kept) == _BUFFER and not kept.endswith(b"\n")
        if nul:
            report("nul-byte", number, "a NUL byte ends the line early")
        if not skipping and overlong:
            report("line-too-long", number, f"the line is longer than {MAX_LINE} bytes")
        elif not skipping:
            yield number, decode(kept.removeprefix(mark))
        mark, skipping = b"", overlong
        number += chunk.endswith(b"\n")


def _chunks(data: bytes) -> Iterator[bytes]:
    """What successive calls of ``fgets`` read."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start, start + _BUFFER) + 1 or start + _BUFFER
        yield data[start:end]
        start = end


def without_comments(line: str, depth: int) -> tuple[str, int]:
    """What is left of a line that begins ``depth`` block comments deep, and how deep it ends.

    The depth becomes negative at the end of a block comment that never began. Raises `NestingError`.
    """
    kept: list[str] = []
    hidden, start = depth != 0, 0
    while (at := line.find(";", start)) >= 0:
        after = at + 1
        if at > start and line[at - 1] == "\\":
            piece = line[start : at - 1] + ";"
        elif line.startswith("--", after) and not line.startswith("-", after + 2):
            kept += [] if hidden else [line[start:at]]
            hidden, depth, piece, after = True, _deeper(depth), "", after + 2
        elif at >= start + 2 and line.startswith("--", at - 2):
            depth -= 1
            piece = "" if hidden else line[start:after]
            hidden = hidden and depth != 0
        elif depth == 0:
            piece, after = line[start:at], len(line)
        else:
            piece = line[start:after]
        kept += [] if hidden else [piece]
        start = after
    kept += [] if hidden else [line[start:]]
    return normal("".join(kept)), depth


def _deeper(depth: int) -> int:
    if depth >= MAX_NESTING:
        raise NestingError
    return depth + 1
