"""What `pjka check` finds in a configuration: one test for each kind of finding, with its opposite."""

from __future__ import annotations

import math

import pytest
from check_support import KERNEL, PHONE, QUIET, TCP, configuration, found, line_of, report

from pjka.check import Surroundings, Version, policies
from pjka.check.codes import CODES
from pjka.conf.findings import Severity
from pjka.keepalive.platforms import FREEBSD
from pjka.keepalive.policy import Mechanism, TcpKeepAlive

EXTERNAL = Surroundings(external_pjproject=True)


# policies


def test_a_policy_has_the_transports_own_values() -> None:
    policy = policies(configuration(QUIET + KERNEL))["t"]
    assert policy.mechanism is Mechanism.KERNEL
    assert policy.tcp == TcpKeepAlive(True, 30, 10, 5, 80)


def test_asterisk_2_1_defaults_are_those_of_the_code() -> None:
    policy = policies(configuration(QUIET + TCP + "tcp_keepalive_enable=yes"))["t"]
    assert policy.tcp == TcpKeepAlive(True, 30, 1, 5, 35)


def test_g2_p2_one_line_in_global_covers_every_tcp_and_tls_transport() -> None:
    text = f"{QUIET}@tcp_keepalive_enable=yes\n@tcp_keepalive_idle_time=60\n{TCP}[u](t)\ntype=transport\n"
    found_policies = policies(configuration(text))
    assert {policy.tcp.idle for policy in found_policies.values()} == {60}
    assert {policy.mechanism for policy in found_policies.values()} == {Mechanism.KERNEL}


def test_g3_p3_system_keeps_the_kernels_timers() -> None:
    text = QUIET + TCP + "@tcp_keepalive_enable=yes\n@tcp_keepalive_idle_time=system\n"
    policy = policies(configuration(text))["t"]
    assert policy.tcp.idle is None
    assert policy.tcp.user_timeout == 7200 + 5 * 1


@pytest.mark.parametrize(
    ("setting", "seconds"), [("auto", 80), ("12.5", 12.5), ("no", None)], ids=["auto", "seconds", "no"]
)
def test_user_timeout(setting: str, seconds: float | None) -> None:
    policy = policies(configuration(f"{QUIET}{KERNEL}@tcp_user_timeout={setting}\n"))["t"]
    assert policy.tcp.user_timeout == seconds


def test_outbound_switches_the_kernels_keepalive_off() -> None:
    policy = policies(configuration(f"{QUIET}{KERNEL}@keepalive=outbound\n@flow_timer=battery\n"))["t"]
    assert policy.mechanism is Mechanism.OUTBOUND
    assert (policy.tcp.enable, policy.ping_interval, policy.pong_timeout) == (False, 840, 10)


def test_asterisk_1_1_crlf_is_on_every_90_seconds_unless_set() -> None:
    policy = policies(configuration(TCP))["t"]
    assert (policy.mechanism, policy.crlf_interval) == (Mechanism.CRLF, 90)


def test_asterisk_0_8_keepalive_on_udp_is_nothing() -> None:
    policy = policies(configuration(KERNEL.replace("tcp\n", "udp\n")))["t"]
    assert policy.mechanism is Mechanism.NONE
    assert not policy.tcp.enable


# the report on a transport


def test_detection_with_pjka_and_alone() -> None:
    (transport,) = report(QUIET + KERNEL + PHONE + "qualify_frequency=60\n@qualify_down=2\n").transports
    assert transport.detection.idle == 80
    assert transport.detection.busy == pytest.approx(80, abs=1)
    assert transport.detection.wedged == 2 * 60 + 3
    assert transport.detection.alone == pytest.approx(60 + 924.6 * 1.03), "OPTIONS end the probing"


def test_alone_is_the_keepalive_where_nothing_is_written() -> None:
    (transport,) = report(QUIET + KERNEL).transports
    assert transport.detection.alone == 80
    assert transport.detection.wedged == math.inf


def test_alone_asterisk_reads_no_at_options() -> None:
    (transport,) = report(QUIET + KERNEL.replace("tcp_k", "@tcp_k")).transports
    assert transport.detection.idle == 80
    assert transport.detection.alone == math.inf


def test_alone_crlf_ends_the_probing() -> None:
    (transport,) = report(KERNEL).transports
    assert transport.detection.alone == pytest.approx(80 + 924.6 * 1.03)


@pytest.mark.parametrize(
    ("version", "said", "alone"),
    [
        (Version(20, 10), "yes", math.inf),
        (Version(20, 10), "no", 80),
        (Version(22, 10), "yes", 80),
        (Version(22, 10), "no", math.inf),
        (Version(16, 28), "yes", math.inf),
    ],
    ids=str,
)
def test_issue_1149_alone_by_version(version: Version, said: str, alone: float) -> None:
    text = QUIET + KERNEL.replace("enable=yes", f"enable={said}")
    (transport,) = report(text, Surroundings(version=version)).transports
    assert transport.detection.alone == alone


