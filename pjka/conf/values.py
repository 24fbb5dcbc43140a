"""Asterisk's rules for values: every parser takes the text and raises ValueError with what it expected.

The rules are those of ``ast_true`` (``main/utils.c``) and ``ast_parse_arg`` (``main/config.c``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from pjka.conf.document import fold

T = TypeVar("T")

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
UINT32_MAX: Final = 2**32 - 1

_TRUE: Final = frozenset({"yes", "true", "y", "t", "1", "on"})
_FALSE: Final = frozenset({"no", "false", "n", "f", "0", "off"})
# what strtol and strtod skip in front
_BLANK: Final = " \t\n\v\f\r"
_INTEGER: Final = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEXADECIMAL: Final = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?", re.ASCII
)
_SPECIAL: Final = re.compile(r"([+-]?)(inf(?:inity)?|nan(?:\([0-9a-z_]*\))?)", re.ASCII | re.IGNORECASE)


def parse_text(text: str) -> str:
    """Any text, as it is."""
    return text


def parse_bool(text: str) -> bool:
    """True for ``yes``, ``true``, ``y``, ``t``, ``1`` and ``on`` in any case, else false; never fails."""
    return fold(text) in _TRUE


def is_boolean_word(text: str) -> bool:
    """Whether ``text`` is a word for true or for false; :func:`parse_bool` takes all else for false."""
    word = fold(text)
    return word in _TRUE or word in _FALSE


def parse_int(text: str) -> int:
    """A 32-bit integer as strtol reads it: sign, ``0x`` for hexadecimal, a leading ``0`` for octal."""
    return _integer(text, INT32_MIN, INT32_MAX)


def parse_uint(text: str) -> int:
    """An unsigned 32-bit integer, written like :func:`parse_int` but without a minus."""
    if text.lstrip(_BLANK).startswith("-"):
        raise ValueError(_whole_number(0, UINT32_MAX))
    return _integer(text, 0, UINT32_MAX)


def int_between(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from ``low`` to ``high``, both included."""
    read = parse_uint if low >= 0 else parse_int

    def parse(text: str) -> int:
        try:
            number = read(text)
        except ValueError:
            raise ValueError(_whole_number(low, high)) from None
        if not low <= number <= high:
            raise ValueError(_whole_number(low, high))
        return number

    return parse


def parse_double(text: str) -> float:
    """A number as strtod reads it: decimal, exponent, hexadecimal, ``inf``, ``nan``; not too big or small."""
    number = text.lstrip(_BLANK)
    if special := _SPECIAL.fullmatch(number):
        return float(special[1] + special[2][:3])
    if _DECIMAL.fullmatch(number):
        return _in_range(float(number), number)
    if _HEXADECIMAL.fullmatch(number):
        return _in_range(_from_hex(number), number)
    raise ValueError("a number")


def one_of(choices: Mapping[str, T]) -> Callable[[str], T]:
    """A parser of words, whatever their case; each stands for a value."""
    expected = ", ".join(word for word in choices if word)

    def parse(text: str) -> T:
        try:
            return choices[fold(text)]
        except KeyError:
            raise ValueError(expected) from None

    return parse


def parse_list(text: str) -> tuple[str, ...]:
    """Comma-separated words without the blanks around them; empty ones are left out."""
    return tuple([word for part in text.split(",") if (word := part.strip())])


def _integer(text: str, low: int, high: int) -> int:
    match = _INTEGER.fullmatch(text.lstrip(_BLANK))
    if match is None:
        raise ValueError(_whole_number(low, high))
    sign, hexadecimal, octal, decimal = match.groups()
    if decimal and len(decimal) > len(str(UINT32_MAX)):
        raise ValueError(_whole_number(low, high))
    magnitude = int(hexadecimal, 16) if hexadecimal else int(decimal) if decimal else int(octal or "0", 8)
    number = -magnitude if sign == "-" else magnitude
    if not low <= number <= high:
        raise ValueError(_whole_number(low, high))
    return number


def _whole_number(low: int, high: int) -> str:
    return f"a whole number from {low} to {high}"


def _from_hex(number: str) -> float:
    try:
        return float.fromhex(number)
    except OverflowError:
        raise ValueError("a number that fits a double") from None


def _in_range(value: float, number: str) -> float:
    """Refuse what strtod reports as ERANGE: overflow, and a number too small for a normal double."""
    mantissa = re.split("[pP]" if "x" in number.lower() else "[eE]", number)[0].lower().removeprefix("0x")
    zero = not any(digit in "123456789abcdef" for digit in mantissa)
    if abs(value) == float("inf") or (abs(value) < sys.float_info.min and not zero):
        raise ValueError("a number that fits a double")
    return value
