"""Headers of sections: templates, inheritance, continuation and filters (Asterisk's main/config.c)."""

from __future__ import annotations

import pytest

from pjka.conf.dialect import DialectError, Document, EndlessError, parse
from pjka.conf.document import encode


def read(text: str) -> Document:
    return parse(text.encode(), "pjsip.conf")


def content(text: str) -> list[str]:
    """Each section as ``name: option=value option=value``, templates with an exclamation mark."""
    return [
        f"{s.name}{'!' * s.template}: {' '.join(f'{o.name}={o.value}' for o in s.options)}".rstrip()
        for s in read(text).sections
    ]


def codes(text: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.code) for finding in read(text).findings]


# the header itself


def test_asterisk_4_1_category_same_name_twice_is_two_sections() -> None:
    assert content("[a]\nk=1\n[b]\n[a]\nk=2\n") == ["a: k=1", "b:", "a: k=2"]


@pytest.mark.parametrize("name", ["", " a ", "a b", "[a", "a(b", "ü", "a=b", "-"])
def test_asterisk_4_1_category_name_is_not_stripped(name: str) -> None:
    assert read(f"[{name}]\n").sections[0].name == name


@pytest.mark.parametrize("name", ["n" * 79, "ü" * 39 + "n"])
def test_asterisk_4_1_category_name_of_79_bytes(name: str) -> None:
    assert read(f"[{name}]\n").sections[0].name == name
    assert codes(f"[{name}]\n") == []


@pytest.mark.parametrize("name", ["n" * 80, "n" * 79 + "ü", "ü" * 40])
def test_asterisk_4_1_category_name_is_cut_after_79_bytes(name: str) -> None:
    document = read(f"[{name}]\nk=1\n")
    assert encode(document.sections[0].name) == name.encode()[:79]
    assert codes(f"[{name}]\n") == [(1, "section-name-cut")]


def test_asterisk_4_1_category_name_that_is_cut_is_not_found_in_full() -> None:
    name = "n" * 80
    with pytest.raises(DialectError, match="to continue"):
        read(f"[{name}]\n[{name}](+)\n")
    with pytest.raises(DialectError, match="to inherit from"):
        read(f"[{name}](!)\n[a]({name})\n")
    assert content(f"[{name}](!)\nk=1\n[a]({name[:79]})\n")[1] == "a: k=1"


@pytest.mark.parametrize("header", ["[b] (a)", "[b]\t(a)", "[b]x(a)", "[b]]", "[b] ; (a)"])
def test_asterisk_4_1_category_parenthesis_must_follow_immediately(header: str) -> None:
    assert content(f"[a](!)\nk=1\n{header}\n") == ["a!: k=1", "b:"]
    assert codes(f"[a](!)\n{header}\n") == ([] if ";" in header else [(2, "header-text-ignored")])


def test_asterisk_4_1_category_text_behind_the_parenthesis_is_ignored() -> None:
    assert content("[a](!)\nk=1\n[b](a) (c)\n") == ["a!: k=1", "b: k=1"]
    assert codes("[a](!)\n[b](a) (c)\n") == [(2, "header-text-ignored")]


# templates and inheritance


def test_asterisk_4_1_template_option() -> None:
    assert content("[t](!)\nk=1\n") == ["t!: k=1"]


def test_asterisk_4_1_inherited_in_listed_order_and_both_values_present() -> None:
    text = "[t](!)\nk=1\n[u](!)\nk=2\nl=3\n[a](t,u)\nk=4\n[b](u,t)\n"
    assert content(text)[2:] == ["a: k=1 k=2 l=3 k=4", "b: k=2 l=3 k=1"]


def test_asterisk_4_1_inherits_what_the_base_has_now() -> None:
    assert content("[t](!)\nk=1\n[a](t)\n[t](!,t)\nk=2\n[b](t)\n") == [
        "t!: k=1",
        "a: k=1",
        "t!: k=1 k=2",
        "b: k=1",
    ]


def test_asterisk_4_1_inherits_from_plain_sections_and_through_templates() -> None:
    assert content("[a]\nk=1\n[t](!,a)\nl=2\n[b](t)\n") == ["a: k=1", "t!: k=1 l=2", "b: k=1 l=2"]


def test_asterisk_4_1_inherits_from_the_first_of_the_name_in_any_case() -> None:
    assert content("[Tpl](!)\nk=1\n[TPL]\nk=2\n[a](tpl)\n")[2] == "a: k=1"


def test_asterisk_4_1_names_compare_without_case_for_ascii_only() -> None:
    assert content("[Äb](!)\nk=1\n[a](ÄB)\n")[1] == "a: k=1"
    with pytest.raises(DialectError):
        read("[Ä](!)\n[a](ä)\n")


def test_asterisk_4_1_options_are_not_trimmed() -> None:
    with pytest.raises(DialectError, match="' u'"):
        read("[t](!)\n[u](!)\n[a](t, u)\n")
    with pytest.raises(DialectError, match="' !'"):
        read("[a]( !)\n")


@pytest.mark.parametrize("header", ["[b]()", "[b](,)", "[b](t,)"])
def test_asterisk_4_1_empty_option_inherits_from_the_very_first_category(header: str) -> None:
    first = "[first]\nk=1\n[t](!)\nl=2\n"
    expected = {"[b]()": "b: k=1", "[b](,)": "b: k=1 k=1", "[b](t,)": "b: l=2 k=1"}[header]
    assert content(first + header)[2] == expected


