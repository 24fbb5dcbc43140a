"""Which files an include names, what it does to the section, and that nothing makes it hang."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pjka.conf import includes
from pjka.conf.dialect import DialectError, Document, EndlessError, parse, read
from pjka.conf.includes import Directory


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A configuration directory."""
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


def write(directory: Path, **texts: str) -> None:
    """Write ``name.conf`` for each keyword; two underscores are a slash."""
    for name, text in texts.items():
        path = directory / (name.replace("__", "/") + ".conf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main(directory: Path, text: str) -> Document:
    (directory / "pjsip.conf").write_text(text)
    return read(directory / "pjsip.conf")


def values(document: Document) -> list[str]:
    """The values of all options, in order."""
    return [option.value for section in document.sections for option in section.options]


def content(document: Document) -> list[str]:
    return [
        f"{s.name}: {' '.join(f'{o.name}={o.value}' for o in s.options)}".rstrip() for s in document.sections
    ]


# the directive


@pytest.mark.parametrize(
    "line",
    [
        "#include x.conf",
        "#INCLUDE x.conf",
        "#Include\tx.conf",
        "#tryinclude x.conf",
        "#TryInclude   x.conf  ",
        '#include "x.conf"',
        "#include <x.conf>",
        "  #include x.conf ; comment",
        "#include ./x.conf",
    ],
)
def test_asterisk_4_2_directive_case_insensitive_argument_optionally_quoted(etc: Path, line: str) -> None:
    write(etc, x="k=1\n")
    assert values(main(etc, f"[a]\n{line}\n")) == ["1"]


@pytest.mark.parametrize("argument", ["'x.conf'", '"x.conf', "<x.conf", 'x.conf"', '"x.conf>', '"', "<"])
def test_asterisk_4_2_other_quotes_belong_to_the_name(etc: Path, argument: str) -> None:
    write(etc, x="k=1\n")
    with pytest.raises(DialectError):
        main(etc, f"[a]\n#include {argument}\n")


def test_asterisk_4_2_byte_above_127_ends_the_directive_word(etc: Path) -> None:
    (etc / "pjsip.conf").write_bytes(b"[a]\n#include\xffx.conf\n")
    write(etc, x="k=1\n")
    assert values(read(etc / "pjsip.conf")) == ["1"]


# paths


def test_asterisk_4_2_relative_path_resolves_against_the_configuration_directory(etc: Path) -> None:
    """Never against the including file."""
    write(etc, sub__x="#include y.conf\n", sub__y="k=wrong\n", y="k=right\n")
    assert values(main(etc, "[a]\n#include sub/x.conf\n")) == ["right"]


def test_asterisk_4_2_absolute_path(etc: Path, tmp_path: Path) -> None:
    write(tmp_path, other__x="k=1\n")
    document = main(etc, f"[a]\n#include {tmp_path}/other/x.conf\n")
    assert values(document) == ["1"]
    assert document.files == (f"{etc}/pjsip.conf", f"{tmp_path}/other/x.conf")
    assert document.sections[0].options[0].file == f"{tmp_path}/other/x.conf"


def test_read_a_path_relative_to_the_working_directory(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(etc, x="k=1\n")
    (etc / "pjsip.conf").write_text("[a]\n#include x.conf\n")
    monkeypatch.chdir(etc)
    assert read("pjsip.conf").files == ("pjsip.conf", "./x.conf")
    monkeypatch.chdir(etc.parent)
    assert read("etc/pjsip.conf").files == ("etc/pjsip.conf", "etc/x.conf")


def test_asterisk_4_2_path_buffer_of_256_bytes(etc: Path) -> None:
    room = includes.MAX_PATH - len(os.fsencode(etc)) - 1
    deep = "d/" * ((room - 20) // 2)
    write(etc / deep, **{"x" * (room - len(deep) - 5): "k=1\n"})
    name = f"{deep}{'x' * (room - len(deep) - 5)}.conf"
    assert values(main(etc, f"[a]\n#include {name}\n")) == ["1"]
    document = main(etc, f"[a]\n#include {name}.cut.off\n")
    assert values(document) == ["1"]
    assert [(f.code, f.line) for f in document.findings] == [("include-path-cut", 2)]
    with pytest.raises(DialectError):
        main(etc, f"[a]\n#include x{name}\n")


# patterns


def test_asterisk_4_2_always_globbed_and_sorted(etc: Path) -> None:
    write(etc, d__b="k=b\n", d__a="k=a\n", d__B="k=B\n", d__10="k=10\n", d__9="k=9\n")
    assert values(main(etc, "[s]\n#include d/*.conf\n")) == ["10", "9", "B", "a", "b"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("?.conf", ["a", "b"]),
        ("[a-b].conf", ["a", "b"]),
        ("[!a].conf", ["b"]),
        ("[^a].conf", ["b"]),
        ("{b,a}.conf", ["b", "a"]),
        ("{a,none}.conf", ["a"]),
        ("{b,?}.conf", ["b", "a", "b"]),
        ("{a,{b,ab}}.conf", ["a", "b", "ab"]),
        ("a{,b}.conf", ["a", "ab"]),
        (".*.conf", ["hidden"]),
        ("\\a.conf", ["a"]),
        ("[[]x].conf", ["brackets"]),
        ("\\[x].conf", ["brackets"]),
        ("*.c[o]nf", ["brackets", "a", "ab", "b", "brace", "braces"]),
        ("{x.conf", ["brace"]),
        ("{x}.conf", ["braces"]),
        ("../*/a.conf", ["a"]),
    ],
)
def test_asterisk_4_2_glob_with_brace_expansion(etc: Path, pattern: str, expected: list[str]) -> None:
    texts = {
        "a": "a",
        "b": "b",
        "ab": "ab",
        ".hidden": "hidden",
        "[x]": "brackets",
        "{x": "brace",
        "{x}": "braces",
    }
    write(etc, **{name: f"k={text}\n" for name, text in texts.items()})
    (etc / "pjsip").write_text(f"[s]\n#include {pattern}\n")
    assert values(read(etc / "pjsip")) == expected


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library's glob(3)")
@pytest.mark.parametrize(
    "pattern",
    [
        "*", "*.conf", "?", "??", ".*", "[ab]*", "[!ab]*", "[^ab]*", "[]a]", "[a-", "[a", "a]", "{a,b}",
        "{b,a}*", "{a,b", "a,b}", "{}", "{,a}b", "{a,{b,c}}*", "{{a,b},c}", "{a\\,b,c}", "\\{a,b}", "\\*",
        "a\\b", "d/*", "*/*", "{d/a,b}", "d//a", "./*", "*a*", "a*b*c*", "{none,*.none}", "no\\ne",
        "[[:alpha:]]x", "*,*", "**",
    ],
)  # fmt: skip
def test_asterisk_4_2_patterns_expand_like_glob_3(etc: Path, pattern: str) -> None:
    for name in [
        "a",
        "b",
        "c",
        "ab",
        "abc",
        "a.conf",
        ".x",
        "a]",
        "[a",
        "*",
        "a,b",
        "{a,b}",
        "d/a",
        "d/.y",
        "d/z",
        "{}",
    ]:
        (etc / name).parent.mkdir(exist_ok=True)
        (etc / name).write_text("")
    found = [included.file for included in Directory(str(etc)).open(pattern) if included.text is not None]
    assert found == [path for path in _glob(f"{etc}/{pattern}") if os.path.isfile(path)]


def _glob(pattern: str) -> list[str]:
    """What the C library finds with the flags of Asterisk."""

    class Found(ctypes.Structure):
        _fields_ = (
            ("count", ctypes.c_size_t),
            ("paths", ctypes.POINTER(ctypes.c_char_p)),
            ("rest", ctypes.c_char * 256),
        )

    brace, no_magic = 1 << 10, 1 << 11
    library, found = ctypes.CDLL(None), Found()
    library.glob(os.fsencode(pattern), brace | no_magic, None, ctypes.byref(found))
    paths = [os.fsdecode(path) for path in found.paths[: found.count] if path is not None]
    library.globfree(ctypes.byref(found))
    return paths


# sections and comments across files


def test_asterisk_4_2_included_text_continues_the_section_of_the_includer(etc: Path) -> None:
    write(etc, x="k=2\n[b]\nk=3\n")
    assert content(main(etc, "[a]\nk=1\n#include x.conf\nk=4\n")) == ["a: k=1 k=2 k=4", "b: k=3"]


def test_asterisk_4_2_next_include_continues_the_section_declared_last(etc: Path) -> None:
    """That of the file included before, although the includer's own lines go on in its own section."""
    write(etc, x="[b]\n", y="k=y\n")
    text = "[a]\nk=1\n#include x.conf\nk=2\n#include y.conf\nk=3\n"
    assert content(main(etc, text)) == ["a: k=1 k=2 k=3", "b: k=y"]


def test_asterisk_4_2_include_directly_after_a_continuation(etc: Path) -> None:
    write(etc, x="k=2\n")
    assert content(main(etc, "[a]\nk=1\n[b]\n[a](+)\n#include x.conf\n")) == ["a: k=1 k=2", "b:"]


def test_asterisk_4_2_block_comment_goes_on_in_the_next_file_of_a_glob(etc: Path) -> None:
    write(etc, d__1="k=1\n[x]\n;-- begins\n", d__2="k=2\n--;k=3\n", d__3="k=4\n")
    document = main(etc, "[a]\n#include d/*.conf\nk=end\n")
    assert content(document) == ["a: k=1 k=end", "x: k=3 k=4"]
    (finding,) = document.findings
    assert (finding.code, finding.file, finding.line) == ("block-comment-unterminated", f"{etc}/d/1.conf", 3)


def test_asterisk_4_2_block_comment_over_two_files_of_a_glob_is_found_in_both(etc: Path) -> None:
    write(etc, d__1=";--\n", d__2="\nk=2\n")
    found = [(f.code, f.file, f.line) for f in main(etc, "[a]\n#include d/*.conf\n").findings]
    assert found == [("block-comment-unterminated", f"{etc}/d/{n}.conf", 1) for n in (1, 2)]


def test_asterisk_4_2_block_comment_ends_with_the_include(etc: Path) -> None:
    write(etc, x=";--\n")
    assert content(main(etc, "[a]\n#include x.conf\nk=1\n#include x.conf\nk=2\n")) == ["a: k=1 k=2"]


def test_lines_are_counted_in_every_file_of_a_glob_anew(etc: Path) -> None:
    """Asterisk goes on counting; whoever opens the file wants its own numbers."""
    write(etc, d__1="\n\nk=1\n", d__2="\nk=2\n")
    options = main(etc, "[a]\n#include d/*.conf\n\nk=3\n").sections[0].options
    assert [(os.path.basename(o.file), o.line) for o in options] == [
        ("1.conf", 3),
        ("2.conf", 2),
        ("pjsip.conf", 4),
    ]


def test_asterisk_4_2_byte_order_mark_is_skipped_in_the_first_file_of_a_glob_only(etc: Path) -> None:
    write(etc, d__1="\ufeffk=1\n", d__2="\ufeffk=2\n")
    assert [o.name for o in main(etc, "[a]\n#include d/*.conf\n").sections[0].options] == ["k", "\ufeffk"]


def test_asterisk_4_1_invalid_file_of_a_glob_hides_those_behind_it(etc: Path) -> None:
    write(etc, d__1="k=1\n", d__2="k=2\n[broken\n", d__3="k=3\n")
    document = main(etc, "[a]\n#include d/*.conf\nk=4\n")
    assert values(document) == ["1", "2", "4"]
    assert [(f.code, f.file, f.line) for f in document.findings] == [
        ("include-invalid", f"{etc}/d/2.conf", 2)
    ]


def test_places_through_two_levels_of_includes(etc: Path) -> None:
    write(etc, x="; first\n[b](t)\n#include y.conf\ntext\n", y="\nl=2\n=\n")
    document = main(etc, "[t](!)\nk=1\n\n#include x.conf\n")
    (section,) = (s for s in document.sections if s.name == "b")
    places = [(o.name, os.path.basename(o.file), o.line) for o in section.options]
    assert places == [("k", "pjsip.conf", 2), ("l", "y.conf", 2)]
    assert [(os.path.basename(f.file), f.line) for f in document.findings] == [("y.conf", 3), ("x.conf", 4)]


def test_file_included_twice_is_read_twice_and_found(etc: Path) -> None:
    write(etc, x="k=1\n")
    document = main(etc, "[a]\n#include x.conf\n#include x.conf\n")
    assert values(document) == ["1", "1"]
    assert [(f.code, f.line) for f in document.findings] == [("included-twice", 3)]
    assert document.files == (f"{etc}/pjsip.conf", f"{etc}/x.conf")


# what is no readable regular file


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path) -> None:
    path.symlink_to("none")


@pytest.mark.parametrize("make", [_fifo, _socket, _device, Path.mkdir, _loop, _dangling])
def test_include_of_what_is_no_regular_file_never_hangs(etc: Path, make) -> None:
    (etc / "d").mkdir()
    make(etc / "d" / "x.conf")
    with pytest.raises(DialectError, match="cannot be read") as caught:
        main(etc, "[a]\n#include d/x.conf\n")
    assert caught.value.line == 2
    assert [f.code for f in main(etc, "[a]\n#tryinclude d/x.conf\n").findings] == ["tryinclude-missing"]
    write(etc, d__y="k=1\n")
    document = main(etc, "[a]\n#include d/*.conf\n")
    assert values(document) == ["1"]
    assert [(f.code, f.line) for f in document.findings] == [("include-skipped", 2)]


@pytest.mark.parametrize("make", [_fifo, _socket, _device, Path.mkdir, _loop, _dangling, lambda path: None])
def test_main_file_that_is_no_regular_file_never_hangs(etc: Path, make) -> None:
    make(etc / "pjsip.conf")
    with pytest.raises(DialectError, match="cannot be read") as caught:
        read(etc / "pjsip.conf")
    assert caught.value.file == f"{etc}/pjsip.conf"


def test_file_that_becomes_a_fifo_after_it_was_looked_at(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(etc / "x.conf")
    writer = os.open(etc / "x.conf", os.O_RDWR)
    monkeypatch.setattr(includes.stat, "S_ISREG", lambda mode: True)
    (included,) = Directory(str(etc)).open("x.conf")
    os.close(writer)
    assert included.text is None
    assert included.problem == "Resource temporarily unavailable"


def test_pattern_through_a_loop_of_links_matches_nothing(etc: Path, tmp_path: Path) -> None:
    (etc / "loop").symlink_to("loop")
    assert list(Directory("/etc", tmp_path).open("*/loop/x.conf")) == []


def test_include_with_a_slash_at_its_end_names_a_directory(etc: Path) -> None:
    write(etc, x="k=1\n")
    with pytest.raises(DialectError, match="not a regular file"):
        main(etc, "[a]\n#include x.conf/\n")


def test_main_file_that_is_missing_has_no_line(etc: Path) -> None:
    with pytest.raises(DialectError, match="No such file") as caught:
        read(etc / "none.conf")
    assert (caught.value.file, caught.value.line) == (f"{etc}/none.conf", None)


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Root may read everything, so be someone else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_include_without_the_right_to_read_says_so(etc: Path) -> None:
    write(etc, x="k=1\n")
    (etc / "x.conf").chmod(0)
    with _unprivileged(), pytest.raises(DialectError, match="Permission denied") as caught:
        parse(b"[a]\n#include x.conf\n", "pjsip.conf", opener=Directory(str(etc)).open)
    assert (caught.value.file, caught.value.line) == ("pjsip.conf", 2)


# limits


def test_huge_file_is_refused(etc: Path) -> None:
    with open(etc / "x.conf", "wb") as file:
        file.truncate(includes.MAX_BYTES + 1)
    with pytest.raises(EndlessError, match="larger than") as caught:
        main(etc, "[a]\n#include x.conf\n")
    assert (caught.value.file, caught.value.line) == (f"{etc}/pjsip.conf", 2)
    with pytest.raises(EndlessError, match="larger than") as caught:
        read(etc / "x.conf")
    assert caught.value.file == f"{etc}/x.conf"


def test_too_much_in_all_files_together_is_refused(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pjka.conf.dialect.MAX_BYTES", 1000)
    write(etc, x="; " + "x" * 400 + "\n")
    assert len(main(etc, "[a]\n" + "#include x.conf\n" * 2).findings) == 1
    with pytest.raises(EndlessError, match="more than 1000 bytes"):
        main(etc, "[a]\n" + "#include x.conf\n" * 3)


def test_includes_that_multiply_are_refused(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(includes, "MAX_ENTRIES", 5000)
    write(etc, **{f"f{i}": f"#tryinclude f{i + 1}.conf\n" * 30 for i in range(9)})
    with pytest.raises(EndlessError, match="look at more than"):
        main(etc, "#include f0.conf\n")


@pytest.mark.parametrize("pattern", ["{a,b}" * 40, "/proc/" + "*/" * 60 + "x"])
def test_patterns_that_multiply_are_refused(etc: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(includes, "MAX_ENTRIES", 5000)
    with pytest.raises(EndlessError, match="look at more than") as caught:
        main(etc, f"[a]\n#tryinclude {pattern}\n")
    assert caught.value.line == 2


# the root directory of another process


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with a configuration, and a file outside of it."""
    write(tmp_path, secret="k=outside\n", root__etc__asterisk__pjsip="[a]\n#include x.conf\n")
    return tmp_path / "root"


def test_root_absolute_includes_begin_there(root: Path) -> None:
    write(root, etc__asterisk__x="#include /opt/y.conf\n", opt__y="k=1\n")
    document = read("/etc/asterisk/pjsip.conf", root=root)
    assert values(document) == ["1"]
    assert document.files == ("/etc/asterisk/pjsip.conf", "/etc/asterisk/x.conf", "/opt/y.conf")


@pytest.mark.parametrize(
    "link", ["/opt/y.conf", "../../opt/y.conf", "../../../../../../opt/y.conf", "/opt/../../opt/y.conf"]
)
def test_root_symbolic_links_are_followed_inside(root: Path, link: str) -> None:
    write(root, opt__y="k=1\n")
    (root / "etc/asterisk/x.conf").symlink_to(link)
    assert values(read("/etc/asterisk/pjsip.conf", root=root)) == ["1"]


@pytest.mark.parametrize("link", ["{outside}/secret.conf", "../../../secret.conf", "../../../../secret.conf"])
def test_root_symbolic_links_do_not_lead_out(root: Path, link: str) -> None:
    (root / "etc/asterisk/x.conf").symlink_to(link.format(outside=root.parent))
    with pytest.raises(DialectError, match="No such file"):
        read("/etc/asterisk/pjsip.conf", root=root)


def test_root_linked_directories_and_patterns(root: Path) -> None:
    write(
        root, data__conf__1="k=1\n", data__conf__2="k=2\n", etc__asterisk__x="#include /etc/linked/*.conf\n"
    )
    (root / "etc/linked").symlink_to("/data/conf")
    document = read("/etc/asterisk/pjsip.conf", root=root)
    assert values(document) == ["1", "2"]
    assert document.files[-1] == "/etc/linked/2.conf"


def test_root_parent_of_the_root_is_the_root(root: Path) -> None:
    write(root, secret="k=inside\n", etc__asterisk__x="#include ../../../../secret.conf\n")
    assert values(read("/etc/asterisk/pjsip.conf", root=root)) == ["inside"]


def test_parse_without_an_opener_includes_nothing() -> None:
    with pytest.raises(DialectError, match="cannot be read: no file matches"):
        parse(b"#include /etc/passwd\n", "pjsip.conf")
    assert parse(b"#tryinclude /etc/passwd\n", "pjsip.conf").files == ("pjsip.conf",)
