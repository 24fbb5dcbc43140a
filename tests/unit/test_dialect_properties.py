"""What holds for any bytes: they parse or raise the one documented error, soon, and print back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pjka.conf.dialect import DialectError, Document, parse
from pjka.conf.document import MAX_LINE, Option, Section, decode, encode
from pjka.conf.includes import Included

PIECES = [
    *[
        b"[",
        b"]",
        b"(",
        b")",
        b"!",
        b"+",
        b"=",
        b">",
        b";",
        b"--",
        b"\\",
        b" ",
        b",",
        b"&",
        b"\r",
        b"\n",
        b"\n",
        b"\n",
    ],
    *[b"a", b"b", b"A", b"k=v\n", b"k+=", b"[a]\n", b"[b](a)\n", b"#include x", b"#tryinclude y", b"#exec z"],
    *[
        b"\x00",
        b"\xff",
        b"\xc3",
        "ü".encode(),
        b"\xef\xbb\xbf",
        b"v" * 4000,
        b" " * 3000,
        b"TEMPLATES=include",
    ],
]

texts = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join) | st.binary(max_size=2000)


def attempt(text: bytes, included: bytes = b"") -> Document | DialectError:
    """The document, or the one documented error."""

    def opener(name: str) -> Iterator[Included]:
        yield Included(name, included)

    try:
        return parse(text, "main.conf", opener=opener)
    except DialectError as error:
        return error


def is_inside(file: str | None, line: int | None, text: bytes, included: bytes) -> bool:
    """Whether there is such a line: every file but the main one is the included one, under any name."""
    lines = (text if file == "main.conf" else included).count(b"\n") + 1
    return bool(file) and line is not None and 1 <= line <= lines


@settings(max_examples=500, deadline=None)
@given(text=texts, included=texts)
def test_any_bytes_parse_or_raise_the_documented_error_in_bounded_time(text: bytes, included: bytes) -> None:
    start = time.perf_counter()
    outcome = attempt(text, included)
    assert time.perf_counter() - start < 5
    if isinstance(outcome, DialectError):
        assert is_inside(outcome.file, outcome.line, text, included)


@settings(max_examples=500, deadline=None)
@given(text=texts, included=texts)
def test_what_parses_prints_back_to_an_equal_document(text: bytes, included: bytes) -> None:
    outcome = attempt(b"[first]\n" + text, included)
    if isinstance(outcome, Document):
        printed = bytes(outcome)
        again = parse(printed, "printed.conf")
        assert again == outcome
        assert again.findings == []
        assert bytes(again) == printed


@settings(deadline=None)
@given(text=texts.map(b"[first]\n".__add__), included=texts)
def test_places_lie_inside_the_files(text: bytes, included: bytes) -> None:
    outcome = attempt(text, included)
    if isinstance(outcome, Document):
        options = [option for section in outcome.sections for option in section.options]
        places = [*options, *outcome.sections, *outcome.findings]
        assert all(is_inside(place.file, place.line, text, included) for place in places)


@given(st.binary())
def test_decoding_keeps_every_byte(data: bytes) -> None:
    assert encode(decode(data)) == data


# printing values that no single line can hold


def document(*options: tuple[str, str]) -> Document:
    listed = [Option(name, value, "x", 1) for name, value in options]
    return Document([Section("s", False, listed, "x", 1)], [], ("x",))


@pytest.mark.parametrize(
    "value",
    [
        "v" * 20_000,
        ";" * 20_000,
        "ü" * 20_000,
        "\udcff" * 20_000,
        "a " * 10_000 + "b",
        "a" + " " * 8000 + "b" + " " * 8000 + "c",
        ">" * 9000,
        "v" * (MAX_LINE - 2),
        "v" * (MAX_LINE - 4),
    ],
)
@pytest.mark.parametrize("name", ["k", "k+", "[k", ";k", "=k"])
def test_long_values_print_as_several_lines(name: str, value: str) -> None:
    printed = bytes(document(("k", "1"), (name, value)))
    assert max(map(len, printed.split(b"\n"))) <= MAX_LINE
    assert parse(printed, "x") == document(("k", "1"), (name, value))


def test_long_value_beside_one_that_is_its_beginning() -> None:
    """An append would extend the other one, were it split there."""
    beginning = "V" * (MAX_LINE - 2)
    wanted = document(("K", beginning), ("k", beginning.lower() + "v" * 9000))
    assert parse(bytes(wanted), "x") == wanted


def test_long_name_with_an_empty_value() -> None:
    wanted = document(("k" * (MAX_LINE - 1), ""))
    assert parse(bytes(wanted), "x") == wanted


def test_name_that_leaves_no_room_for_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        bytes(document(("k" * (MAX_LINE - 1), "v")))


def test_documents_differ_in_names_templates_and_options_only() -> None:
    assert parse(b"[a]\nk=1\n", "x") == parse(b"\n; comment\n[a]\n\nk => 1\ntext\n", "y")
    for other in (b"[b]\nk=1\n", b"[a](!)\nk=1\n", b"[a]\nK=1\n", b"[a]\nk=2\n", b"[a]\nk=1\nk=1\n", b""):
        assert parse(b"[a]\nk=1\n", "x") != parse(other, "x")
    assert parse(b"", "x") != ""
