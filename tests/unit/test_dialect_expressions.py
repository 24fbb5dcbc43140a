"""The expressions in the filter of a continued section, compared with the C library's own."""

from __future__ import annotations

import ctypes
import platform
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pjka.conf.expressions import ExpressionError, ExpressionSizeError, expression

PIECES = [*"ab.*+?|^$[]-{}_ \\", "[^a]", "[[:alpha:]]", "\\w", "\\b", "\\<", "{2}"]


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("", ["", "a"], []),
        ("b", ["abc"], ["ac", "B"]),
        ("^b$", ["b"], ["bb", ""]),
        ("a.c", ["abc", "a\u00fcc"], ["ac", "a\udcffc"]),
        ("^a*$", ["", "aaa"], ["ab"]),
        ("^a+b?$", ["a", "aab"], ["", "abb"]),
        ("^a{3}$", ["aaa"], ["aa", "aaaa"]),
        ("^a{2}*$", ["", "aaaa"], ["a", "aaa"]),
        ("^(a|b)$", None, None),
        ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        ("a||b", ["x"], []),
        ("[ab]", ["xb"], ["c"]),
        ("^[^ab]$", ["c"], ["a", ""]),
        ("^[]-]$", ["]", "-"], ["a"]),
        ("^[a-c[:digit:]]*$", ["b7"], ["d"]),
        ("^[[.a.]-[=c=]]$", ["b"], ["d"]),
        ("\\.", ["."], ["a"]),
        ("^\\w\\W\\s\\S$", ["a- a"], ["ab a"]),
        ("\\bfoo\\b", ["a foo b"], ["foob"]),
        ("\\<o|o\\>", ["of", "to"], ["for"]),
        ("a\\Bb", ["ab"], ["a b"]),
        ("a*^b", ["b"], ["ab"]),
    ],
)
def test_asterisk_4_1_filter_expressions(
    text: str, matching: list[str] | None, other: list[str] | None
) -> None:
    if matching is None or other is None:
        with pytest.raises(ExpressionError):
            expression(text)
        return
    assert all(expression(text).search(each) for each in matching)
    assert not any(expression(text).search(each) for each in other)


@pytest.mark.parametrize(
    "text",
    [
        *["*", "^*", "|+", "a{", "a{x}", "a{1", "a{40000}", "{2}", "[", "[a", "[]", "[b-a]", "[a-c-e]"],
        *["[[:no:]]", "[[.ab.]]", "(", "\\", "\\1"],
    ],
)
def test_asterisk_4_1_filter_expression_that_regcomp_refuses(text: str) -> None:
    with pytest.raises(ExpressionError):
        expression(text)


def test_expression_that_needs_too_many_steps() -> None:
    with pytest.raises(ExpressionSizeError):
        expression("a{30000}{3}")


def test_expression_that_takes_other_engines_for_ever() -> None:
    start = time.perf_counter()
    assert not expression("^" + "a*" * 50 + "b").search("a" * 500)
    assert time.perf_counter() - start < 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library's regcomp(3)")
@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6), st.text("ab_ -.", max_size=6))
def test_asterisk_4_1_filter_expressions_match_like_regexec(pieces: list[str], text: str) -> None:
    pattern = "".join(pieces)
    try:
        found: bool | None = expression(pattern).search(text)
    except ExpressionError:
        found = None
    assert found == _regexec(pattern, text)


def _regexec(pattern: str, text: str) -> bool | None:
    """Whether the C library finds the pattern; nothing where it refuses to compile it."""
    extended, no_positions = 1, 8
    library, compiled = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    if library.regcomp(compiled, pattern.encode(), extended | no_positions):
        return None
    found = library.regexec(compiled, text.encode(), 0, None, 0)
    library.regfree(compiled)
    return bool(found == 0)