def test_inherited_options_are_shared_and_keep_their_place() -> None:
    document = read("[t](!)\nk=1\n[a](t)\n[b](a)\n")
    assert document.sections[2].options[0] is document.sections[0].options[0]
    assert document.sections[2].options[0].line == 2
    assert document.sections[2].line == 4


def test_a_section_cannot_change_its_template() -> None:
    assert content("[t](!)\nk=1\n[a](t)\nl=2\nk+=3\n") == ["t!: k=1", "a: k=13 l=2"]


# continuation


def test_asterisk_4_1_plus_continues_the_first_non_template_of_the_name() -> None:
    text = "[a](!)\nk=1\n[A]\nk=2\n[a]\nk=3\n[a](+)\nk=4\n"
    assert content(text) == ["a!: k=1", "A: k=2 k=4", "a: k=3"]


def test_asterisk_4_1_plus_with_other_options_in_order() -> None:
    text = "[t](!)\nk=1\n[u](!)\nl=2\n[a]\nm=3\n[a](t,+,u)\nn=4\n"
    assert content(text)[2] == "a: m=3 k=1 l=2 n=4"


@pytest.mark.parametrize("words", ["!,+", "+,!"])
def test_asterisk_4_1_plus_can_make_a_template(words: str) -> None:
    assert content(f"[a]\nk=1\n[a]({words})\n") == ["a!: k=1"]


def test_asterisk_4_1_plus_under_an_empty_name_continues_the_first_plain_section() -> None:
    assert content("[t](!)\n[a]\nk=1\n[](+)\nk=2\n")[1] == "a: k=1 k=2"


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("+k=1", 0),
        ("+k=2", 1),
        ("+k=2&l=x", 1),
        ("+k=.&l=y", 2),
        ("+k=^[23]$&l=y", 2),
        ("+^l$=", 1),
        ("+[[:alpha:]]=y|z", 2),
        ("+ k = 2 ", 1),
        ("+'k'=\"2\"", 1),
        ("+TEMPLATES=include", 0),
        ("+TEMPLATES=include&k=4", 3),
        ("+TEMPLATES=Restrict", 3),
        ("+TEMPLATES=restrict&k=4", 3),
        ("+k=4&TEMPLATES=include", 3),
        ("+k{1}=2", 1),
        ("+k=2=ignored", 1),
        ("+k='2'", 1),
        ("+\"'\"'\"'\"'k=2", 0),
    ],
)
def test_asterisk_4_1_plus_filtered(words: str, changed: int) -> None:
    sections = "[a]\nk=1\n[a]\nk=2\nl=x\n[a]\nk=2\nl=y\n[a](!)\nk=4\n"
    before, after = content(sections), content(f"{sections}[a]({words})\nnew=1\n")
    assert [i for i in range(4) if before[i] != after[i]] == [changed]


@pytest.mark.parametrize(
    "words",
    [
        "+k=3",
        "+k=1\\=",
        "+k",
        "+k=1&",
        "+k=4",
        "+K=1",
        "+k=1&l=x",
        "+TEMPLATES=exclude",
        "+TEMPLATES=restrict",
        "+templates=include",
        "+k=[",
        "+k=*",
        "+k=(1",
        "+k=\\1",
    ],
)
def test_asterisk_4_1_plus_filtered_without_match_is_fatal(words: str) -> None:
    with pytest.raises(DialectError, match="to continue") as caught:
        read(f"[a]\nk=1\n[b](!,a)\n[a]({words})\n")
    assert caught.value.line == 4


def test_asterisk_4_1_missing_base_is_fatal() -> None:
    with pytest.raises(DialectError, match="no section 'T2' to inherit from") as caught:
        read("[t](!)\n\n[a](t,T2)\n")
    assert (caught.value.file, caught.value.line) == ("pjsip.conf", 3)


@pytest.mark.parametrize("text", ["[a](+)", "[a](!)\n[a](+)", "[a]\n[b](+)", "[b](+,!)"])
def test_asterisk_4_1_missing_section_to_continue_is_fatal(text: str) -> None:
    with pytest.raises(DialectError, match="to continue"):
        read(text)


@pytest.mark.parametrize("text", ["[a]\nk=1\n[a](+,a)\n", "[a]\nk=1\n[a](+,)\n"])
def test_section_that_inherits_from_itself_never_ends(text: str) -> None:
    """Asterisk copies from the list to which it appends."""
    with pytest.raises(EndlessError, match="itself"):
        read(text)


def test_section_without_options_can_inherit_from_itself() -> None:
    assert content("[a]\n[a](+,a)\nk=1\n") == ["a: k=1"]


# limits that keep reading bounded


def test_inheritance_that_multiplies_is_refused() -> None:
    lines = ["[s0](!)", "k=1", *(f"[s{i + 1}]({','.join([f's{i}'] * 1000)})" for i in range(4))]
    with pytest.raises(EndlessError, match="too much is inherited") as caught:
        read("\n".join(lines))
    assert caught.value.line == 5


def test_appending_without_end_is_refused() -> None:
    with pytest.raises(EndlessError, match="too much"):
        read("[a]\nk=1\n" + "k += 1\n" * 20_000)


def test_filter_that_takes_too_long_is_refused() -> None:
    with pytest.raises(EndlessError, match="too much"):
        read("[a]\n" + ("k=" + "a" * 8000 + "\n") * 100 + "[a](+k=" + "a*" * 3000 + "b)\n")


def test_filter_that_is_too_large_is_refused() -> None:
    with pytest.raises(EndlessError, match="too many repetitions"):
        read("[a]\nk=1\n[a](+k=a{30000}{3})\n")
