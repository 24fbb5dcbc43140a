"""What a line is and what is left of it: comments, escapes, blanks, assignments (main/config.c)."""

from __future__ import annotations

import pytest

from pjka.conf.dialect import DialectError, Document, EndlessError, parse
from pjka.conf.document import Option, encode


def read(text: bytes) -> Document:
    return parse(text, "pjsip.conf")


def options(text: bytes) -> list[tuple[str, str]]:
    """Name and value of each option of the lines, in a section of their own."""
    (section,) = read(b"[s]\n" + text).sections
    return [(option.name, option.value) for option in section.options]


def codes(document: Document) -> list[tuple[int, str]]:
    return [(finding.line, finding.code) for finding in document.findings]


# the line buffer of 8192 bytes


@pytest.mark.parametrize("length", [8189, 8190])
def test_asterisk_4_1_line_that_fits_the_buffer_of_8192(length: int) -> None:
    value = "v" * (length - 2)
    assert options(f"k={value}\nl=1\n".encode()) == [("k", value), ("l", "1")]


@pytest.mark.parametrize("length", [8191, 8192, 16382, 20000])
def test_asterisk_4_1_longer_line_is_skipped_whole(length: int) -> None:
    document = read(b"[s]\nk=" + b"v" * (length - 2) + b"\nl=1\n")
    assert [option.name for option in document.sections[0].options] == ["l"]
    assert document.sections[0].options[0].line == 3
    assert codes(document) == [(2, "line-too-long")]


def test_asterisk_4_1_line_length_counts_bytes_not_characters() -> None:
    document = read(b"[s]\nk=" + "ü".encode() * 4095 + b"\nl=1\n")
    assert codes(document) == [(2, "line-too-long")]
    assert options(b"k=" + "ü".encode() * 4094) == [("k", "ü" * 4094)]


def test_asterisk_4_1_longest_line_at_the_end_without_line_feed() -> None:
    assert options(b"k=" + b"v" * 8188) == [("k", "v" * 8188)]
    assert options(b"k=" + b"v" * 8189) == []


def test_asterisk_4_1_nul_byte_ends_the_line() -> None:
    document = read(b"[s]\nk = 1\x002\nl = 3\n")
    assert [(o.name, o.value, o.line) for o in document.sections[0].options] == [("k", "1", 2), ("l", "3", 3)]
    assert codes(document) == [(2, "nul-byte")]


def test_asterisk_4_1_nul_byte_in_a_long_line_makes_two_of_it() -> None:
    document = read(b"[s]\nk=1\x00" + b"v" * 8187 + b"l=2\nm=3\n")
    assert [(o.name, o.value, o.line) for o in document.sections[0].options] == [
        ("k", "1", 2),
        ("l", "2", 2),
        ("m", "3", 3),
    ]


# byte order mark and blanks


def test_asterisk_4_1_byte_order_mark_on_line_1_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf[s]\nk=1\n").sections[0].name == "s"


def test_asterisk_4_1_byte_order_mark_elsewhere_is_text() -> None:
    with pytest.raises(DialectError, match="before any section"):
        read(b"\n\xef\xbb\xbf[s]=\n")


@pytest.mark.parametrize("blank", [bytes([byte]) for byte in range(1, 33) if byte != 10])
def test_asterisk_4_1_bytes_below_33_are_stripped(blank: bytes) -> None:
    assert options(blank + b"k" + blank + b"=" + blank + b"a b" + blank + b"\n") == [("k", "a b")]


@pytest.mark.parametrize("kept", ["\x7f", "\x85", "\xa0", "\u2003", "\u3000"])
def test_asterisk_4_1_other_blanks_are_not_stripped(kept: str) -> None:
    assert options(f"k={kept}v{kept}\n".encode()) == [("k", f"{kept}v{kept}")]


def test_asterisk_4_1_carriage_returns_at_line_ends_are_stripped() -> None:
    assert options(b"k=1\r\nl=2\r\n") == [("k", "1"), ("l", "2")]


def test_asterisk_4_1_carriage_return_alone_ends_no_line() -> None:
    assert options(b"k=1\rl=2\n") == [("k", "1\rl=2")]