def test_issue_1149_alone_is_on_where_it_is_not_mentioned() -> None:
    (transport,) = report(QUIET + TCP, Surroundings(version=Version(20, 10))).transports
    assert transport.detection.alone == 35


def test_asterisk_6_alone_with_an_external_pjproject_sets_nothing_and_sends_its_crlf() -> None:
    (transport,) = report(QUIET + KERNEL, EXTERNAL).transports
    assert transport.detection.alone == pytest.approx(90 + 924.6 * 1.03)


def test_k1_bytes_per_hour_by_ip_version() -> None:
    (four,) = report(QUIET + KERNEL).transports
    (six,) = report(QUIET + KERNEL.replace("127.0.0.1", "[::1]")).transports
    assert (four.bytes_per_hour, six.bytes_per_hour) == (120 * 104, 120 * 144)


def test_udp_has_no_connection_to_find_dead() -> None:
    (transport,) = report(KERNEL.replace("tcp\n", "udp\n") + PHONE + "qualify_frequency=60\n").transports
    assert (transport.detection.idle, transport.detection.busy, transport.detection.alone) == (63, None, None)


def test_another_platform_has_its_own_rules() -> None:
    text = QUIET + KERNEL + "@tcp_user_timeout=200\n"
    (here,) = report(text).transports
    (there,) = report(text, Surroundings(FREEBSD)).transports
    assert (here.detection.idle, there.detection.idle) == (200, 80)


# which AOR is reached over what


@pytest.mark.parametrize(
    ("endpoint", "aor", "over"),
    [
        ("transport=t", "max_contacts=1", ("t",)),
        ("", "max_contacts=1", ("t", "s", "u")),
        ("", "contact=sip:a@192.0.2.1", ("u",)),
        ("", "contact=sip:a@192.0.2.1\\;transport=TCP", ("t",)),
        ("", "contact=sips:a@192.0.2.1", ("s",)),
        ("", "contact=sip:a@192.0.2.1,sips:b@192.0.2.1", ("s", "u")),
        ("transport=gone", "max_contacts=1", ()),
    ],
)
def test_asterisk_2_7_transports_of_an_aor(endpoint: str, aor: str, over: tuple[str, ...]) -> None:
    text = f"""{TCP}
[s](t)
type=transport
protocol=tls
[u](t)
type=transport
protocol=udp
[p]
type=endpoint
aors=p
{endpoint}
[p]
type=aor
{aor}
"""
    (one,) = report(text).aors
    assert one.transports == over


def test_an_aor_that_no_endpoint_names_is_reached_over_nothing() -> None:
    (one,) = report(TCP + "[p]\ntype=aor\nmax_contacts=1\n").aors
    assert one.transports == ()


def test_aors_with_the_same_settings_are_one_row() -> None:
    text = TCP + "[a]\ntype=aor\nqualify_frequency=60\n[b]\ntype=aor\n[c](a)\n"
    assert [one.ids for one in report(text).aors] == [("a", "c"), ("b",)]


# findings


def test_crlf_beside_tcp_keepalive_is_told_at_the_line_that_sets_it() -> None:
    text = "[global]\ntype=global\nkeep_alive_interval=30\n" + KERNEL
    assert found(text) == {"crlf-beside-tcp-keepalive": 3}


def test_crlf_beside_tcp_keepalive_by_default_is_told_at_the_section_or_the_transport() -> None:
    assert found("[global]\ntype=global\nuser_agent=x\n" + KERNEL) == {"crlf-beside-tcp-keepalive": 1}
    assert found(KERNEL) == {"crlf-beside-tcp-keepalive": line_of(KERNEL, "enable")}


def test_crlf_beside_tcp_keepalive_is_told_once_for_all_transports() -> None:
    (finding,) = report(KERNEL + "[u](t)\ntype=transport\n").findings
    assert finding.message.startswith("transport t (and 1 more): CRLF every 90 s competes.")


def test_crlf_beside_outbound() -> None:
    assert found(TCP + "@keepalive=outbound\n") == {"crlf-beside-outbound": 2}


def test_crlf_alone_and_nothing_at_all() -> None:
    assert found(TCP) == {"crlf-alone": 2}
    assert found(QUIET + TCP) == {"nothing-keeps-alive": 5}
    assert found(QUIET + TCP + PHONE + "qualify_frequency=60\n") == {}, "OPTIONS notice it"


