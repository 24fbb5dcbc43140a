"""Which files an ``#include`` names, and what they hold, without hanging on anything.

Names are relative to the configuration directory, never to the including file, cut to 255 bytes, and then
expanded as ``glob(3)`` does with ``GLOB_BRACE`` (``main/config.c``).
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from pjka.conf.document import EndlessError, decode, encode
from pjka.conf.files import inside

MAX_PATH: Final = 255
"""How much of a path Asterisk keeps, in bytes; the rest is cut off."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""How much is read at most, all files together; ten thousand endpoints take about 5 MB."""
MAX_ENTRIES: Final = 100_000
"""How many directory entries the patterns of one configuration may look at."""


class Included(NamedTuple):
    """One file that an ``#include`` names."""

    file: str
    text: bytes | None
    """None where Asterisk ignores the file."""
    problem: str = ""
    """Why it does, or what else is wrong with the file's name."""


Opener: TypeAlias = Callable[[str], Iterable[Included]]
"""Takes what an ``#include`` names; yields the files in their order, or why one of them is not read."""


class Directory:
    """Opens what is included by files of the configuration directory.

    With ``root``, paths are those of a process whose root directory it is, for instance ``/proc/PID/root``:
    absolute names begin there, and symbolic links do not lead out of it.
    """

    def __init__(self, directory: str, root: Path | None = None) -> None:
        self._directory = directory
        self._root = root
        self._entries = 0

    def open(self, name: str) -> Iterator[Included]:
        """Read the files that ``name`` stands for, sorted as ``glob`` sorts them.

        Raises `EndlessError` for a file or a pattern beyond `MAX_BYTES` or `MAX_ENTRIES`.
        """
        whole = encode(name if name.startswith("/") else f"{self._directory}/{name}")
        for found in self._expand(decode(whole[:MAX_PATH])):
            path = decode(encode(found)[:MAX_PATH])
            included = self.open_file(path)
            if len(whole) > MAX_PATH or path != found:
                included = included._replace(
                    problem=included.problem or f"the path is cut after {MAX_PATH} bytes"
                )
            yield included

    def open_file(self, path: str) -> Included:
        """Read one file. Raises `EndlessError`, without a line, beyond `MAX_BYTES`."""
        try:
            where = inside(self._root, os.fsdecode(encode(path)))
            if path.endswith("/") or not stat.S_ISREG(where.stat().st_mode):
                return Included(path, None, "not a regular file")
            text = _content(where)
        except (OSError, ValueError) as error:
            return Included(path, None, getattr(error, "strerror", None) or str(error))
        if len(text) > MAX_BYTES:
            raise EndlessError(f"{path!r} is larger than {MAX_BYTES} bytes", file=path)
        return Included(path, text)

    def _expand(self, pattern: str) -> Iterable[str]:
        alternatives = list(self._alternatives(pattern))
        if alternatives == [pattern]:
            return self._matches(pattern) if _is_pattern(pattern) else [_unescaped(pattern)]
        found = [path for alternative in alternatives for path in self._matches(alternative)]
        return found or self._matches(pattern)

    def _alternatives(self, pattern: str) -> Iterator[str]:
        """The pattern with its braces written out, the leftmost first."""
        self._spend()
        begin = next(_unescaped_at(pattern, "{"), -1)
        ends = _brace_ends(pattern, begin) if begin >= 0 else []
        if not ends:
            yield pattern
        for start, end in zip([begin, *ends], ends, strict=False):
            yield from self._alternatives(
                pattern[:begin] + pattern[start + 1 : end] + pattern[ends[-1] + 1 :]
            )

    def _matches(self, pattern: str) -> list[str]:
        """The existing paths that match, in the order of their bytes."""
        return sorted(self._walk("", pattern.split("/")), key=encode)

    def _walk(self, base: str, parts: list[str]) -> Iterator[str]:
        head, *rest = parts
        for name in self._names(base, head) if _is_pattern(head) else [_unescaped(head)]:
            if rest:
                yield from self._walk(f"{base}{name}/", rest)
            elif self._exists(base + name):
                yield base + name

    def _names(self, base: str, pattern: str) -> list[str]:
        matches = _name_matcher(pattern)
        hidden = pattern.startswith((".", "\\."))
        try:
            with os.scandir(inside(self._root, os.fsdecode(encode(base)))) as entries:
                names = [decode(os.fsencode(entry.name)) for entry in entries if self._spend()]
        except OSError:
            return []
        return [name for name in names if hidden == name.startswith(".") and matches(name)]

    def _exists(self, path: str) -> bool:
        self._spend()
        try:
            return os.path.lexists(inside(self._root, os.fsdecode(encode(path))))
        except OSError:
            return False

    def _spend(self) -> bool:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise EndlessError(f"the patterns of #include lines look at more than {MAX_ENTRIES} names")
        return True


def _content(where: Path) -> bytes:
    """A regular file, up to one byte more than `MAX_BYTES`. Never waits, whatever it has become by now."""
    descriptor = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        data: bytes | None = file.read(MAX_BYTES + 1)
    if data is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return data


def _unescaped_at(pattern: str, signs: str) -> Iterator[int]:
    """Where any of the signs stands without a backslash in front of it."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] in signs:
            yield at
        at += 1


def _brace_ends(pattern: str, begin: int) -> list[int]:
    """Where the alternatives of the brace at ``begin`` end, the last where it closes; none if it does not."""
    ends, depth = [], 0
    for at in _unescaped_at(pattern[begin + 1 :], "{,}"):
        sign = pattern[begin + 1 + at]
        if depth == 0 and sign != "{":
            ends.append(begin + 1 + at)
            if sign == "}":
                return ends
        depth += {"{": 1, ",": 0, "}": -1}[sign]
    return []


def _name_matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Matches names with one component of a pattern; `fnmatch` does not know ``\\`` and ``[^...]``."""

    def translated(found: re.Match[str]) -> str:
        escaped = found[1]
        return "[!" if escaped is None else f"[{escaped}]" if escaped in "*?[" else escaped

    return re.compile(fnmatch.translate(re.sub(r"\\(.)|\[\^", translated, pattern))).match


def _is_pattern(text: str) -> bool:
    opened = False
    for at in _unescaped_at(text, "*?[]"):
        if text[at] in "*?" or (opened and text[at] == "]"):
            return True
        opened = opened or text[at] == "["
    return False


def _unescaped(text: str) -> str:
    """The text without the backslashes that take the meaning from the character behind them."""
    kept, at = [], 0
    while at < len(text):
        at += text[at] == "\\" and at + 1 < len(text)
        kept.append(text[at])
        at += 1
    return "".join(kept)
