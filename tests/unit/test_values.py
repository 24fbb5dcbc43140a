"""Asterisk's rules for values, against a table and against the C library that Asterisk calls."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pjka.conf.values import (
    INT32_MAX,
    INT32_MIN,
    UINT32_MAX,
    int_between,
    is_boolean_word,
    one_of,
    parse_bool,
    parse_double,
    parse_int,
    parse_list,
    parse_text,
    parse_uint,
)

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.strtol.restype = ctypes.c_long
LIBC.strtod.restype = ctypes.c_double


def _number(convert: Callable[..., float], text: str, *base: int) -> float | None:
    """What ast_parse_arg makes of strtol or strtod: None for an empty text, a rest, or errno."""
    if not text:
        return None
    raw = ctypes.create_string_buffer(text.encode())
    end = ctypes.c_char_p()
    ctypes.set_errno(0)
    value = convert(raw, ctypes.byref(end), *base)
    return None if end.value or ctypes.get_errno() else value


def _strtol(text: str) -> int | None:
    value = _number(LIBC.strtol, text, 0)
    return None if value is None or not INT32_MIN <= value <= INT32_MAX else int(value)


def _parsed(parse: Callable[[str], float], text: str) -> float | None:
    try:
        return parse(text)
    except ValueError:
        return None


@pytest.mark.parametrize("word", ["yes", "true", "y", "t", "1", "on", "YES", "True", "oN"])
def test_asterisk_4_4_bool_true(word: str) -> None:
    assert parse_bool(word) is True
    assert is_boolean_word(word)


@pytest.mark.parametrize("word", ["no", "false", "n", "f", "0", "off", "OFF"])
def test_asterisk_4_4_bool_false(word: str) -> None:
    assert parse_bool(word) is False
    assert is_boolean_word(word)


@pytest.mark.parametrize("word", ["", "maybe", "2", "yes please", " yes", "system", "enabled", "ｙｅｓ"])
def test_asterisk_4_4_bool_anything_else_is_false_and_never_an_error(word: str) -> None:
    assert parse_bool(word) is False
    assert not is_boolean_word(word)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("30", 30),
        ("0x10", 16),
        ("0X1f", 31),
        ("010", 8),
        ("-3", -3),
        ("+7", 7),
        ("-0x10", -16),
        ("0", 0),
        (" 5", 5),
        ("2147483647", INT32_MAX),
        ("-2147483648", INT32_MIN),
    ],
)
def test_asterisk_4_4_int(text: str, number: int) -> None:
    assert parse_int(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "1a",
        "1 2",
        "0x",
        "08",
        "1.0",
        "2147483648",
        "3000000000",
        "-2147483649",
        "1_0",
        "٣",
        "9" * 6000,
    ],
)
def test_asterisk_4_4_int_error(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number from -2147483648 to 2147483647"):
        parse_int(text)


# The machine's own octal and hexadecimal, signs and blanks, and enough digits to overflow.
_NUMBERS = st.text(alphabet="0123456789abfxX+- \t", min_size=1, max_size=14)


@given(_NUMBERS)
@example("0x")
@example("+0x7fffffff")
@example("-08")
def test_asterisk_4_4_int_is_strtol_of_this_machine(text: str) -> None:
    assert _parsed(parse_int, text) == _strtol(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("+1", 1), ("0x10", 16), ("4294967295", UINT32_MAX)])
def test_asterisk_4_4_uint(text: str, number: int) -> None:
    assert parse_uint(text) == number


@pytest.mark.parametrize("text", ["-1", " -1", "-0", "", "4294967296", "x"])
def test_asterisk_4_4_uint_error(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number from 0 to 4294967295"):
        parse_uint(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3.0", 3.0),
        ("3", 3.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5", -1.5),
        ("0x1p3", 8.0),
        ("0x.8", 0.5),
        (" 2", 2.0),
        ("inf", math.inf),
        ("-INFINITY", -math.inf),
        ("0e999", 0.0),
    ],
)
def test_asterisk_4_4_double(text: str, number: float) -> None:
    assert parse_double(text) == number


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "nan(1)"])
def test_asterisk_4_4_double_nan(text: str) -> None:
    assert math.isnan(parse_double(text))


@pytest.mark.parametrize(
    "text", ["", "three", "3 s", "3.0.0", "1e", "0x", "1,5", "1e400", "1e-400", "1e-310", "infin"]
)
def test_asterisk_4_4_double_error(text: str) -> None:
    with pytest.raises(ValueError, match="a number"):
        parse_double(text)


@given(st.text(alphabet="0123456789.eExXpPaf+- ", min_size=1, max_size=12))
@example("1e308")
@example("1e309")
@example("0x1p1023")
@example("0x1p1024")
@example("2.3e-308")
def test_asterisk_4_4_double_is_strtod_of_this_machine(text: str) -> None:
    expected = _number(LIBC.strtod, text)
    # strtod has no objection to a denormal that is exact, which nobody writes
    assume(not expected or abs(expected) >= sys.float_info.min)
    assert _parsed(parse_double, text) == expected


@pytest.mark.parametrize("text", ["0", "86400", "0x10"])
def test_asterisk_4_4_range_inside(text: str) -> None:
    assert 0 <= int_between(0, 86400)(text) <= 86400


@pytest.mark.parametrize("text", ["86401", "-1", "", "x"])
def test_asterisk_4_4_range_outside_is_an_error_and_not_clamped(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number from 0 to 86400"):
        int_between(0, 86400)(text)


def test_asterisk_4_4_range_may_be_negative() -> None:
    assert int_between(-5, 5)("-3") == -3


def test_words_are_found_in_any_case_but_only_of_ascii() -> None:
    parse = one_of({"kelvin": 1, "": 0})
    assert (parse("KELVIN"), parse("")) == (1, 0)
    with pytest.raises(ValueError, match="kelvin"):
        parse("\u212aelvin")


def test_a_list_has_no_blanks_and_no_empty_words() -> None:
    assert parse_list(" a , b,, c d ,") == ("a", "b", "c d")
    assert parse_list("") == ()


def test_a_text_stays_as_it_is() -> None:
    assert parse_text(' "quoted" ') == ' "quoted" '
