"""The pattern languages of the dialect, matched in bounded time: POSIX expressions and file name patterns.

Asterisk hands the filter of ``[name](+option=value)`` to ``regcomp``, the name in ``#include`` to ``glob``.
Python's ``re`` writes both differently and may need exponential time, so both become a row of steps here,
walked with all possible positions at once: the time is at most that of text length times steps.

A filter cannot contain ``)``, which would end it, so it has no groups and no back-references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple

MAX_STEPS: Final = 65_536
"""How many steps a pattern may have; a count such as ``{300}`` makes as many."""
_MAX_COUNT: Final = 32_767
_INVALID_BYTES: Final = ("\udc80", "\udcff")
_CLASSES: Final = {
    "alnum": "09AZaz",
    "alpha": "AZaz",
    "blank": "\t\t  ",
    "cntrl": "\x00\x1f\x7f\x7f",
    "digit": "09",
    "graph": "!~",
    "lower": "az",
    "print": " ~",
    "punct": "!/:@[`{~",
    "space": "\t\r  ",
    "upper": "AZ",
    "xdigit": "09AFaf",
}


class PatternError(ValueError):
    """The pattern is invalid: ``regcomp`` refuses it."""


class UnsupportedPatternError(ValueError):
    """The pattern is not understood here: a word boundary, or a count repeated as in ``a{2}*``."""


class Edge(Enum):
    """A place in the text that a step demands instead of a character."""

    START = "^"
    END = "$"


class Charset(NamedTuple):
    """The characters in any of the ranges, or in none of them."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def accepts(self, char: str) -> bool:
        """Whether the character is one of the set."""
        return any(low <= char <= high for low, high in self.ranges) != self.negated


class Step(NamedTuple):
    """One element of a pattern, which may be left out, and may come again."""

    what: Charset | Edge
    optional: bool = False
    repeated: bool = False


class Pattern(NamedTuple):
    """The alternatives of a pattern."""

    branches: tuple[tuple[Step, ...], ...]

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        return any(_search(steps, text) for steps in self.branches)

    @property
    def size(self) -> int:
        """The number of steps."""
        return sum(map(len, self.branches))


class _Element(NamedTuple):
    what: Charset | Edge
    low: int = 1
    high: int | None = 1


