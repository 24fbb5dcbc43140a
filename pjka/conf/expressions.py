"""POSIX extended regular expressions without groups, matched in bounded time.

Asterisk hands the filter of ``[name](+option=value)`` to ``regcomp``. Python's ``re`` has another syntax
and may need exponential time, so an expression becomes a row of steps here, walked with all possible
positions at once: the time is at most that of text length times steps. Classes such as ``[:alpha:]`` know
ASCII letters only.

A filter cannot contain ``)``, which would end it, so it has no groups and no back-references.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

MAX_STEPS: Final = 65_536
"""How many steps an expression may have; a count such as ``{300}`` makes as many."""
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


class ExpressionError(ValueError):
    """The expression is invalid: ``regcomp`` refuses it."""


class ExpressionSizeError(ValueError):
    """The expression would need more than `MAX_STEPS`."""


class Edge(Enum):
    """A place in the text that a step demands, without taking a character."""

    START = "^"
    END = "$"
    WORD = "b"
    NO_WORD = "B"
    WORD_START = "<"
    WORD_END = ">"


class Charset(NamedTuple):
    """A step that takes one of the characters in any of the ranges, or in none of them."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def accepts(self, char: str) -> bool:
        """Whether the character is one of the set."""
        return any(low <= char <= high for low, high in self.ranges) != self.negated


class Jump(NamedTuple):
    """A step that takes no character and goes on at each of these distances."""

    distances: tuple[int, ...]


Step: TypeAlias = Charset | Edge | Jump


