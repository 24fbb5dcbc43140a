"""Objects by the tables of Asterisk's options: accepted, refused, default, corrected."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from pjka.conf.dialect import parse
from pjka.conf.kinds import KINDS
from pjka.conf.loader import Configuration, objects_of
from pjka.conf.objects import Aor, Auth, Contact, Endpoint, Global, Registration, System, Transport
from pjka.conf.options import Place, Spelling
from pjka.conf.sip_values import Digest

NECESSARY = {
    "transport": ("bind = 127.0.0.1",),
    "auth": ("username = u", "password = p"),
    "registration": ("server_uri = sip:pbx.example.com", "client_uri = sip:me@pbx.example.com"),
}


def read(*lines: str, root: Path | None = None) -> Configuration:
    """The objects of a file of these lines."""
    return objects_of(parse("\n".join(lines).encode(), "pjsip.conf"), path="pjsip.conf", root=root)


def made(kind: str, *lines: str, root: Path | None = None) -> tuple[Any, list[str]]:
    """An object with these options and the necessary ones, None if rejected, and the findings' codes."""
    configuration = read("[x]", f"type = {kind}", *NECESSARY.get(kind, ()), *lines, root=root)
    objects = {
        "transport": configuration.transports,
        "aor": configuration.aors,
        "endpoint": configuration.endpoints,
        "auth": configuration.auths,
        "registration": configuration.registrations,
        "contact": configuration.contacts,
        "global": {"x": configuration.global_},
        "system": {"x": configuration.system},
    }[kind]
    thing = objects.get("x")
    return None if thing is None or thing.id != "x" else thing, [f.code for f in configuration.findings]


# 2.1: every option of a transport, with a value that it takes and what becomes of it

