"""Which sections become objects, which drop others, and that everything found is told in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pjka.conf.codes import CODES
from pjka.conf.dialect import parse
from pjka.conf.document import DialectError
from pjka.conf.findings import Finding, Severity
from pjka.conf.kinds import KINDS
from pjka.conf.loader import Configuration, ConfigurationError, load, objects_of
from pjka.conf.report import MAX_FINDINGS
from pjka.errors import PjkaError


def read(text: str, root: Path | None = None) -> Configuration:
    """The objects of this text."""
    return objects_of(parse(text.encode(), "pjsip.conf"), path="pjsip.conf", root=root)


def told(configuration: Configuration) -> list[tuple[str, int]]:
    """Code and line of everything found."""
    return [(finding.code, finding.line) for finding in configuration.findings]


# 4.3: what makes an object


def test_asterisk_4_3_type_name_in_any_case() -> None:
    assert list(read("[a]\nTYPE=aor\n").aors) == ["a"]


@pytest.mark.parametrize("kind", ["Aor", "AOR", "Identify"])
def test_asterisk_4_3_type_value_case_is_silently_ignored(kind: str) -> None:
    configuration = read(f"[a]\nmax_contacts=1\ntype={kind}\n")
    assert (configuration.aors, told(configuration)) == ({}, [("type-case", 3)])
    assert configuration.findings[0].advice == f"Did you mean {kind.lower()}?"


def test_asterisk_4_3_inherited_type_wins_over_a_later_one() -> None:
    configuration = read("[t](!)\ntype=aor\n[a](t)\ntype=endpoint\nmax_contacts=1\n")
    assert (list(configuration.aors), configuration.endpoints) == (["a"], {})
    assert told(configuration) == [("type-overridden", 4)]


def test_asterisk_4_3_first_type_wins_within_a_section() -> None:
    configuration = read("[a]\ntype=aor\ntype=aor\nType=auth\n")
    assert (list(configuration.aors), told(configuration)) == (["a"], [("type-overridden", 4)])


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("transprot", "Did you mean transport?"),
        ("domain-alias", "Did you mean domain_alias?"),
        ("wizard", "Correct the type."),
    ],
)
def test_asterisk_4_3_unknown_type_is_silently_ignored(kind: str, advice: str) -> None:
    configuration = read(f"[a]\ntype={kind}\nanything=1\n")
    assert told(configuration) == [("type-unknown", 2)]
    assert configuration.findings[0].advice == advice


def test_asterisk_4_3_absent_type_is_silently_ignored() -> None:
    assert told(read("[a]\nmax_contacts=1\n[b]\n")) == [("type-missing", 1), ("type-missing", 3)]


@pytest.mark.parametrize(
    "kind",
    [
        "acl",
        "asterisk-publication",
        "domain_alias",
        "identify",
        "inbound-publication",
        "outbound-publish",
        "phoneprov",
        "resource_list",
    ],
)
def test_asterisk_4_3_types_of_other_modules_are_left_alone(kind: str) -> None:
    assert told(read(f"[a]\ntype={kind}\nanything=1\n[a]\ntype={kind}\n")) == []


def test_asterisk_4_3_templates_never_become_objects() -> None:
    configuration = read("[t](!)\ntype=aor\nnonsense=1\n[u](!)\nx=1\n")
    assert (configuration.aors, told(configuration)) == ({}, [])


def test_asterisk_4_3_id_is_case_sensitive() -> None:
    assert list(read("[a]\ntype=aor\n[A]\ntype=aor\n").aors) == ["a", "A"]


def test_asterisk_4_3_the_same_id_may_exist_once_per_type() -> None:
    configuration = read(
        "[1]\ntype=endpoint\naors=1\nauth=1\n[1]\ntype=aor\n[1]\ntype=auth\nusername=1\npassword=x\n"
    )
    assert (list(configuration.endpoints), list(configuration.aors), list(configuration.auths)) == (
        ["1"],
        ["1"],
        ["1"],
    )
    assert told(configuration) == []


def test_asterisk_4_3_duplicate_id_and_type_drops_the_whole_type() -> None:
    configuration = read("[a]\ntype=aor\n[b]\ntype=aor\n[a]\ntype=aor\n[e]\ntype=endpoint\n")
    assert (configuration.aors, list(configuration.endpoints)) == ({}, ["e"])
    assert told(configuration) == [("duplicate-object", 5)]
    assert "line 1" in configuration.findings[0].message


def test_asterisk_4_3_the_id_of_a_rejected_object_may_come_again() -> None:
    configuration = read("[a]\ntype=aor\nnonsense=1\n[a]\ntype=aor\nmax_contacts=3\n")
    assert configuration.aors["a"].max_contacts == 3
    assert told(configuration) == [("unknown-option", 3)]


def test_asterisk_4_3_continued_section_is_no_duplicate() -> None:
    configuration = read("[a]\ntype=aor\n[a](+)\nmax_contacts=3\n")
    assert (configuration.aors["a"].max_contacts, told(configuration)) == (3, [])


def test_asterisk_4_3_field_names_in_any_case() -> None:
    assert read("[a]\ntype=aor\nMax_Contacts=3\n").aors["a"].max_contacts == 3


def test_asterisk_4_3_field_names_are_compared_as_ascii() -> None:
    configuration = read("[e]\ntype=endpoint\nre\u212arite=1\ncodec_pre\ufb00s=1\n")
    assert [code for code, _ in told(configuration)] == ["unknown-option", "unknown-option"]


def test_asterisk_4_3_unknown_field_rejects_and_at_is_allowed() -> None:
    configuration = read("[a]\ntype=aor\nfoo=1\n[b]\ntype=aor\n@foo=1\n")
    assert (list(configuration.aors), told(configuration)) == (
        ["b"],
        [("unknown-option", 3), ("unknown-at-option", 6)],
    )


def test_asterisk_4_3_scalars_last_wins() -> None:
    configuration = read("[t](!)\nmax_contacts=1\n[a](t)\ntype=aor\nmax_contacts=2\nmax_contacts=3\n")
    assert configuration.aors["a"].max_contacts == 3
    assert configuration.aors["a"].places["max_contacts"].line == 6


def test_asterisk_4_3_an_overridden_value_must_be_valid_too() -> None:
    configuration = read("[t](!)\nmax_contacts=x\n[a](t)\ntype=aor\nmax_contacts=2\n")
    assert (configuration.aors, told(configuration)) == ({}, [("bad-value", 2)])


def test_asterisk_4_3_lists_accumulate_over_repeats_and_commas() -> None:
    configuration = read("[t](!)\ncontact=sip:a@h\n[a](t)\ntype=aor\ncontact=sip:b@h,sip:c@h\n")
    assert configuration.aors["a"].contact == ("sip:a@h", "sip:b@h", "sip:c@h")


# 4.3: global and system


@pytest.mark.parametrize("kind", ["global", "system"])
def test_asterisk_4_3_accepted_without_type(kind: str) -> None:
    configuration = read("[global]\nmax_forwards=71\n[system]\ntimer_t1=200\n@foo=1\n")
    thing = configuration.global_ if kind == "global" else configuration.system
    assert (thing.id, thing.place.line) == (kind, 1 if kind == "global" else 3)
    assert (configuration.global_.max_forwards, configuration.system.timer_t1) == (71, 200)


@pytest.mark.parametrize("odd", ["foo=1", "Max_Forwards=1", "TYPE_=global"])
def test_asterisk_4_3_without_type_every_name_must_fit_to_the_letter(odd: str) -> None:
    configuration = read(f"[global]\nmax_forwards=71\n{odd}\n")
    assert (configuration.global_.max_forwards, told(configuration)) == (70, [("untyped-ignored", 3)])
    assert configuration.findings[0].advice.startswith("Add type=global")


def test_asterisk_4_3_without_type_only_under_that_very_name() -> None:
    configuration = read("[Global]\nmax_forwards=71\n")
    assert (configuration.global_.max_forwards, told(configuration)) == (70, [("type-missing", 1)])


def test_asterisk_4_3_none_means_all_defaults() -> None:
    configuration = read("")
    assert (configuration.global_.keep_alive_interval, configuration.system.timer_b) == (90, 32000)
    assert (configuration.global_.place, configuration.system.place) == (("pjsip.conf", 1), ("pjsip.conf", 1))


def test_asterisk_4_3_invalid_global_means_all_defaults() -> None:
    configuration = read("[global]\ntype=global\nkeep_alive_interval=0\nfoo=1\n")
    assert (configuration.global_.keep_alive_interval, told(configuration)) == (90, [("unknown-option", 4)])


@pytest.mark.parametrize(
    "text",
    [
        "[global]\ntype=global\nmax_forwards=71\n[g]\ntype=global\nmax_forwards=72\n",
        "[global]\nmax_forwards=71\n\n[g]\ntype=global\nmax_forwards=72\n",
    ],
)
def test_asterisk_4_3_of_two_globals_the_last_applied_wins(text: str) -> None:
    configuration = read(text)
    assert configuration.global_.max_forwards == 72
    assert told(configuration) == [("two-singles", 4)]


def test_asterisk_4_3_of_two_globals_a_rejected_one_does_not_count() -> None:
    configuration = read("[g]\ntype=global\nmax_forwards=72\n[global]\ntype=global\nfoo=1\n")
    assert (configuration.global_.max_forwards, told(configuration)) == (72, [("unknown-option", 6)])


@pytest.mark.parametrize("kind", ["global", "system"])
def test_asterisk_4_3_of_three_globals_none_counts(kind: str) -> None:
    option = "max_forwards=71" if kind == "global" else "timer_t1=200"
    configuration = read("".join(f"[{name}]\ntype={kind}\n{option}\n" for name in "abc"))
    assert (configuration.global_.max_forwards, configuration.system.timer_t1) == (70, 500)
    assert told(configuration) == [("several-singles", 7)]


def test_asterisk_4_3_two_globals_of_one_name_are_duplicates() -> None:
    configuration = read("[global]\nmax_forwards=71\n[global]\nmax_forwards=72\n")
    assert (configuration.global_.max_forwards, told(configuration)) == (70, [("duplicate-object", 3)])


# [global] @tcp_keepalive_*

ALL = "[global]\n@tcp_keepalive_enable=yes\n@tcp_keepalive_idle_time=9\n@tcp_keepalive_probe_count=system\n"


def test_origins_g2_global_is_the_default_of_tcp_and_tls_transports() -> None:
    configuration = read(
        ALL + "[a]\ntype=transport\nprotocol=tcp\nbind=::\n"
        "[b]\ntype=transport\nprotocol=tls\nbind=::\ntcp_keepalive_idle_time=7\n"
        "[c]\ntype=transport\nbind=::\n"
    )
    a, b, c = configuration.transports.values()
    assert (a.tcp_keepalive_enable, a.tcp_keepalive_idle_time, a.tcp_keepalive_probe_count) == (True, 9, None)
    assert a.at_options == {
        "tcp_keepalive_enable",
        "tcp_keepalive_idle_time",
        "tcp_keepalive_probe_count",
    }
    assert a.places["tcp_keepalive_enable"].line == 2
    assert (b.tcp_keepalive_enable, b.tcp_keepalive_idle_time) == (True, 7)
    assert "tcp_keepalive_idle_time" not in b.at_options
    assert c.tcp_keepalive_enable is False


def test_origins_g2_a_transport_may_say_no() -> None:
    configuration = read(ALL + "[a]\ntype=transport\nprotocol=tcp\nbind=::\ntcp_keepalive_enable=no\n")
    assert configuration.transports["a"].tcp_keepalive_enable is False


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("tcp_keepalive_enable=yes", [("interval-default", 5)]),
        ("@tcp_keepalive_enable=yes", [("interval-default", 5)]),
        ("tcp_keepalive_enable=no", []),
        ("tcp_keepalive_idle_time=5", []),
        ("tcp_keepalive_enable=yes\ntcp_keepalive_interval_time=1", []),
        ("tcp_keepalive_enable=yes\n@tcp_keepalive_interval_time=10", []),
    ],
)
def test_asterisk_0_3_both_defaults_of_the_interval_are_told_where_it_matters(
    lines: str, expected: list[tuple[str, int]]
) -> None:
    configuration = read(f"[a]\ntype=transport\nprotocol=tcp\nbind=::\n{lines}\n")
    assert told(configuration) == expected


def test_asterisk_0_3_the_interval_of_global_counts() -> None:
    transport = "[a]\ntype=transport\nprotocol=tcp\nbind=::\ntcp_keepalive_enable=yes\n"
    assert told(read("[global]\n@tcp_keepalive_interval_time=2\n" + transport)) == []


# Names of other objects


def test_asterisk_2_7_names_of_objects_that_are_not_there() -> None:
    configuration = read(
        "[e]\ntype=endpoint\ntransport=t\naors=a,b\nauth=c\noutbound_auth=d\n"
        "[a]\ntype=aor\n[z]\ntype=auth\nusername=u\npassword=p\n"
        "[r]\ntype=registration\nserver_uri=sip:h\nclient_uri=sip:h\ntransport=t\noutbound_auth=d\n"
        "line=yes\nendpoint=f\n"
    )
    assert told(configuration) == [("reference-missing", line) for line in (3, 4, 5, 6, 17, 18, 20)]
    assert configuration.findings[1].message == "endpoint e: aors names aor b, which is not loaded"


@pytest.mark.parametrize(
    ("transport", "server", "loaded"),
    [
        ("protocol=udp\nbind=0.0.0.0", "sip:h", True),
        ("protocol=tcp\nbind=0.0.0.0", "sip:h", False),
        ("protocol=udp\nbind=::", "sip:h", False),
        ("protocol=udp\nbind=::", "sip:[::1]", True),
        ("protocol=tcp\nbind=0.0.0.0", "sip:h\\;transport=TCP", True),
        ("protocol=udp\nbind=0.0.0.0", "sip:h\\;transport=x", False),
        ("protocol=tls\nbind=0.0.0.0", "sips:h", True),
        ("protocol=tls\nbind=0.0.0.0", "sips:h\\;transport=tcp", True),
        ("protocol=udp\nbind=0.0.0.0", "sips:h\\;transport=udp", False),
    ],
)
def test_asterisk_5_3_a_registration_needs_a_transport_to_its_server(
    transport: str, server: str, loaded: bool
) -> None:
    registration = f"[r]\ntype=registration\nserver_uri={server}\nclient_uri=sip:h\n"
    text = f"[t]\ntype=transport\n{transport}\n{registration}"
    assert ("r" in read(text).registrations) == loaded
    assert "r" in read(text + "transport=t\n").registrations
    assert "r" in read(registration).registrations, "transports may be in a database"


def test_aors_and_auths_may_be_in_a_database() -> None:
    assert told(read("[e]\ntype=endpoint\naors=a\nauth=c\noutbound_auth=d\n")) == []


# Findings

FINDINGS: dict[str, tuple[str, int]] = {
    "type-missing": ("\n[a]\nx=1", 2),
    "type-case": ("[a]\ntype=AOR", 2),
    "type-unknown": ("[a]\ntype=b", 2),
    "type-overridden": ("[a]\ntype=aor\ntype=b", 3),
    "type-not-read": ("\n[a]\ntype=contact", 2),
    "untyped-ignored": ("[global]\nmax_forwards=1\nx=1", 3),
    "duplicate-object": ("[a]\ntype=aor\n[a]\ntype=aor", 3),
    "two-singles": ("[a]\ntype=system\n[b]\ntype=system", 3),
    "several-singles": ("[a]\ntype=system\n[b]\ntype=system\n[c]\ntype=system", 5),
    "unknown-option": ("[a]\ntype=aor\nx=1", 3),
    "never-an-option": ("[a]\ntype=transport\nbind=::\ntcp_keepidle=1", 4),
    "at-needed": ("[a]\ntype=aor\nclose_wedged=yes", 3),
    "unknown-at-option": ("[a]\ntype=aor\n@x=1", 3),
    "at-value": ("[a]\ntype=aor\n@qualify_up=x", 3),
    "both-spellings": ("[a]\ntype=aor\n@qualify_2xx_only=yes\nqualify_2xx_only=yes", 3),
    "deprecated-option": ("[system]\nthreadpool_max_size=1", 2),
    "bad-value": ("[a]\ntype=aor\nmax_contacts=x", 3),
    "odd-boolean": ("[a]\ntype=aor\nsupport_path=x", 3),
    "system-needs-at": ("[a]\ntype=transport\nbind=::\ntcp_keepalive_idle_time=system", 4),
    "option-missing": ("\n[a]\ntype=transport", 2),
    "empty-value": ("[global]\ndebug=", 2),
    "file-unreadable": ("[a]\ntype=transport\nbind=::\ncert_file=/nowhere/at/all", 4),
    "file-unverified": ("[a]\ntype=transport\nbind=::\ncert_file=key.pem", 4),
    "exclusive-options": (
        "[a]\ntype=transport\nbind=::\nexternal_signaling_address=a\nexternal_signaling_hostname=b",
        5,
    ),
    "incomplete-pair": ("[a]\ntype=registration\nserver_uri=sip:h\nclient_uri=sip:h\nline=yes", 5),
    "too-many-ciphers": ("[a]\ntype=transport\nbind=::\ncipher=" + ",".join(map(str, range(65))), 4),
    "contact-repeated": ("[a]\ntype=aor\ncontact=sip:h,sip:h", 3),
    "async-operations": ("[a]\ntype=transport\nbind=::\nasync_operations=2", 4),
    "tos-rounded": ("[a]\ntype=transport\nbind=::\ntos=3", 4),
    "websocket-ignores": ("[a]\ntype=transport\nbind=::\nprotocol=wss\ncos=3", 5),
    "algorithms-default": ("[global]\ndefault_auth_algorithms_uac=x", 2),
    "timer-raised": ("[system]\ntimer_b=1", 2),
    "keepalive-not-tcp": ("[a]\ntype=transport\nbind=::\ntcp_keepalive_enable=yes", 4),
    "kernel-limit": ("[a]\ntype=transport\nbind=::\nprotocol=tcp\ntcp_keepalive_idle_time=32768", 5),
    "interval-default": ("[a]\ntype=transport\nbind=::\nprotocol=tls\ntcp_keepalive_enable=yes", 5),
    "transport-missing": (
        "[t]\ntype=transport\nbind=::\n[a]\ntype=registration\nserver_uri=sip:h\nclient_uri=sip:h",
        6,
    ),
    "reference-missing": ("[a]\ntype=endpoint\ntransport=b", 3),
}


@pytest.mark.parametrize("code", CODES)
def test_every_finding_is_told_once_in_its_line(code: str) -> None:
    text, line = FINDINGS[code]
    configuration = read(text)
    assert told(configuration) == [(code, line)]
    [finding] = configuration.findings
    assert (finding.file, finding.severity) == ("pjsip.conf", CODES[code].severity)
    assert all((finding.message, finding.asterisk, finding.advice, CODES[code].summary))
    assert "{" not in finding.asterisk + finding.advice


@pytest.mark.parametrize("code", [code for code, kind in CODES.items() if kind.rejects])
def test_what_rejects_an_object_is_an_error_and_leaves_none(code: str) -> None:
    text, _ = FINDINGS[code]
    configuration = read(text)
    assert CODES[code].severity is Severity.ERROR
    assert "a" not in {*configuration.transports, *configuration.aors, *configuration.registrations}
    assert (configuration.global_.debug, configuration.global_.place.line) == ("no", 1)


def test_what_a_template_says_is_told_once() -> None:
    text = "[t](!)\ntype=aor\nfoo=1\n" + "".join(f"[{name}](t)\n" for name in "abc")
    [finding] = read(text).findings
    assert (finding.line, finding.message) == (3, "aor a (and 2 more): unknown option 'foo'")


def test_what_a_template_says_counts_for_each_object() -> None:
    template = "[t](!)\ntype=aor\ncontact=sip:t@h\n@qualify_down=3\nsupport_path=no\n"
    text = template + "[a](t)\n[b](t)\ncontact=sip:b@h\n[c](t)\n"
    aors = read(text).aors
    assert [aor.contact for aor in aors.values()] == [("sip:t@h",), ("sip:t@h", "sip:b@h"), ("sip:t@h",)]
    assert [aor.qualify_down for aor in aors.values()] == [3, 3, 3]
    assert [aor.place.line for aor in aors.values()] == [6, 7, 9]


def test_templates_that_begin_alike_are_told_apart() -> None:
    text = (
        "[t](!)\ntype=aor\nmax_contacts=1\n[u](!,t)\nsupport_path=yes\n[v](!,t)\nsupport_path=no\n"
        "[a](u)\n[b](v)\n[c](t)\n[d](u)\nmax_contacts=4\n"
    )
    assert [(aor.max_contacts, aor.support_path) for aor in read(text).aors.values()] == [
        (1, True),
        (1, False),
        (1, False),
        (4, True),
    ]


def test_findings_are_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    (tmp_path / "pjsip.conf").write_text("[a]\ntype=aor\n#include one.conf\nfoo=1\n[b]\ntype=Aor\n")
    (tmp_path / "one.conf").write_text("bar=1\n#include two.conf\nno equal sign\n")
    (tmp_path / "two.conf").write_text("baz=1\n")
    configuration = load(tmp_path / "pjsip.conf")
    places = [(Path(f.file).name, f.line, f.code) for f in configuration.findings]
    assert places == [
        ("pjsip.conf", 4, "unknown-option"),
        ("pjsip.conf", 6, "type-case"),
        ("one.conf", 1, "unknown-option"),
        ("one.conf", 3, "no-equal-sign"),
        ("two.conf", 1, "unknown-option"),
    ]
    assert [Path(file).name for file in configuration.files] == ["pjsip.conf", "one.conf", "two.conf"]


def test_findings_are_bounded_and_what_is_left_out_is_told() -> None:
    configuration = read(
        "[a]\ntype=aor\n" + "".join(f"option{number}=1\n" for number in range(MAX_FINDINGS + 5))
    )
    assert len(configuration.findings) == MAX_FINDINGS + 1
    assert told(configuration)[-1] == ("findings-omitted", MAX_FINDINGS + 3)
    assert configuration.aors == {}


_NAMES = st.sampled_from(
    sorted(
        {name for kind in KINDS.values() for name in kind.names()}
        | {"type", "TYPE", "@x", "tcp_keepidle", "x"}
    )
)
_WORDS = (
    "yes 0 -1 0x10 99999999999 nan system auto tcp sip:a@h,sip:a@h < :: [ EF , 10.0.0.0/8, MD5:x /etc/passwd"
)
_ODD = ["", "\x00", "\u212a", "identify", "Aor", *_WORDS.split(" "), *KINDS]
_VALUES = st.sampled_from(_ODD) | st.text(max_size=20)
_LINES = st.tuples(_NAMES, _VALUES).map(lambda pair: f"{pair[0]}={pair[1]}") | st.sampled_from(
    ["[a](!)", "[b](a)", "[c](+)", "[global]", "[system]", "[x]", "[c]"] + [f"type={kind}" for kind in KINDS]
)


@given(st.lists(_LINES, max_size=40))
def test_any_file_becomes_objects_or_findings(lines: list[str]) -> None:
    text = "\n".join(["[a](!)", "[c]", *lines])
    try:
        document = parse(text.encode("utf-8", "surrogatepass"), "pjsip.conf")
    except DialectError:
        return
    configuration = objects_of(document, path="pjsip.conf")
    assert all(1 <= finding.line <= len(text.splitlines()) + 1 for finding in configuration.findings)
    assert all(finding.message and finding.asterisk and finding.advice for finding in configuration.findings)
    assert "c" not in configuration.aors or configuration.aors["c"].qualify_frequency <= 86400


def test_long_and_odd_values_are_cut_and_quoted() -> None:
    [finding] = read("[a]\ntype=aor\nmax_contacts=\x1b[31m" + "x" * 5000).findings
    assert "\x1b" not in finding.message
    assert len(finding.message) < 200


# The file as a whole


def test_asterisk_4_1_an_unusable_file_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "pjsip.conf").write_text("[a]\ntype=aor\n[b\n")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "pjsip.conf")
    assert isinstance(caught.value, PjkaError)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "pjsip.conf"), 3)


def test_asterisk_4_1_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="none"):
        load(tmp_path / "none.conf")


def test_load_takes_paths_from_another_root(tmp_path: Path) -> None:
    etc = tmp_path / "etc" / "asterisk"
    etc.mkdir(parents=True)
    (etc / "key.pem").write_text("PEM")
    (etc / "pjsip.conf").write_text("#include more.conf\n")
    (etc / "more.conf").write_text(
        "[t]\ntype=transport\nprotocol=tls\nbind=::\ncert_file=/etc/asterisk/key.pem\n"
    )
    configuration = load("/etc/asterisk/pjsip.conf", root=tmp_path)
    assert configuration.transports["t"].cert_file == "/etc/asterisk/key.pem"
    assert configuration.path == "/etc/asterisk/pjsip.conf"


def test_findings_are_values() -> None:
    finding: Finding = read("[a]\ntype=aor\nfoo=1\n").findings[0]
    assert finding == read("[a]\ntype=aor\nfoo=1\n").findings[0]
