"""What makes a file unusable, what skips a line, and what is tolerated without a word (main/config.c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pjka.conf import dialect
from pjka.conf.dialect import DialectError, Document, parse
from pjka.conf.dialect_codes import DIALECT_CODES
from pjka.conf.findings import Finding, Severity
from pjka.conf.includes import Included


def files(**texts: str) -> Callable[[str], Iterator[Included]]:
    """An opener of these files: ``x`` is x.conf, and what is not there is missing."""

    def opener(name: str) -> Iterator[Included]:
        key = name.removesuffix(".conf")
        if key in texts:
            yield Included(name, texts[key].encode())
        else:
            yield Included(name, None, "No such file or directory")

    return opener


def read(text: str, **included: str) -> Document:
    return parse(text.encode(), "main.conf", opener=files(**included))


def found(text: str, **included: str) -> Finding:
    """The only finding."""
    (finding,) = read(text, **included).findings
    return finding


def content(document: Document) -> list[str]:
    return [
        f"{s.name}: {' '.join(f'{o.name}={o.value}' for o in s.options)}".rstrip() for s in document.sections
    ]


# fatal: the whole file is unusable


@pytest.mark.parametrize(
    ("row", "text", "line"),
    [
        ("missing ]", "[a]\n[b\nk=1\n", 2),
        ("missing )", "[a]\n\n[b](a\n", 3),
        ("missing ) behind a comment", "[a]\n[b](a;)\n", 2),
        ("variable before any category", "\nk=1\n[a]\n", 2),
        ("line without = before any category", "; comment\ntext\n", 2),
        ("append before any category", "k+=1\n", 1),
        ("inheritance target missing", "[a](b)\n", 1),
        ("inheritance target comes later", "[a](b)\n[b](!)\n", 1),
        ("continuation target missing", "[a]\n[b](+)\n", 2),
        ("include of a missing file", "[a]\n#include none.conf\n", 2),
        ("include of an empty name", '[a]\n#include ""\n', 2),
        ("invalid escape", "[a]\n\\ k=1\n", 2),
    ],
)
def test_asterisk_4_1_fatal_whole_file_unusable(row: str, text: str, line: int) -> None:
    with pytest.raises(DialectError) as caught:
        read(text)
    assert (caught.value.file, caught.value.line) == ("main.conf", line), row


def test_asterisk_4_1_fatal_include_depth_above_10() -> None:
    """The file at depth 10 fails at its include, which its own including file tolerates."""
    chain = {f"f{i}": f"k={i}\n#include f{i + 1}.conf\nlast={i}\n" for i in range(1, 12)}
    document = read("[a]\n#include f1.conf\nlast=0\n", **chain)
    names = [(o.name, o.value) for o in document.sections[0].options]
    assert names == [("k", str(i)) for i in range(1, 11)] + [("last", str(i)) for i in range(9, -1, -1)]
    (finding,) = document.findings
    assert (finding.code, finding.file, finding.line) == ("include-invalid", "f10.conf", 2)
    assert "deeper than 10" in finding.message


def test_asterisk_4_1_include_depth_of_10_is_allowed() -> None:
    chain = {f"f{i}": f"#include f{i + 1}.conf\n" for i in range(1, 10)} | {"f10": "k=1\n"}
    document = read("[a]\n#include f1.conf\n", **chain)
    assert content(document) == ["a: k=1"]
    assert document.findings == []
    assert document.files == ("main.conf", *(f"f{i}.conf" for i in range(1, 11)))


def test_asterisk_4_1_every_invalid_include_takes_one_level_for_good() -> None:
    ten = "[a]\n" + "#include bad.conf\n" * 10
    assert content(read(ten, bad="[broken\n", good="k=1\n")) == ["a:"]
    with pytest.raises(DialectError, match="deeper than 10") as caught:
        read(ten + "#include good.conf\n", bad="[broken\n", good="k=1\n")
    assert caught.value.line == 12


def test_file_that_includes_itself_ends() -> None:
    document = parse(
        b"[a]\n#include main.conf\n", "main.conf", opener=files(main="[a]\n#include main.conf\n")
    )
    assert [section.name for section in document.sections] == ["a"] * 11


def test_file_that_includes_itself_twice_is_fatal() -> None:
    text = "[a]\n#include main.conf\n#include main.conf\n"
    with pytest.raises(DialectError, match="deeper than 10") as caught:
        read(text, main=text)
    assert (caught.value.file, caught.value.line) == ("main.conf", 3)


# warning: the line is skipped


@pytest.mark.parametrize(
    ("row", "line", "code"),
    [
        ("unknown #directive", "#define x", "unknown-directive"),
        ("unknown #directive", "# comment", "unknown-directive"),
        ("unknown #directive", "#", "unknown-directive"),
        ("unknown #directive", "#includes x.conf", "unknown-directive"),
        ("directive without argument", "#include", "directive-without-argument"),
        ("directive without argument", "#tryinclude ; x.conf", "directive-without-argument"),
        ("#exec while disabled", "#exec /bin/echo k=1", "exec-not-run"),
        ("#exec while disabled", "#EXEC", "exec-not-run"),
        ("no =", "text", "no-equal-sign"),
        ("empty key", "= v", "no-option-name"),
        ("empty key", "=> v", "no-option-name"),
        ("empty key", "+= v", "no-option-name"),
        ("over-long line", "k=" + "v" * 8190, "line-too-long"),
    ],
)
def test_asterisk_4_1_warning_line_skipped(row: str, line: str, code: str) -> None:
    document = read(f"[a]\n{line}\nk=1\n")
    assert content(document) == ["a: k=1"], row
    (finding,) = document.findings
    assert (finding.code, finding.file, finding.line) == (code, "main.conf", 2)
    assert finding.severity is Severity.WARNING


def test_asterisk_4_1_exec_is_recognised_and_never_run(tmp_path) -> None:
    document = read(f"#exec touch {tmp_path}/ran\n#exec <{tmp_path}/x.sh>\n")
    assert [finding.code for finding in document.findings] == ["exec-not-run"] * 2
    assert list(tmp_path.iterdir()) == []


def test_asterisk_4_1_directives_need_no_category() -> None:
    assert content(read("#include x.conf\n[b]\n", x="[a]\n")) == ["a:", "b:"]


# silently tolerated


def test_asterisk_4_1_silently_tolerated_tryinclude_miss() -> None:
    finding = found("[a]\n#tryinclude none.conf\nk=1\n")
    assert (finding.code, finding.line, finding.severity) == ("tryinclude-missing", 2, Severity.NOTICE)
    assert content(read("[a]\n#tryinclude none.conf\nk=1\n")) == ["a: k=1"]


@pytest.mark.parametrize("directive", ["#include", "#tryinclude"])
def test_asterisk_4_1_silently_tolerated_invalid_included_file(directive: str) -> None:
    """Lines before its error stay, the parent continues."""
    text = f"[a]\nk=1\n{directive} x.conf\nk=4\n"
    document = read(text, x="k=2\n[b]\nk=3\n[c](missing)\nk=5\n")
    assert content(document) == ["a: k=1 k=2 k=4", "b: k=3"]
    (finding,) = document.findings
    assert (finding.code, finding.file, finding.line) == ("include-invalid", "x.conf", 4)
    assert finding.severity is Severity.ERROR
    assert "'missing'" in finding.message


def test_asterisk_4_1_invalid_header_in_an_included_file_leaves_nothing_of_its_section() -> None:
    assert content(read("[t]\nk=1\n#include x.conf\n", x="[b](t,missing)\nk=2\n")) == ["t: k=1"]
    assert content(read("[t]\nk=1\n[b]\n#include x.conf\n", x="[b](t,+,missing)\n")) == ["t: k=1", "b: k=1"]


def test_what_asterisk_never_ends_with_is_not_tolerated_in_an_included_file() -> None:
    with pytest.raises(DialectError) as caught:
        read("[a]\n#include x.conf\n", x="k=1\n" + ";--" * 129)
    assert (caught.value.file, caught.value.line) == ("x.conf", 2)


# findings


def test_findings_say_what_asterisk_does_and_what_to_do() -> None:
    for code, kind in DIALECT_CODES.items():
        assert code == code.lower().replace("_", "-")
        assert kind.summary
        assert kind.asterisk.endswith(".")
        assert kind.advice.endswith(".")


def test_findings_do_not_quote_lines() -> None:
    """They could hold a password."""
    document = read("[a]\npassword hunter2\n#password=hunter2 x\n=hunter2\nk=" + "hunter2" * 2000 + "\n")
    assert len(document.findings) == 4
    assert "hunter2" not in repr(document.findings)


def test_findings_are_kept_up_to_a_limit() -> None:
    document = read("[a]\n" + "text\n" * (2 * dialect.MAX_FINDINGS) + "k=1\n")
    assert len(document.findings) == dialect.MAX_FINDINGS
    assert document.findings[-1].code == "findings-omitted"
    assert document.findings[-2].line == dialect.MAX_FINDINGS
    assert content(document) == ["a: k=1"]