TRANSPORT_OPTIONS = [
    ("protocol", "TLS", "tls"),
    ("bind", "[::1]:5062", ("::1", 5062)),
    ("async_operations", "1", 1),
    ("ca_list_file", "/readable", "/readable"),
    ("ca_list_path", "/directory", "/directory"),
    ("cert_file", "/readable", "/readable"),
    ("priv_key_file", "/readable", "/readable"),
    ("password", "secret", "secret"),
    ("external_signaling_address", "203.0.113.1", "203.0.113.1"),
    ("external_media_address", "203.0.113.1", "203.0.113.1"),
    ("external_signaling_port", "65535", 65535),
    ("external_signaling_hostname", "pbx.example.com", "pbx.example.com"),
    ("domain", "example.com", "example.com"),
    ("verify_server", "yes", True),
    ("verify_client", "yes", True),
    ("require_client_cert", "yes", True),
    ("allow_wildcard_certs", "yes", True),
    ("method", "tlsv1_2", "tlsv1_2"),
    (
        "cipher",
        "AES128-SHA, ECDHE-RSA-AES256-GCM-SHA384,0x2f",
        ("AES128-SHA", "ECDHE-RSA-AES256-GCM-SHA384", "0x2f"),
    ),
    ("local_net", "10.0.0.0/8,!10.1.0.0/16", ("10.0.0.0/8", "!10.1.0.0/16")),
    ("tos", "EF", 184),
    ("cos", "3", 3),
    ("tcp_keepalive_enable", "yes", True),
    ("tcp_keepalive_idle_time", "33", 33),
    ("tcp_keepalive_interval_time", "7", 7),
    ("tcp_keepalive_probe_count", "4", 4),
    ("websocket_write_timeout", "250", 250),
    ("allow_reload", "yes", True),
    ("symmetric_transport", "yes", True),
]
TRANSPORT_DEFAULTS = {
    "protocol": "udp",
    "async_operations": 1,
    "ca_list_file": "",
    "ca_list_path": "",
    "cert_file": "",
    "priv_key_file": "",
    "password": "",
    "external_signaling_address": "",
    "external_media_address": "",
    "external_signaling_port": 0,
    "external_signaling_hostname": "",
    "domain": "",
    "verify_server": False,
    "verify_client": False,
    "require_client_cert": False,
    "allow_wildcard_certs": False,
    "method": "unspecified",
    "cipher": (),
    "local_net": (),
    "tos": 0,
    "cos": 0,
    "tcp_keepalive_enable": False,
    "tcp_keepalive_idle_time": 30,
    "tcp_keepalive_interval_time": 1,
    "tcp_keepalive_probe_count": 5,
    "websocket_write_timeout": 100,
    "allow_reload": False,
    "symmetric_transport": False,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with a file and a directory that can be read."""
    (tmp_path / "readable").write_text("PEM")
    (tmp_path / "directory").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("option", "text", "value"), TRANSPORT_OPTIONS, ids=[option for option, _, _ in TRANSPORT_OPTIONS]
)
def test_asterisk_2_1_transport_option(option: str, text: str, value: object, root: Path) -> None:
    transport, _ = made("transport", "protocol = tcp", f"{option} = {text}", root=root)
    assert getattr(transport, option) == value
    assert transport.places[option] == Place("pjsip.conf", 5)


@pytest.mark.parametrize("option", TRANSPORT_DEFAULTS)
def test_asterisk_2_1_transport_default(option: str) -> None:
    transport, codes = made("transport")
    assert getattr(transport, option) == TRANSPORT_DEFAULTS[option]
    assert option not in transport.places
    assert codes == []


def test_asterisk_2_1_table_is_complete() -> None:
    standard = set(KINDS["transport"].standard())
    assert {option for option, _, _ in TRANSPORT_OPTIONS} == standard
    assert set(TRANSPORT_DEFAULTS) == standard - {"bind"}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("protocol", "sctp"),
        ("protocol", ""),
        ("bind", "127.0.0.1:70000"),
        ("async_operations", "many"),
        ("external_signaling_port", "65536"),
        ("external_signaling_port", "-1"),
        ("method", "tlsv1.2"),
        ("cipher", "aes128-sha"),
        ("local_net", "10.0.0.0/33"),
        ("tos", "lowdelay"),
        ("cos", "-1"),
        ("tcp_keepalive_idle_time", "abc"),
        ("tcp_keepalive_idle_time", ""),
        ("tcp_keepalive_interval_time", "3000000000"),
        ("tcp_keepalive_probe_count", "5.0"),
        ("websocket_write_timeout", "0"),
        ("websocket_write_timeout", "2147483648"),
    ],
)
def test_asterisk_2_1_transport_value_rejects(option: str, text: str) -> None:
    assert made("transport", f"{option} = {text}") == (None, ["bad-value"])


@pytest.mark.parametrize(("text", "number"), [("0x10", 16), ("010", 8), ("-3", -3)])
@pytest.mark.parametrize(
    "option", ["tcp_keepalive_idle_time", "tcp_keepalive_interval_time", "tcp_keepalive_probe_count"]
)
def test_asterisk_2_1_tcp_keepalive_has_no_range(option: str, text: str, number: int) -> None:
    transport, codes = made("transport", "protocol = tcp", f"{option} = {text}")
    assert getattr(transport, option) == number
    assert codes == (["kernel-limit"] if number < 1 else [])


@pytest.mark.parametrize(
    ("option", "low", "high"),
    [
        ("tcp_keepalive_idle_time", 1, 32767),
        ("tcp_keepalive_interval_time", 1, 32767),
        ("tcp_keepalive_probe_count", 1, 127),
    ],
)
@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_asterisk_2_2_what_the_kernel_refuses_is_kept_and_told(
    option: str, low: int, high: int, protocol: str
) -> None:
    for value, expected in ((low, []), (high, []), (low - 1, ["kernel-limit"]), (high + 1, ["kernel-limit"])):
        transport, codes = made("transport", f"protocol = {protocol}", f"{option} = {value}")
        assert (getattr(transport, option), codes) == (value, expected)


@pytest.mark.parametrize(
    ("said", "enabled"), [(None, False), ("no", False), ("yes", True), ("garbage", False)]
)
def test_asterisk_2_3_enable_is_not_inverted(said: str | None, enabled: bool) -> None:
    transport, _ = made("transport", "protocol = tcp", *([f"tcp_keepalive_enable = {said}"] if said else []))
    assert transport.tcp_keepalive_enable is enabled


@pytest.mark.parametrize(
    ("protocol", "bind", "host", "port"),
    [
        ("udp", "", "0.0.0.0", 5060),
        ("tcp", "127.0.0.1", "127.0.0.1", 5060),
        ("tls", "127.0.0.1", "127.0.0.1", 5061),
        ("tls", "[::]:0", "::", 5061),
        ("wss", "127.0.0.1", "127.0.0.1", 5060),
        ("tcp", "127.0.0.1:5070", "127.0.0.1", 5070),
        ("flow", "127.0.0.1:5070", "0.0.0.0", 0),
    ],
)
def test_asterisk_2_1_bind_default_port(protocol: str, bind: str, host: str, port: int) -> None:
    transport, _ = made("transport", f"protocol = {protocol}", f"bind = {bind}")
    assert (transport.bind_host, transport.bind_port) == (host, port)


def test_asterisk_2_1_flow_needs_no_bind() -> None:
    transport = read("[x]", "type = transport", "protocol = flow").transports["x"]
    assert (transport.bind, transport.bind_host, transport.bind_port) == (None, "0.0.0.0", 0)


@pytest.mark.parametrize("option", ["external_signaling_address", "external_media_address"])
def test_asterisk_2_1_flow_with_an_external_address_needs_bind(option: str) -> None:
    lines = ("[x]", "type = transport", "protocol = flow", f"{option} = 203.0.113.1")
    assert [f.code for f in read(*lines).findings] == ["option-missing"]
    assert list(read(*lines, "bind = 0.0.0.0").transports) == ["x"]


def test_asterisk_2_1_async_operations_is_always_1() -> None:
    transport, codes = made("transport", "async_operations = 5")
    assert (transport.async_operations, codes) == (1, ["async-operations"])


@pytest.mark.parametrize("option", ["ca_list_file", "ca_list_path", "cert_file", "priv_key_file"])
def test_asterisk_2_1_file_must_be_readable(option: str, root: Path) -> None:
    assert made("transport", f"{option} = /none", root=root) == (None, ["file-unreadable"])


def test_asterisk_2_1_file_is_checked_even_where_a_later_one_replaces_it(root: Path) -> None:
    assert made("transport", "cert_file = /none", "cert_file = /readable", root=root) == (
        None,
        ["file-unreadable"],
    )


def test_asterisk_2_1_empty_file_is_ignored(root: Path) -> None:
    transport, _ = made("transport", "cert_file = /readable", "cert_file =", root=root)
    assert transport.cert_file == "/readable"


def test_asterisk_2_1_external_address_and_hostname_exclude_each_other() -> None:
    lines = ("external_signaling_address = 203.0.113.1", "external_signaling_hostname = pbx.example.com")
    assert made("transport", *lines) == (None, ["exclusive-options"])


def test_asterisk_2_1_cipher_at_most_64() -> None:
    names = [f"CIPHER-{number}" for number in range(65)]
    transport, _ = made("transport", f"cipher = {','.join(names[:64])}", "cipher = CIPHER-1")
    assert len(transport.cipher) == 64
    assert made("transport", f"cipher = {','.join(names)}") == (None, ["too-many-ciphers"])


def test_asterisk_2_1_local_net_adds_up_and_an_empty_one_clears() -> None:
    added, _ = made("transport", "local_net = 10.0.0.0/8,11.0.0.0/8", "local_net = 12.0.0.0/8")
    assert added.local_net == ("10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8")
    cleared, _ = made("transport", "local_net = 10.0.0.0/8", "local_net =", "local_net = 12.0.0.0/8")
    assert cleared.local_net == ("12.0.0.0/8",)


def test_asterisk_2_1_tos_is_rounded_down() -> None:
    transport, codes = made("transport", "tos = 187")
    assert (transport.tos, codes) == (184, ["tos-rounded"])


@pytest.mark.parametrize("line", ["tos = EF", "cos = 3", "cert_file = /readable"])
def test_asterisk_2_1_websocket_ignores(line: str, root: Path) -> None:
    assert made("transport", "protocol = ws", line, root=root)[1] == ["websocket-ignores"]


# 2.4: what is rejected


def test_asterisk_2_4_field_value_fails_to_parse() -> None:
    [finding] = read("[x]", "type=transport", "bind=127.0.0.1", "tcp_keepalive_idle_time=abc").findings
    assert (finding.severity, finding.code, finding.file, finding.line) == (
        "error",
        "bad-value",
        "pjsip.conf",
        4,
    )
    assert finding.message == "transport x: tcp_keepalive_idle_time = 'abc' is not valid"
    assert finding.asterisk.startswith("Rejects the transport")
    assert finding.advice == "Give a whole number from -2147483648 to 2147483647."


def test_asterisk_2_4_unknown_field() -> None:
    [finding] = read("[x]", "type=transport", "bind=127.0.0.1", "tcp_keepalive_enabled=yes").findings
    assert (finding.severity, finding.code, finding.line) == ("error", "unknown-option", 4)
    assert finding.advice == "Did you mean tcp_keepalive_enable?"


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls", "ws", "wss"])
def test_asterisk_2_4_missing_bind(protocol: str) -> None:
    configuration = read("[x]", "type = transport", f"protocol = {protocol}")
    [finding] = configuration.findings
    assert (finding.code, finding.line, configuration.transports) == ("option-missing", 1, {})


def test_asterisk_2_4_after_a_rejection_the_other_objects_load() -> None:
    configuration = read(
        "[bad]", "type=transport", "bind=x:y", "[good]", "type=transport", "bind=127.0.0.1", "[a]", "type=aor"
    )
    assert (list(configuration.transports), list(configuration.aors)) == (["good"], ["a"])


@pytest.mark.parametrize(
    "reason",
    [
        "nonsense = 1",
        "external_signaling_address = a\nexternal_signaling_hostname = b",
        "cos = x",
        "tos = none",
    ],
)
def test_asterisk_2_5_a_rejected_object_leaks_nothing_into_the_next(reason: str) -> None:
    bad = ("[bad]", "type = transport", "protocol = tls", "bind = 127.0.0.1", "local_net = 10.0.0.0/8")
    more = ("verify_server = yes", "method = tlsv1_2", "cipher = AES128-SHA", "@firewall_timeout = 9", reason)
    good = ("[good]", "type = transport", "bind = 127.0.0.2")
    assert read(*bad, *more, *good).transports == read(*good).transports


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("tcp_keepalive", "tcp_keepalive_enable"),
        ("tcp_keepidle", "tcp_keepalive_idle_time"),
        ("tcp_keepintvl", "tcp_keepalive_interval_time"),
        ("tcp_keepcnt", "tcp_keepalive_probe_count"),
        ("enable_tcp_keepalives", "tcp_keepalive_enable"),
        ("tcp_keepalive_time", "tcp_keepalive_idle_time"),
        ("tcp_keepalive_interval", "tcp_keepalive_interval_time"),
        ("tcp_keepalive_probes", "tcp_keepalive_probe_count"),
    ],
)
def test_asterisk_2_1_names_that_never_existed(name: str, right: str) -> None:
    [finding] = read("[x]", "type=transport", "bind=127.0.0.1", f"{name}=1").findings
    assert (finding.code, finding.advice) == ("never-an-option", f"Use {right}.")
    [at] = read("[x]", "type=transport", "bind=127.0.0.1", f"@{name}=1").findings
    assert (at.code, at.advice) == ("unknown-at-option", f"Use @{right}.")
    [elsewhere] = read("[global]", "type=global", f"{name}=1").findings
    assert (elsewhere.code, elsewhere.advice) == ("never-an-option", f"Use @{right}.")


@pytest.mark.parametrize("protocol", ["udp", "ws", "wss", "flow"])
@pytest.mark.parametrize(
    "line",
    [
        "tcp_keepalive_enable = yes",
        "tcp_keepalive_idle_time = 30",
        "tcp_keepalive_interval_time = 1",
        "@tcp_keepalive_probe_count = 5",
        "@tcp_user_timeout = 10",
    ],
)
def test_asterisk_0_8_keepalive_on_what_is_not_tcp(protocol: str, line: str) -> None:
    _, codes = made("transport", f"protocol = {protocol}", line)
    assert codes == ["keepalive-not-tcp"]


# 3.1: every option of an AOR

AOR_OPTIONS = [
    ("qualify_frequency", "86400", 86400, 0),
    ("qualify_timeout", "2.5", 2.5, 3.0),
    ("qualify_2xx_only", "yes", True, False),
    ("authenticate_qualify", "yes", True, False),
    ("contact", "sip:a@h,sips:b@h", ("sip:a@h", "sips:b@h"), ()),
    ("max_contacts", "2", 2, 0),
    ("remove_existing", "yes", True, False),
    ("remove_unavailable", "yes", True, False),
    ("minimum_expiration", "61", 61, 60),
    ("maximum_expiration", "61", 61, 7200),
    ("default_expiration", "61", 61, 3600),
    ("outbound_proxy", "sip:p\\;lr", "sip:p;lr", ""),
    ("mailboxes", "1@default", "1@default", ""),
    ("voicemail_extension", "*97", "*97", ""),
    ("support_path", "yes", True, False),
]


@pytest.mark.parametrize(("option", "text", "value", "default"), AOR_OPTIONS, ids=[o[0] for o in AOR_OPTIONS])
def test_asterisk_3_1_aor_option(option: str, text: str, value: object, default: object) -> None:
    assert getattr(made("aor", f"{option} = {text}")[0], option) == value
    assert getattr(made("aor")[0], option) == default


def test_asterisk_3_1_table_is_complete() -> None:
    assert {option for option, *_ in AOR_OPTIONS} == set(KINDS["aor"].standard())


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("qualify_frequency", "86401"),
        ("qualify_frequency", "-1"),
        ("qualify_frequency", "60s"),
        ("qualify_timeout", "three"),
        ("qualify_timeout", ""),
        ("max_contacts", "-1"),
        ("minimum_expiration", "x"),
        ("maximum_expiration", "x"),
        ("default_expiration", "x"),
        ("contact", "tel:1"),
        ("contact", "sip:a@h,b@h"),
    ],
)
def test_asterisk_3_1_aor_value_rejects(option: str, text: str) -> None:
    assert made("aor", f"{option} = {text}") == (None, ["bad-value"])


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0.0), ("-1", -1.0), ("1e3", 1000.0), ("0x1p1", 2.0), ("inf", math.inf)]
)
def test_asterisk_3_1_qualify_timeout_takes_what_strtod_does(text: str, value: float) -> None:
    assert made("aor", f"qualify_timeout = {text}")[0].qualify_timeout == value


def test_asterisk_3_1_contacts_add_up_and_duplicates_collapse() -> None:
    aor, codes = made("aor", "contact = sip:a@h,sip:b@h", "contact = sip:a@h", "contact =")
    assert (aor.contact, codes) == (("sip:a@h", "sip:b@h"), ["contact-repeated"])


# 5.1, 5.2, 5.3: defaults and rules

GLOBAL_DEFAULTS = {
    "max_forwards": 70,
    "keep_alive_interval": 90,
    "max_initial_qualify_time": 0,
    "user_agent": None,
    "default_outbound_endpoint": "default_outbound_endpoint",
    "default_from_user": "asterisk",
    "default_realm": "asterisk",
    "contact_expiration_check_interval": 30,
    "endpoint_identifier_order": ("ip", "username", "anonymous"),
    "debug": "no",
    "regcontext": "",
    "disable_multi_domain": False,
    "unidentified_request_count": 5,
    "unidentified_request_period": 5,
    "unidentified_request_prune_interval": 30,
    "mwi_tps_queue_high": 500,
    "mwi_tps_queue_low": -1,
    "mwi_disable_initial_unsolicited": False,
    "allow_sending_180_after_183": False,
    "ignore_uri_user_options": False,
    "use_callerid_contact": False,
    "send_contact_status_on_update_registration": False,
    "taskprocessor_overload_trigger": "global",
    "norefersub": True,
    "all_codecs_on_empty_reinvite": False,
    "default_voicemail_extension": "",
    "default_auth_algorithms_uas": ("MD5",),
    "default_auth_algorithms_uac": ("MD5",),
}
SYSTEM_DEFAULTS = {
    "timer_t1": 500,
    "timer_b": 32000,
    "compact_headers": False,
    "disable_tcp_switch": True,
    "follow_early_media_fork": True,
    "accept_multiple_sdp_answers": False,
    "disable_rport": False,
    "taskpool_minimum_size": 4,
    "taskpool_initial_size": 4,
    "taskpool_auto_increment": 1,
    "taskpool_idle_timeout": 60,
    "taskpool_max_size": 50,
}
REGISTRATION_DEFAULTS = {
    "server_uri": "sip:pbx.example.com",
    "client_uri": "sip:me@pbx.example.com",
    "contact_user": "",
    "contact_header_params": "",
    "transport": "",
    "outbound_proxy": "",
    "expiration": 3600,
    "max_random_initial_delay": 10,
    "retry_interval": 60,
    "forbidden_retry_interval": 0,
    "fatal_retry_interval": 0,
    "max_retries": 10,
    "auth_rejection_permanent": True,
    "outbound_auth": (),
    "line": False,
    "endpoint": "",
    "support_path": False,
    "support_outbound": False,
    "security_negotiation": "no",
    "security_mechanisms": (),
    "user_agent": "",
}


@pytest.mark.parametrize(
    ("kind", "option", "default"),
    [
        *[("global", *row) for row in GLOBAL_DEFAULTS.items()],
        *[("system", *row) for row in SYSTEM_DEFAULTS.items()],
        *[("registration", *row) for row in REGISTRATION_DEFAULTS.items()],
    ],
)
def test_asterisk_5_default(kind: str, option: str, default: object) -> None:
    thing, codes = made(kind)
    assert (getattr(thing, option), codes) == (default, [])


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [("global", GLOBAL_DEFAULTS), ("system", SYSTEM_DEFAULTS), ("registration", REGISTRATION_DEFAULTS)],
)
def test_asterisk_5_tables_are_complete(kind: str, defaults: dict[str, object]) -> None:
    assert set(KINDS[kind].standard()) == set(defaults)


@pytest.mark.parametrize("option", ["debug", "default_from_user"])
def test_asterisk_5_1_must_not_be_empty(option: str) -> None:
    assert made("global", f"{option} =", "max_forwards = 7") == (None, ["empty-value"])


def test_asterisk_5_1_unknown_default_algorithm_becomes_md5() -> None:
    settings, codes = made(
        "global", "default_auth_algorithms_uas = SHA-256,X", "default_auth_algorithms_uac = sha-256"
    )
    assert settings.default_auth_algorithms_uas == ("MD5",)
    assert settings.default_auth_algorithms_uac == ("SHA-256",)
    assert codes == ["algorithms-default"]


def test_asterisk_5_1_disable_tcp_switch_is_of_system() -> None:
    [finding] = read("[global]", "type=global", "disable_tcp_switch=no").findings
    assert (finding.code, finding.advice) == ("unknown-option", "It is an option of type=system.")


@pytest.mark.parametrize(
    ("t1", "b", "used"),
    [
        ("100", "6400", (100, 6400)),
        ("99", "6400", (100, 6400)),
        ("200", "0", (200, 12800)),
        ("500", "40000", (500, 40000)),
    ],
)
def test_asterisk_5_2_timers_have_a_minimum(t1: str, b: str, used: tuple[int, int]) -> None:
    system, codes = made("system", f"timer_t1 = {t1}", f"timer_b = {b}")
    assert (system.timer_t1, system.timer_b) == used
    assert codes == ["timer-raised"] * sum(
        int(said) != number for said, number in zip((t1, b), used, strict=True)
    )


@pytest.mark.parametrize("name", ["initial_size", "auto_increment", "idle_timeout", "max_size"])
def test_asterisk_5_2_threadpool_is_the_old_name(name: str) -> None:
    system, codes = made("system", f"threadpool_{name} = 7")
    assert (getattr(system, f"taskpool_{name}"), codes) == (7, ["deprecated-option"])


@pytest.mark.parametrize("missing", ["server_uri", "client_uri"])
def test_asterisk_5_3_uris_are_mandatory(missing: str) -> None:
    lines = [line for line in NECESSARY["registration"] if missing not in line]
    configuration = read("[x]", "type = registration", *lines)
    assert [f.code for f in configuration.findings] == ["option-missing"]
    assert configuration.registrations == {}


@pytest.mark.parametrize("option", ["server_uri", "client_uri"])
def test_asterisk_5_3_uris_are_sip(option: str) -> None:
    assert made("registration", f"{option} = tel:1") == (None, ["bad-value"])


@pytest.mark.parametrize(
    "line",
    [
        "server_uri = sip:h h",
        "client_uri = sip:a@b@c",
        "contact_user = two words",
        "contact_header_params = a,b",
        "outbound_proxy = h",
        "expiration = 0",
    ],
)
def test_asterisk_5_3_what_no_register_can_be_made_of_rejects(line: str) -> None:
    assert made("registration", line) == (None, ["bad-value"])


@pytest.mark.parametrize("line", ["line = yes", "endpoint = e"])
def test_asterisk_5_3_line_and_endpoint_need_each_other(line: str) -> None:
    assert made("registration", line) == (None, ["incomplete-pair"])
    registration, codes = made("registration", "line = yes", "endpoint = e")
    assert (registration.line, registration.endpoint, codes) == (True, "e", [])


@pytest.mark.parametrize(
    "line", ["security_negotiation = x", "expiration = -1", "max_retries = x", "nothing = 1"]
)
def test_asterisk_5_3_value_rejects(line: str) -> None:
    assert made("registration", line)[0] is None


# Auth and endpoint


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["username = u", "password = p"], []),
        (["password = p"], ["option-missing"]),
        (["username = u"], ["option-missing"]),
        (["username = u", f"md5_cred = {'0' * 32}"], []),
        (["username = u", f"password_digest = SHA-256:{'0' * 64}"], ["option-missing"]),
        (
            ["username = u", f"password_digest = MD5:{'0' * 32}", "supported_algorithms_uac = SHA-256"],
            ["option-missing"],
        ),
        (["username = u", "auth_type = google_oauth"], ["option-missing"] * 3),
        (["username = u", "password = p", "auth_type = basic"], ["bad-value"]),
        (["username = u", "password = p", "md5_cred = 123"], ["bad-value"]),
        (["username = u", "password = p", "supported_algorithms_uas = SHA"], ["bad-value"]),
    ],
)
def test_asterisk_auth_rules(lines: list[str], codes: list[str]) -> None:
    configuration = read("[x]", "type = auth", *lines)
    assert [f.code for f in configuration.findings] == codes
    assert bool(configuration.auths) is not bool(codes)


def test_asterisk_auth_default_algorithms_are_those_of_global() -> None:
    configuration = read(
        "[global]", "default_auth_algorithms_uas=SHA-256", "default_auth_algorithms_uac=SHA-256",
        "[a]", "type=auth", "username=u", f"password_digest=SHA-256:{'0' * 64}",
        "[b]", "type=auth", "username=u", f"md5_cred={'0' * 32}",
    )  # fmt: skip
    assert configuration.auths["a"].password_digest == (Digest("SHA-256", "0" * 64),)
    assert "b" not in configuration.auths


def test_secrets_are_in_no_text() -> None:
    secrets = ["password", "md5_cred", "password_digest", "refresh_token", "oauth_secret"]
    lines = [f"{name} = {'5ec2e7' * 5 + '00'}" for name in secrets]
    assert "5ec2e7" not in repr(made("auth", *lines)[0])
    assert "5ec2e7" not in repr(made("transport", "password = 5ec2e7")[0])
    refused = read("[x]", "type=auth", "md5_cred=5ec2e7", "password_digest=SHA-256:5ec2e7", "passwort=5ec2e7")
    assert [f.code for f in refused.findings] == ["bad-value", "bad-value", "unknown-option"]
    assert "5ec2e7" not in repr(refused.findings)


def test_asterisk_endpoint_knows_all_146_options() -> None:
    names = [*KINDS["endpoint"].standard(), *KINDS["endpoint"].uninterpreted]
    assert len(names) == len(set(names)) == 145  # and type
    lines = [f"{name} = 1" for name in KINDS["endpoint"].uninterpreted]
    endpoint, codes = made("endpoint", *lines)
    assert (endpoint.id, codes) == ("x", [])


def test_asterisk_endpoint_options_that_pjka_uses() -> None:
    lines = (
        "transport=t", "aors=a, b", "auth=c", "outbound_auth=d,e", "outbound_proxy=sip:p", "from_user=f",
        "from_domain=g", "contact_user=h", "context=i", "rewrite_contact=yes", "force_rport=no",
        "allow_unauthenticated_options=yes",
    )  # fmt: skip
    endpoint, _ = made("endpoint", *lines)
    values = {
        field.name: getattr(endpoint, field.name) for field in dataclasses.fields(endpoint) if field.metadata
    }
    assert values == {
        "transport": "t", "aors": ("a", "b"), "auth": ("c",), "outbound_auth": ("d", "e"),
        "outbound_proxy": "sip:p", "from_user": "f", "from_domain": "g", "contact_user": "h", "context": "i",
        "rewrite_contact": True, "force_rport": False, "allow_unauthenticated_options": True,
    }  # fmt: skip


def test_asterisk_endpoint_of_a_repeated_auth_the_last_counts() -> None:
    endpoint, _ = made(
        "endpoint", "auth=a,b", "auth=c", "outbound_auth=d", "outbound_auth=", "aors=e", "aors=f"
    )
    assert (endpoint.auth, endpoint.outbound_auth, endpoint.aors) == (("c",), (), ("f",))


def test_asterisk_endpoint_from_user_is_checked() -> None:
    assert made("endpoint", "from_user = a b") == (None, ["bad-value"])


def test_asterisk_contact_is_kept_and_told_not_to_be_read() -> None:
    contact, codes = made("contact", "uri = sip:a@h", "qualify_frequency = 60")
    assert (contact.uri, contact.qualify_frequency, codes) == ("sip:a@h", 60, ["type-not-read"])


# The options with @


@pytest.mark.parametrize(
    ("option", "text", "value", "default"),
    [
        ("tcp_keepalive_enable", "yes", True, False),
        ("tcp_keepalive_idle_time", "9", 9, 30),
        ("tcp_keepalive_interval_time", "9", 9, 1),
        ("tcp_keepalive_probe_count", "9", 9, 5),
        ("tcp_user_timeout", "no", None, "auto"),
        ("keepalive", "outbound", "outbound", None),
        ("flow_timer", "battery", "battery", 120),
        ("pong_timeout", "5", 5.0, 10.0),
        ("outbound_version", "draft03", "draft03", "rfc5626"),
        ("firewall_timeout", "300", 300, None),
        ("recover", "dns", "dns", "yes"),
    ],
)
def test_design_6_transport(option: str, text: str, value: object, default: object) -> None:
    transport, _ = made("transport", "protocol = tcp", f"@{option} = {text}")
    assert getattr(transport, option) == value
    assert transport.at_options == {option}
    assert transport.places[option].line == 5
    assert getattr(made("transport")[0], option) == default


@pytest.mark.parametrize(
    ("option", "text", "value", "default"),
    [
        ("qualify_down", "3", 3, 1),
        ("qualify_up", "2", 2, 1),
        ("remove_unreachable", "yes", True, False),
        ("close_wedged", "yes", True, False),
        ("qualify_2xx_only", "yes", True, False),
    ],
)
def test_design_6_aor(option: str, text: str, value: object, default: object) -> None:
    aor, codes = made("aor", f"@{option} = {text}")
    assert (getattr(aor, option), aor.at_options, codes) == (value, {option}, [])
    assert getattr(made("aor")[0], option) == default


@pytest.mark.parametrize("option", ["idle_time", "interval_time", "probe_count"])
def test_design_6_system_keeps_the_kernels_timer(option: str) -> None:
    transport, codes = made("transport", "protocol = tcp", f"@tcp_keepalive_{option} = system")
    assert getattr(transport, f"tcp_keepalive_{option}") is None
    assert codes == []
    assert made("transport", f"tcp_keepalive_{option} = system") == (None, ["system-needs-at"])


@pytest.mark.parametrize(
    ("kind", "line"),
    [("transport", "@firewall_timeout = soon"), ("aor", "@qualify_down = 0"), ("aor", "@qualify_up = ")],
)
def test_design_6_a_value_that_is_not_valid_does_no_harm(kind: str, line: str) -> None:
    thing, codes = made(kind, line)
    assert (thing.at_options, codes) == (frozenset(), ["at-value"])
    assert thing == made(kind)[0]


def test_design_6_standard_spelling_wins() -> None:
    lines = ("tcp_keepalive_idle_time = 7", "@tcp_keepalive_idle_time = 9")
    for ordered in (lines, lines[::-1]):
        transport, codes = made("transport", "protocol = tcp", *ordered)
        assert (transport.tcp_keepalive_idle_time, codes) == (7, ["both-spellings"])
        assert transport.at_options == frozenset()
        assert transport.places["tcp_keepalive_idle_time"].line == 5 + ordered.index(lines[0])


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("@tcp_user_timeot", "Did you mean @tcp_user_timeout?"),
        ("@tcp_keepalive_idle", "Did you mean @tcp_keepalive_idle_time?"),
        ("@bind", "Write bind."),
        ("@qualify_down", "It is an option of type=aor."),
        ("@zzz", "Correct the name, or remove the line."),
    ],
)
def test_design_6_a_misspelt_at_name_is_found(name: str, advice: str) -> None:
    [finding] = read("[x]", "type=transport", "bind=127.0.0.1", f"{name}=1").findings
    assert (finding.code, finding.severity, finding.advice) == ("unknown-at-option", "warning", advice)


@pytest.mark.parametrize("option", ["tcp_user_timeout", "keepalive", "recover"])
def test_design_6_without_at_asterisk_rejects_it(option: str) -> None:
    [finding] = read("[x]", "type=transport", "bind=127.0.0.1", f"{option}=no").findings
    assert (finding.code, finding.advice) == ("at-needed", f"Write @{option}.")


def test_design_6_names_with_at_in_any_case() -> None:
    assert made("transport", "@FireWall_Timeout = 5")[0].firewall_timeout == 5


def test_boolean_words_that_are_neither() -> None:
    transport, codes = made(
        "transport", "allow_reload = maybe", "symmetric_transport = ", "verify_server = off"
    )
    assert (transport.allow_reload, codes) == (False, ["odd-boolean", "odd-boolean"])
    assert made("aor", "@close_wedged = perhaps")[1] == ["odd-boolean"]


def test_objects_are_equal_wherever_they_stand() -> None:
    here, there = read("[a]", "type=aor"), read("", "; moved", "[a]", "type=aor")
    assert here.aors == there.aors
    assert here.aors["a"].place != there.aors["a"].place


@pytest.mark.parametrize("kind", [Transport, Aor, Endpoint, Auth, Registration, Contact, Global, System])
def test_objects_are_frozen_and_their_defaults_of_the_declared_rule(kind: type) -> None:
    thing = kind(id="x", place=Place("f", 1), places={})
    with pytest.raises(dataclasses.FrozenInstanceError):
        thing.id = "y"
    assert not hasattr(thing, "__dict__")
    for rule in KINDS[kind.__name__.lower()].rules.values():
        assert rule.spelling in Spelling
        assert isinstance(getattr(thing, rule.name), str | int | float | tuple | None)