class Expression(NamedTuple):
    """The alternatives of an expression."""

    branches: tuple[tuple[Step, ...], ...]

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in the text."""
        return any(_search(steps, text) for steps in self.branches)

    @property
    def size(self) -> int:
        """The number of steps."""
        return sum(map(len, self.branches))


_ANY: Final = Charset((_INVALID_BYTES,), negated=True)
_WORD: Final = Charset((("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")))
_NOT_WORD: Final = Charset((*_WORD.ranges, _INVALID_BYTES), negated=True)
_SPACE: Final = Charset((("\t", "\r"), (" ", " ")))
_NOT_SPACE: Final = Charset((*_SPACE.ranges, _INVALID_BYTES), negated=True)
_ESCAPES: Final[Mapping[str, Step]] = {
    "w": _WORD,
    "W": _NOT_WORD,
    "s": _SPACE,
    "S": _NOT_SPACE,
    "`": Edge.START,
    "'": Edge.END,
    "b": Edge.WORD,
    "B": Edge.NO_WORD,
    "<": Edge.WORD_START,
    ">": Edge.WORD_END,
}


def expression(text: str) -> Expression:
    """Compile a POSIX extended regular expression without groups, with the GNU escapes.

    Raises `ExpressionError` and `ExpressionSizeError`.
    """
    branches: list[list[list[Step]]] = [[]]
    at = 0
    while at < len(text):
        branch, char = branches[-1], text[at]
        if char == "|":
            branches.append([])
            at += 1
        elif char in "*+?{":
            if not branch or isinstance(branch[-1][0], Edge):
                raise ExpressionError("nothing to repeat")
            repeated, at = _repeated(branch.pop(), text, at)
            branch.append(repeated)
        else:
            step, at = _atom(text, at)
            branch.append([step])
    return Expression(tuple(tuple(step for part in branch for step in part) for branch in branches))


def _any_number(part: list[Step]) -> list[Step]:
    return [Jump((1, len(part) + 2)), *part, Jump((-len(part) - 1,))]


def _repeated(part: list[Step], text: str, at: int) -> tuple[list[Step], int]:
    """The part with the repetition that the text demands, and what follows that."""
    if text[at] == "*":
        return _any_number(part), at + 1
    if text[at] == "+":
        return part + _any_number(part), at + 1
    if text[at] == "?":
        return [Jump((1, len(part) + 1)), *part], at + 1
    end = text.find("}", at)
    digits = text[at + 1 : end]
    if end < 0 or not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or int(digits) > _MAX_COUNT:
        raise ExpressionError("invalid count")
    if len(part) * int(digits) > MAX_STEPS:
        raise ExpressionSizeError(f"too many repetitions: {digits}")
    return part * int(digits) or [Jump((1,))], end + 1


def _atom(text: str, at: int) -> tuple[Step, int]:
    char, at = text[at], at + 1
    if char in "^$":
        return Edge(char), at
    if char == ".":
        return _ANY, at
    if char == "[":
        return _bracket(text, at)
    if char == "(":
        raise ExpressionError("no closing parenthesis")
    if char == "\\":
        char, at = text[at : at + 1], at + 1
        if not char or char in "123456789":
            raise ExpressionError("nothing to escape, or no group to refer back to")
        return _ESCAPES.get(char) or Charset(((char, char),)), at
    return Charset(((char, char),)), at


def _bracket(text: str, at: int) -> tuple[Charset, int]:
    """The set that begins behind the ``[``, and what follows its ``]``."""
    negated = text.startswith("^", at)
    start = at = at + negated
    ranges: list[tuple[str, str]] = []
    while at == start or text[at : at + 1] != "]":
        if text.startswith("-", at) and at > start and not text.startswith("]", at + 1):
            raise ExpressionError("a range without a start")
        if text.startswith("[:", at):
            found, at = _class(text, at)
            ranges += found
            continue
        low, at = _member(text, at)
        high = low
        if text.startswith("-", at) and not text.startswith("]", at + 1):
            high, at = _member(text, at + 1)
        if high < low:
            raise ExpressionError("a range that ends before it starts")
        ranges.append((low, high))
    return Charset((*ranges, _INVALID_BYTES) if negated else tuple(ranges), negated), at + 1


def _class(text: str, at: int) -> tuple[list[tuple[str, str]], int]:
    end = text.find(":]", at)
    bounds = _CLASSES.get(text[at + 2 : end]) if end > 0 else None
    if bounds is None:
        raise ExpressionError("no such character class")
    return list(zip(bounds[::2], bounds[1::2], strict=True)), end + 2


def _member(text: str, at: int) -> tuple[str, int]:
    """A single character of a bracket expression, also written ``[.x.]`` or ``[=x=]``."""
    for sign in ".=":
        if text.startswith("[" + sign, at):
            if text[at + 3 : at + 5] != sign + "]":
                raise ExpressionError("no such collating element")
            return text[at + 2], at + 5
    if at >= len(text):
        raise ExpressionError("no closing bracket")
    return text[at], at + 1


def _search(steps: tuple[Step, ...], text: str) -> bool:
    states: set[int] = set()
    for position in range(len(text) + 1):
        states = _reached(steps, {*states, 0}, _edges(text, position))
        if len(steps) in states:
            return True
        char = text[position : position + 1]
        states = {state + 1 for state in states if char and _takes(steps[state], char)}
    return False


def _takes(step: Step, char: str) -> bool:
    return isinstance(step, Charset) and step.accepts(char)


def _reached(steps: tuple[Step, ...], states: set[int], edges: set[Edge]) -> set[int]:
    """The states and those that follow without taking a character."""
    pending = list(states)
    while pending:
        state = pending.pop()
        step = steps[state] if state < len(steps) else None
        distances = step.distances if isinstance(step, Jump) else (1,) if step in edges else ()
        new = {state + distance for distance in distances} - states
        states |= new
        pending += new
    return states


def _edges(text: str, position: int) -> set[Edge]:
    """What holds between the characters at this position."""
    before = position > 0 and _WORD.accepts(text[position - 1])
    after = position < len(text) and _WORD.accepts(text[position])
    edges = {Edge.WORD if before != after else Edge.NO_WORD}
    edges |= {Edge.START} if position == 0 else set()
    edges |= {Edge.END} if position == len(text) else set()
    edges |= {Edge.WORD_START} if after and not before else set()
    return edges | ({Edge.WORD_END} if before and not after else set())