def test_pjproject_timer_and_option_slots_of_an_external_pjproject() -> None:
    assert found(QUIET + KERNEL, EXTERNAL) == {
        "pjproject-timer": 5,
        "pjproject-option-slots": line_of(QUIET + KERNEL, "enable"),
    }
    assert found(QUIET + KERNEL) == {}


@pytest.mark.parametrize(
    ("keepalive", "enable", "contradicts"),
    [
        ("tcp", "no", True),
        ("none", "yes", True),
        ("outbound", "yes", True),
        ("tcp", "yes", False),
        ("outbound", "no", False),
        ("none", "no", False),
    ],
)
def test_keepalive_contradiction(keepalive: str, enable: str, contradicts: bool) -> None:
    text = (
        f"{QUIET}{TCP}tcp_keepalive_enable={enable}\ntcp_keepalive_interval_time=10\n@keepalive={keepalive}\n"
    )
    assert ("keepalive-contradiction" in found(text)) is contradicts


def test_keepalive_contradiction_is_told_at_the_option_of_pjka() -> None:
    text = QUIET + KERNEL + "@keepalive=none\n"
    assert found(text)["keepalive-contradiction"] == line_of(text, "@keepalive")


def test_keepalive_times_unused() -> None:
    text = TCP + "tcp_keepalive_idle_time=30\n"
    assert found(text)["keepalive-times-unused"] == line_of(text, "idle")
    assert "keepalive-times-unused" not in found(text + "@keepalive=tcp\n")


@pytest.mark.parametrize(("frequency", "told"), [(600, True), (0, False)])
def test_options_without_user_timeout(frequency: int, told: bool) -> None:
    text = f"{QUIET}{KERNEL}@tcp_user_timeout=no\n{PHONE}qualify_frequency={frequency}\n"
    expected = {"options-without-user-timeout": line_of(text, "@tcp_user_timeout")} if told else {}
    assert found(text) == expected


@pytest.mark.parametrize(("timeout", "told"), [("80", False), ("80.5", True), ("auto", False), ("79", False)])
def test_user_timeout_above_budget(timeout: str, told: bool) -> None:
    text = f"{QUIET}{KERNEL}@tcp_user_timeout={timeout}\n"
    expected = {"user-timeout-above-budget": line_of(text, "@tcp_user_timeout")} if told else {}
    assert found(text) == expected


def test_rfc1122_4_2_3_6_one_probe() -> None:
    text = QUIET + KERNEL.replace("probe_count=5", "probe_count=1")
    assert found(text) == {"single-probe": line_of(text, "probe_count")}
    assert found(QUIET + KERNEL.replace("probe_count=5", "probe_count=2")) == {}


def test_rfc1122_4_2_3_6_a_short_user_timeout_leaves_one_probe_on_linux_only() -> None:
    text = QUIET + KERNEL + "@tcp_user_timeout=40\n"
    assert found(text) == {"single-probe": line_of(text, "@tcp_user_timeout")}
    assert found(text, Surroundings(FREEBSD)) == {}
    assert found(text.replace("timeout=40", "timeout=41")) == {}


@pytest.mark.parametrize(("forgets", "told"), [(29, True), (30, True), (31, False)])
def test_a1_idle_above_firewall_timeout(forgets: int, told: bool) -> None:
    text = f"{QUIET}{KERNEL}@firewall_timeout={forgets}\n"
    expected = {"idle-above-firewall-timeout": line_of(text, "idle_time")} if told else {}
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TCP + "@firewall_timeout=90\n", "Set keep_alive_interval in [global] below 90."),
        (QUIET + TCP + "@keepalive=outbound\n@firewall_timeout=60\n", "Set @flow_timer below 60."),
        (QUIET + TCP + "@firewall_timeout=60\n", "Set tcp_keepalive_enable=yes."),
        (
            QUIET + TCP + "@firewall_timeout=60\n" + PHONE + "qualify_frequency=300\n",
            "Set qualify_frequency of its AORs below 60.",
        ),
    ],
)
def test_a1_every_mechanism_must_be_quicker_than_the_firewall(text: str, told: str) -> None:
    findings = {finding.code: finding for finding in report(text).findings}
    assert findings["idle-above-firewall-timeout"].advice == told