@pytest.mark.parametrize(
    "value", ["${ENV}", "$ENV", '"quoted"', "'quoted'", "a,b", "a#b", "a=b", "=", "100%", "a\\b", "a \\"]
)
def test_asterisk_4_1_no_continuation_substitution_or_quote_processing(value: str) -> None:
    assert options(f"k = {value}\nl = 1\n".encode()) == [("k", value), ("l", "1")]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"caf\xe9", "café".encode(), b"\xc3", b"\xed\xb3\xbf"])
def test_any_bytes_survive(data: bytes) -> None:
    document = read(b"[" + data + b"]\n" + b"k" + data + b"=" + data)
    (option,) = document.sections[0].options
    assert (encode(document.sections[0].name), encode(option.name), encode(option.value)) == (
        data,
        b"k" + data,
        data,
    )


# comments


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"k = v ; comment", "v"),
        (b"k = v;comment", "v"),
        (b"k = sip:x\\;y=1", "sip:x;y=1"),
        (b"k = a\\;b ; c \\; d", "a;b"),
        (b"k = a\\;\\;b", "a;;b"),
        (b"k = a\\;;b", "a;"),
        (b"k = a\\\\;b", "a\\;b"),
        (b"k = # no comment", "# no comment"),
        (b"k = a\\;--b", "a;--b"),
    ],
)
def test_asterisk_4_1_semicolon_begins_a_comment_unless_escaped(text: bytes, value: str) -> None:
    assert options(text) == [("k", value)]


@pytest.mark.parametrize("line", [b";", b"; k = 1", b" ; k = 1", b";--- k = 1", b";----------", b"   "])
def test_asterisk_4_1_line_of_nothing_but_a_comment(line: bytes) -> None:
    document = read(b"[s]\n" + line + b"\nl = 2\n")
    assert [option.name for option in document.sections[0].options] == ["l"]
    assert document.findings == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a=1\n;-- b=2\nc=3\n--; d=4\ne=5", [("a", "1"), ("d", "4"), ("e", "5")]),
        (b"a = 1;-- x --;2", [("a", "12")]),
        (b"a = 1 ;-- x --; 2 ; y", [("a", "1  2")]),
        (b";-- ;-- --; b=2\n--; c=3", [("c", "3")]),
        (b";-- ; plain \\; escaped\n[x]\n#include x\n--;a=1", [("a", "1")]),
        (b";--;--\n--;\n--;a=1", [("a", "1")]),
        (b"a;-- x --;b = 1;-- y\n--;2=3", [("ab", "1"), ("2", "3")]),
        (b";--\n;---\n--;a=1", [("a", "1")]),
    ],
)
def test_asterisk_4_1_block_comment_nested(text: bytes, expected: list[tuple[str, str]]) -> None:
    assert options(text) == expected


def test_asterisk_4_1_block_comment_nests_128_deep() -> None:
    assert options(b";--\n" * 128 + b"b=1\n" + b"--;\n" * 128 + b"a=1") == [("a", "1")]


def test_asterisk_4_1_block_comment_deeper_than_128_never_ends() -> None:
    with pytest.raises(EndlessError) as caught:
        read(b"[s]\n" + b";--\n" * 129 + b"--;\n" * 129)
    assert (caught.value.file, caught.value.line) == ("pjsip.conf", 130)


def test_asterisk_4_1_block_comment_unterminated_hides_the_rest() -> None:
    document = read(b"[s]\na=1\n;-- begins\nb=2\n[t]\n")
    assert [section.name for section in document.sections] == ["s"]
    assert codes(document) == [(3, "block-comment-unterminated")]


def test_asterisk_4_1_block_comment_end_that_never_began_hides_the_following_lines() -> None:
    document = read(b"[s]\na = 1--;\nb = 2\n;--\nc = 3\n")
    assert [(o.name, o.value) for o in document.sections[0].options] == [("a", "1--;"), ("c", "3")]
    assert codes(document) == [(2, "block-comment-unopened")]


