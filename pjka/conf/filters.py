"""The filter of ``[name](+option=value&option=value)``: which section of that name is continued.

The rules are those of ``does_category_match`` in Asterisk's ``main/config.c``: both sides of each condition
are POSIX extended expressions that may match anywhere, and ``TEMPLATES`` is ``include`` or ``restrict``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pjka.conf.document import Section
from pjka.conf.expressions import Expression, ExpressionError, expression
from pjka.conf.lines import BLANKS

_MAX_QUOTES: Final = 8


class Condition(NamedTuple):
    """That some option of the section has a name and a value which match."""

    name: Expression
    value: Expression


class Filter(NamedTuple):
    """What a section must be to be continued; without any condition, it must not be a template."""

    possible: bool
    """False if no section can match: a condition is no ``name=value``, or an expression is invalid."""
    conditions: tuple[Condition, ...] = ()
    templates: bool = False
    plain: bool = True

    def matches(self, section: Section) -> bool:
        """Whether the section can be continued."""
        allowed = self.templates if section.template else self.plain
        return self.possible and allowed and all(_holds(c, section) for c in self.conditions)

    def cost(self, section: Section) -> int:
        """How many steps `matches` takes at most."""
        if not self.conditions:
            return 0
        size = sum(c.name.size + c.value.size for c in self.conditions)
        return size * sum(len(option.name) + len(option.value) + 2 for option in section.options)


def parse_filter(text: str) -> Filter:
    """Read what stands behind the ``+``. Raises `ExpressionSizeError`."""
    parsed = Filter(possible=True)
    for pair in _split(text, "&") if text else ():
        name, value, *_ = (*_split(pair, "="), None, None)
        parsed = _narrowed(parsed, name, value)
    return parsed


def _narrowed(parsed: Filter, name: str | None, value: str | None) -> Filter:
    """The filter with one condition more."""
    if name is None or value is None:
        return parsed._replace(possible=False)
    if name == "TEMPLATES":
        restricted = value.lower() == "restrict"
        if not restricted and value.lower() != "include":
            return parsed._replace(possible=False)
        return parsed._replace(templates=True, plain=parsed.plain and not restricted)
    try:
        condition = Condition(expression(name), expression(value))
    except ExpressionError:
        return parsed._replace(possible=False)
    return parsed._replace(conditions=(*parsed.conditions, condition))


def _holds(condition: Condition, section: Section) -> bool:
    options: Iterable[tuple[str, str]] = ((option.name, option.value) for option in section.options)
    return any(condition.name.search(name) and condition.value.search(value) for name, value in options)


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts between separators that are neither quoted nor escaped, without quotes (``ast_strsep``)."""
    while text:
        at = _separator_at(text, separator)
        if at is None:
            return
        yield _unquoted(text[:at])
        if at == len(text):
            return
        text = text[at + 1 :]
    yield ""


def _separator_at(text: str, separator: str) -> int | None:
    """Where the next separator is, or the end; nothing if quotes are nested too deep."""
    quotes: list[str] = []
    at = 0
    while at < len(text):
        at += 2 if text[at] == "\\" else 0
        char = text[at : at + 1]
        if quotes and char == quotes[-1]:
            quotes.pop()
        elif char in ("'", '"'):
            quotes.append(char)
        if len(quotes) == _MAX_QUOTES:
            return None
        if char == separator and not quotes:
            return at
        at += 1
    return len(text)


def _unquoted(text: str) -> str:
    text = text.strip(BLANKS)
    if text[:1] in ("'", '"') and text[-1] == text[0]:
        return text[1:-1]
    return text