@pytest.mark.parametrize(
    ("frequency", "timeout", "told"),
    [
        (600, "3", set()),
        (10, "11", {"qualify-timeout-above-frequency"}),
        (10, "10", set()),
        (600, "33", {"qualify-timeout-above-transaction"}),
        (600, "32", set()),
        (600, "0", {"qualify-timeout-off"}),
        (600, "-1", {"qualify-timeout-off"}),
        (10, "0", {"qualify-timeout-off", "qualify-timeout-above-frequency"}),
        (600, "inf", {"qualify-timeout-above-transaction"}),
        (20, "40", {"qualify-timeout-above-transaction", "qualify-timeout-above-frequency"}),
    ],
)
def test_asterisk_3_1_qualify_timeout(frequency: int, timeout: str, told: set[str]) -> None:
    text = f"[p]\ntype=aor\nqualify_frequency={frequency}\nqualify_timeout={timeout}\n"
    assert found(text) == dict.fromkeys(told, 4)


def test_qualify_timeout_goes_by_the_transaction_of_the_system() -> None:
    text = "[system]\ntype=system\ntimer_b=64000\n[p]\ntype=aor\nqualify_frequency=600\nqualify_timeout=40\n"
    assert found(text) == {}


def test_a8_qualify_faster_than_needed_says_what_is_saved() -> None:
    text = QUIET + KERNEL + PHONE + "qualify_frequency=60\n"
    (finding,) = report(text).findings
    assert (finding.code, finding.severity) == ("qualify-faster-than-needed", Severity.NOTICE)
    assert finding.line == line_of(text, "qualify_frequency")
    assert "120 messages per hour and contact, 96 to be saved" in finding.message
    assert report(text).clean


def test_a8_qualify_is_as_fast_as_it_likes_where_tcp_does_not_hold_the_path() -> None:
    assert found(QUIET + TCP + PHONE + "qualify_frequency=60\n") == {}
    assert found(QUIET + KERNEL + PHONE + "qualify_frequency=300\n") == {}


def test_a3_short_registration() -> None:
    phone = QUIET + KERNEL + PHONE + "maximum_expiration=120\n"
    assert found(phone) == {"short-registration": line_of(phone, "maximum")}
    trunk = (
        QUIET
        + KERNEL
        + "[r]\ntype=registration\ntransport=t\nserver_uri=sip:a\nclient_uri=sip:b\nexpiration=60\n"
    )
    assert found(trunk) == {"short-registration": line_of(trunk, "expiration")}
    assert found(trunk.replace("expiration=60", "expiration=300")) == {}


@pytest.mark.parametrize("option", ["close_wedged", "remove_unreachable"])
def test_qualify_needed(option: str) -> None:
    text = f"[p]\ntype=aor\n@{option}=yes\n"
    assert found(text) == {"qualify-needed": 3}
    assert found(text + "qualify_frequency=300\n") == {}


# findings by version


def test_version_without_keepalive_rejects_each_option() -> None:
    findings = report(QUIET + KERNEL, Surroundings(version=Version(16, 28))).findings
    lines = [line_of(QUIET + KERNEL, part) for part in ("enable", "idle", "interval_time", "count")]
    assert [(finding.code, finding.line) for finding in findings] == [
        ("version-lacks-keepalive", line) for line in lines
    ]
    assert findings[0].advice.startswith("Write @tcp_keepalive_enable,")
    assert found(QUIET + KERNEL.replace("tcp_k", "@tcp_k"), Surroundings(version=Version(16, 28))) == {}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("tcp_keepalive_enable=yes\ntcp_keepalive_interval_time=10", "version-inverts-keepalive"),
        ("tcp_keepalive_enable=no", "version-defaults-keepalive"),
        ("", "version-defaults-keepalive"),
    ],
    ids=["yes", "no", "unset"],
)
def test_issue_1149_findings(said: str, code: str) -> None:
    text = f"{QUIET}{TCP}{said}\n{PHONE}qualify_frequency=300\n"
    line = line_of(text, "enable") if said else line_of(text, "[t]")
    assert found(text, Surroundings(version=Version(20, 12))) == {code: line}
    assert found(text, Surroundings(version=Version(20, 13))) == {}


def test_issue_1149_is_no_matter_where_pjka_sets_the_sockets() -> None:
    text = QUIET + KERNEL.replace("tcp_k", "@tcp_k")
    assert found(text, Surroundings(version=Version(20, 12))) == {}


def test_version_without_newer_options() -> None:
    text = f"{QUIET}{KERNEL}external_signaling_hostname=pbx.example\n{PHONE}qualify_2xx_only=yes\n"
    lines = [line_of(text, "hostname"), line_of(text, "2xx")]
    old = report(text, Surroundings(version=Version(20, 11))).findings
    assert [finding.line for finding in old if finding.code == "version-lacks-option"] == lines
    assert "version-lacks-option" not in found(text, Surroundings(version=Version(23, 5)))


def test_every_code_is_documented() -> None:
    for name, code in CODES.items():
        assert name == name.lower()
        assert code.summary
        assert code.asterisk.endswith(".")
        assert code.advice.endswith((".", "}"))
