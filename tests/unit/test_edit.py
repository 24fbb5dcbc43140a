"""Editing one line of a configuration file and nothing else of it."""

from __future__ import annotations

import time

import pytest

from pjka.conf.dialect import parse
from pjka.conf.edit import (
    AddTo,
    CommentOut,
    Edit,
    EditError,
    Rename,
    SetValue,
    edited,
    option_of,
    with_section,
)

CONTENT = b"""\xef\xbb\xbf; head
[global](+) ; here
  Keep_Alive_Interval =>  90\t; seconds, caf\xe9
tcp_keepidle=30\r
[t]
"""


@pytest.mark.parametrize(
    ("edit", "old", "new"),
    [
        (SetValue(3, "keep_alive_interval", "0"), b"=>  90\t; seconds", b"=>  0\t; seconds"),
        (
            Rename(4, "tcp_keepidle", "@tcp_keepalive_idle_time"),
            b"tcp_keepidle=30\r",
            b"@tcp_keepalive_idle_time=30\r",
        ),
        (CommentOut(4, "TCP_keepidle"), b"tcp_keepidle=30\r", b";tcp_keepidle=30\r"),
        (AddTo(2, "GLOBAL", "x=1"), b"; here\n", b"; here\nx=1\n"),
        (AddTo(5, "t", "x=1"), b"[t]\n", b"[t]\nx=1\n"),
    ],
    ids=str,
)
def test_an_edit_changes_its_line_only(edit: Edit, old: bytes, new: bytes) -> None:
    assert edited(CONTENT, [edit]) == CONTENT.replace(old, new)


def test_edits_of_several_lines_keep_their_numbers() -> None:
    edits = [
        AddTo(2, "global", "x=1"),
        SetValue(3, "keep_alive_interval", "0"),
        CommentOut(4, "tcp_keepidle"),
    ]
    assert edited(CONTENT, edits).split(b"\n")[2:5] == [
        b"x=1",
        b"  Keep_Alive_Interval =>  0\t; seconds, caf\xe9",
        b";tcp_keepidle=30\r",
    ]


def test_no_edit_changes_nothing() -> None:
    assert edited(CONTENT, []) == CONTENT


def test_an_added_line_ends_as_the_header_does() -> None:
    assert edited(b"[t]\r\na=1\n", [AddTo(1, "t", "x=1")]) == b"[t]\r\nx=1\r\na=1\n"


@pytest.mark.parametrize(
    "line",
    [
        "b=1",
        ";a=1",
        "a+=1",
        "a",
        "[a]",
        "#a=1",
        "a=1;-- x --;",
        ";-- x --; a=1",
        "a=1 --; x",
        r"a=1\;2",
        r"\a=1",
        "",
    ],
)
def test_a_line_that_does_not_plainly_set_the_option_is_refused(line: str) -> None:
    with pytest.raises(EditError, match="does not plainly set a"):
        edited(line.encode(), [SetValue(1, "a", "2")])


def test_a_header_that_is_not_the_section_is_refused() -> None:
    for text in (b"[other]", b"a=1", b"[t] ;-- x"):
        with pytest.raises(EditError, match=r"no longer the header of \[t\]"):
            edited(text, [AddTo(1, "t", "x=1")])


def test_a_line_beyond_the_end_is_refused() -> None:
    with pytest.raises(EditError, match="fewer lines"):
        edited(b"a=1\n", [SetValue(3, "a", "2")])


@pytest.mark.parametrize(
    "line", ["a=" + " " * 8000 + "\\", "a " * 4000 + "\\", "a" * 8000, "a=" + "b " * 4000 + "\\"]
)
def test_a_long_line_is_refused_in_no_time(line: str) -> None:
    begin = time.monotonic()
    assert option_of(line.encode(), 1) is None
    assert time.monotonic() - begin < 0.5


@pytest.mark.parametrize(
    ("content", "added"),
    [
        (b"", b"[global]\nx=1\n"),
        (b"[t]\n", b"[t]\n\n[global]\nx=1\n"),
        (b"[t]", b"[t]\n\n[global]\nx=1\n"),
        (b"[t]\r\n", b"[t]\r\n\r\n[global]\r\nx=1\r\n"),
    ],
)
def test_a_section_is_added_at_the_end(content: bytes, added: bytes) -> None:
    assert with_section(content, "global", ["x=1"]) == added
    assert parse(added, "f").sections[-1].options[-1].name == "x"


def test_option_of() -> None:
    assert option_of(CONTENT, 3) == "keep_alive_interval"
    assert option_of(CONTENT, 1) is None
    assert option_of(CONTENT, 99) is None