# backslash at the start of a line


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (b"\\[k]=3", ("[k]", "3")),
        (b"\\#h=4", ("#h", "4")),
        (b"\\==5", ("=", "5")),
        (b"\\=a=5", ("=a", "5")),
        (b"\\\\k=6", ("\\k", "6")),
        (b"\\+=7", ("+", "7")),
        (b"\\;k=8", (";k", "8")),
    ],
)
def test_asterisk_4_1_backslash_escapes_the_first_character(line: bytes, option: tuple[str, str]) -> None:
    assert options(line) == [option]


def test_asterisk_4_1_escaped_equal_sign_is_no_equal_sign() -> None:
    assert codes(read(b"[s]\n\\=5\n")) == [(2, "no-equal-sign")]


@pytest.mark.parametrize("line", [b"\\", b"\\ k=1", b"\\\tk=1", b"\\\x01k=1", "\\ük=1".encode()])
def test_asterisk_4_1_invalid_escape_is_fatal(line: bytes) -> None:
    with pytest.raises(DialectError) as caught:
        read(b"[s]\n" + line + b"\n")
    assert (caught.value.file, caught.value.line) == ("pjsip.conf", 2)


# assignments


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (b"k = v", ("k", "v")),
        (b"k => v", ("k", "v")),
        (b"k=>v", ("k", "v")),
        (b"k = > v", ("k", "> v")),
        (b"k =>> v", ("k", "> v")),
        (b"k = a = b", ("k", "a = b")),
        (b"k=", ("k", "")),
        (b"k =>", ("k", "")),
        (b"two words = v", ("two words", "v")),
        (b"k + = v", ("k +", "v")),
        (b"K = v", ("K", "v")),
    ],
)
def test_asterisk_4_1_assignment_splits_at_the_first_equal_sign(line: bytes, option: tuple[str, str]) -> None:
    assert options(line) == [option]
    assert options(line + b"\n" + line) == [option, option]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"k = 1\nk += ,2", [("k", "1 ,2")]),
        (b"k = 1\nk +=,2", [("k", "1,2")]),
        (b"k+=1", [("k", "1")]),
        (b"k += 1 ", [("k", "1")]),
        (b"k = 1\nK += 2", [("k", "1"), ("K", "2")]),
        (b"k = 1\nk = 2\nk += 3", [("k", "1"), ("k", "2 3")]),
        (b"k =\nk += 2", [("k", "2")]),
        (b"k = 1\nk +=> 2", [("k", "1> 2")]),
        (b"k +=> 2", [("k", "> 2")]),
        (b"k = 1\nk += 2 ; comment\nk +=\\;3", [("k", "1 2;3")]),
    ],
)
def test_asterisk_4_1_append_to_the_last_option_of_the_name(
    lines: bytes, expected: list[tuple[str, str]]
) -> None:
    assert options(lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"K = 1\nk = 1\nk += 2", [("k", "1 2"), ("k", "1")]),
        (b"k = v\nk = V\nk += 2", [("k", "V 2"), ("k", "V")]),
        (b"k = 1\nk =\nk += 2", [("k", "2"), ("k", "")]),
    ],
)
def test_asterisk_4_1_append_replaces_the_first_option_that_looks_alike(
    lines: bytes, expected: list[tuple[str, str]]
) -> None:
    """It looks for the last of exactly this name, but replaces the first of name and value in any case."""
    assert options(lines) == expected


def test_appended_option_has_the_place_of_the_append() -> None:
    document = read(b"[t](!)\nk = 1\n[s](t)\nk += 2\n")
    assert document.sections[1].options == [Option("k", "1 2", "pjsip.conf", 4)]
    assert document.sections[0].options == [Option("k", "1", "pjsip.conf", 2)]


def test_every_option_knows_file_and_line() -> None:
    document = parse(b"\n[s]\n\n; c\nk = 1\n  l = 2\nk = 3\n", "/etc/asterisk/pjsip.conf")
    assert [(o.file, o.line) for o in document.sections[0].options] == [
        ("/etc/asterisk/pjsip.conf", line) for line in (5, 6, 7)
    ]
    assert (document.sections[0].file, document.sections[0].line) == ("/etc/asterisk/pjsip.conf", 2)


def test_indented_options_are_like_others() -> None:
    assert options(b"  k = 1\n\tk = 2\n  k => 3\n  k += 4\n") == [("k", "1"), ("k", "2"), ("k", "3 4")]