_ANY: Final = Charset(())
_ANY_VALID: Final = Charset((_INVALID_BYTES,), negated=True)
_WORD: Final = Charset((("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")))
_NOT_WORD: Final = Charset((*_WORD.ranges, _INVALID_BYTES), negated=True)
_SPACE: Final = Charset((("\t", "\r"), (" ", " ")))
_NOT_SPACE: Final = Charset((*_SPACE.ranges, _INVALID_BYTES), negated=True)
_ESCAPES: Final[Mapping[str, Charset | Edge]] = {
    "w": _WORD,
    "W": _NOT_WORD,
    "s": _SPACE,
    "S": _NOT_SPACE,
    "`": Edge.START,
    "'": Edge.END,
}
_COUNTS: Final[Mapping[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def expression(text: str) -> Pattern:
    """Compile a POSIX extended regular expression without groups, with the GNU escapes of character classes.

    Raises `PatternError` and `UnsupportedPatternError`.
    """
    branches: list[list[_Element]] = [[]]
    at = 0
    while at < len(text):
        branch, char = branches[-1], text[at]
        if char == "|":
            branches.append([])
            at += 1
        elif char in "*+?{":
            low, high, at = _count(text, at)
            if not branch or isinstance(branch[-1].what, Edge):
                raise PatternError("nothing to repeat")
            branch.append(_repeat(branch.pop(), low, high))
        else:
            what, at = _atom(text, at)
            branch.append(_Element(what))
    return _pattern(branches)


def file_name(text: str) -> Pattern:
    """Compile one component of a path with ``*``, ``?``, ``[...]`` and ``\\``, to match a whole name."""
    elements = [_Element(Edge.START)]
    at = 0
    while at < len(text):
        char, at = text[at], at + 1
        if char in "*?":
            elements.append(_Element(_ANY, 0, None) if char == "*" else _Element(_ANY))
            continue
        what: Charset | None = None
        if char == "[":
            what, at = _name_bracket(text, at)
        elif char == "\\" and at < len(text):
            char, at = text[at], at + 1
        elements.append(_Element(what or Charset(((char, char),))))
    return _pattern([[*elements, _Element(Edge.END)]])


def _name_bracket(text: str, at: int) -> tuple[Charset | None, int]:
    """The set behind a ``[``; nothing where it is never closed, and the bracket stands for itself."""
    try:
        return _bracket(text, at, "!^", "\\")
    except PatternError:
        return None, at


def _atom(text: str, at: int) -> tuple[Charset | Edge, int]:
    char, at = text[at], at + 1
    if char in "^$":
        return Edge(char), at
    if char == ".":
        return _ANY_VALID, at
    if char == "[":
        return _bracket(text, at, "^", "")
    if char == "(":
        raise PatternError("no closing parenthesis")
    return _escaped(text, at) if char == "\\" else (Charset(((char, char),)), at)


def _escaped(text: str, at: int) -> tuple[Charset | Edge, int]:
    if at == len(text):
        raise PatternError("nothing behind the last backslash")
    char = text[at]
    if char in "123456789":
        raise PatternError("no group to refer back to")
    if char in "bB<>":
        raise UnsupportedPatternError(f"\\{char} is not supported")
    return _ESCAPES.get(char) or Charset(((char, char),)), at + 1


def _count(text: str, at: int) -> tuple[int, int | None, int]:
    """The least and greatest number of repetitions, and what follows."""
    if text[at] != "{":
        return *_COUNTS[text[at]], at + 1
    end = text.find("}", at)
    digits = text[at + 1 : end]
    if end < 0 or not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or int(digits) > _MAX_COUNT:
        raise PatternError("invalid count")
    return int(digits), int(digits), end + 1


def _repeat(element: _Element, low: int, high: int | None) -> _Element:
    if element.low > 1 and low != high:
        raise UnsupportedPatternError("a repeated count is not supported")
    if high == 0 or element.high == 0:
        return element._replace(low=0, high=0)
    endless = high is None or element.high is None
    return element._replace(
        low=element.low * low, high=None if endless else (element.high or 0) * (high or 0)
    )


def _bracket(text: str, at: int, negations: str, escape: str) -> tuple[Charset, int]:
    """The set that begins behind the ``[``, and what follows its ``]``."""
    negated = text[at : at + 1] != "" and text[at] in negations
    start = at = at + negated
    ranges: list[tuple[str, str]] = []
    while at == start or text[at : at + 1] != "]":
        if text.startswith("-", at) and at > start and not text.startswith("]", at + 1):
            raise PatternError("a range without a start")
        if text.startswith("[:", at):
            found, at = _class(text, at)
            ranges += found
            continue
        low, at = _member(text, at, escape)
        high = low
        if text.startswith("-", at) and not text.startswith("]", at + 1):
            high, at = _member(text, at + 1, escape)
        if high < low:
            raise PatternError("a range that ends before it starts")
        ranges.append((low, high))
    return Charset((*ranges, _INVALID_BYTES) if negated else tuple(ranges), negated), at + 1


def _class(text: str, at: int) -> tuple[list[tuple[str, str]], int]:
    end = text.find(":]", at)
    bounds = _CLASSES.get(text[at + 2 : end]) if end > 0 else None
    if bounds is None:
        raise PatternError("no such character class")
    return list(zip(bounds[::2], bounds[1::2], strict=True)), end + 2


def _member(text: str, at: int, escape: str) -> tuple[str, int]:
    """A single character of a bracket expression, also written ``[.x.]`` or ``[=x=]``."""
    for sign in ".=":
        if text.startswith("[" + sign, at):
            if text[at + 3 : at + 5] != sign + "]":
                raise PatternError("no such collating element")
            return text[at + 2], at + 5
    if escape and text.startswith(escape, at):
        at += 1
    if at >= len(text):
        raise PatternError("no closing bracket")
    return text[at], at + 1


def _pattern(branches: list[list[_Element]]) -> Pattern:
    counts = sum(e.low if e.high is None else e.high for branch in branches for e in branch)
    if counts > MAX_STEPS:
        raise UnsupportedPatternError("too many repetitions")
    return Pattern(tuple(tuple(step for e in branch for step in _steps(e)) for branch in branches))


def _steps(element: _Element) -> Iterator[Step]:
    for _ in range(element.low):
        yield Step(element.what)
    if element.high is None:
        yield Step(element.what, optional=True, repeated=True)
    else:
        for _ in range(element.high - element.low):
            yield Step(element.what, optional=True)


def _search(steps: tuple[Step, ...], text: str) -> bool:
    states: set[int] = set()
    for position in range(len(text) + 1):
        edges = {Edge.START} if position == 0 else set()
        edges |= {Edge.END} if position == len(text) else set()
        states = _reached(steps, {*states, 0}, edges)
        if len(steps) in states:
            return True
        if position < len(text):
            states = set(_next(steps, states, text[position]))
    return False


def _reached(steps: tuple[Step, ...], states: set[int], edges: set[Edge]) -> set[int]:
    """The states and those that follow without taking a character."""
    pending = list(states)
    while pending:
        state = pending.pop()
        if (
            state < len(steps)
            and (steps[state].optional or steps[state].what in edges)
            and state + 1 not in states
        ):
            states.add(state + 1)
            pending.append(state + 1)
    return states


def _next(steps: tuple[Step, ...], states: Iterable[int], char: str) -> Iterator[int]:
    for state in states:
        what, _, repeated = steps[state]
        if isinstance(what, Charset) and what.accepts(char):
            yield state if repeated else state + 1
