"""The values of transports and of SIP, against tables and against the C library that Asterisk calls."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pjka.conf.sip_values import (
    Digest,
    parse_algorithms,
    parse_contacts,
    parse_digests,
    parse_uri,
    parse_user,
)
from pjka.conf.transport_values import (
    Address,
    parse_bind,
    parse_ciphers,
    parse_firewall_timeout,
    parse_flow_timer,
    parse_keepalive,
    parse_local_net,
    parse_method,
    parse_outbound_version,
    parse_pong_timeout,
    parse_protocol,
    parse_recover,
    parse_system_int,
    parse_tos,
    parse_user_timeout,
)


@pytest.mark.parametrize("word", ["udp", "tcp", "tls", "ws", "wss", "flow"])
def test_asterisk_2_1_protocol(word: str) -> None:
    assert parse_protocol(word) == parse_protocol(word.upper()) == word


@pytest.mark.parametrize("word", ["", "sctp", "tcp ", "http"])
def test_asterisk_2_1_protocol_error(word: str) -> None:
    with pytest.raises(ValueError, match="udp, tcp, tls, ws, wss, flow"):
        parse_protocol(word)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 0),
        ("10.0.0.1:5070", "10.0.0.1", 5070),
        ("10.0.0.1:", "10.0.0.1", 0),
        (":5070", "0.0.0.0", 5070),
        (":", "0.0.0.0", 0),
        ("", "0.0.0.0", 0),
        ("10.1", "10.1", 0),
        ("pbx.example.com", "pbx.example.com", 0),
        ("pbx.example.com:5070", "pbx.example.com", 5070),
        ("[2001:db8::1]:5070", "2001:db8::1", 5070),
        ("[2001:db8::1]", "2001:db8::1", 0),
        ("[::]:", "::", 0),
        ("::", "::", 0),
        ("fe80::1%eth0", "fe80::1%eth0", 0),
        ("2001:db8::1:80", "2001:db8::1:80", 0),
        (":::80", "::", 80),
        ("1:2:3:4:5:6:7:8:5060", "1:2:3:4:5:6:7:8", 5060),
    ],
)
def test_asterisk_2_1_bind(text: str, host: str, port: int) -> None:
    assert parse_bind(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1:70000",
        "10.0.0.1:x",
        "10.0.0.1:-1",
        "10.0.0.1:5 ",
        "999.1.1.1",
        "[127.0.0.1",
        "two words",
        "1.2.3.4.5",
        "[2001:db8::1",
        "[2001:db8::1]:99999",
        "[:::::]:5060",
        "a:b:c",
        "1:2:3:4:5:6:7:8:x",
        "10.0.0.1:" + "9" * 5000,
    ],
)
def test_asterisk_2_1_bind_error(text: str) -> None:
    with pytest.raises(ValueError, match="an address"):
        parse_bind(text)


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("", "default"),
        ("default", "default"),
        ("unspecified", "unspecified"),
        ("TLSv1", "tlsv1"),
        ("tlsv1_1", "tlsv1_1"),
        ("tlsv1_2", "tlsv1_2"),
        ("tlsv1_3", "tlsv1_3"),
        ("sslv2", "sslv2"),
        ("sslv3", "sslv3"),
        ("sslv23", "sslv23"),
    ],
)
def test_asterisk_2_1_method(text: str, method: str) -> None:
    assert parse_method(text) == method


@pytest.mark.parametrize("text", ["tlsv1.2", "tls", "ssl"])
def test_asterisk_2_1_method_error(text: str) -> None:
    with pytest.raises(ValueError, match="tlsv1_2"):
        parse_method(text)


def test_asterisk_2_1_cipher() -> None:
    assert parse_ciphers("AES128-SHA, TLS_AES_128_GCM_SHA256,47,0x2F") == (
        "AES128-SHA",
        "TLS_AES_128_GCM_SHA256",
        "47",
        "0x2F",
    )
    for text in ("aes128-sha", "AES128-SHA:AES256-SHA", "0xyz"):
        with pytest.raises(ValueError, match="in capitals"):
            parse_ciphers(text)


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.0.0.0/8", ("10.0.0.0/8",)),
        ("10.0.0.0/255.0.0.0,!10.1.0.0/16", ("10.0.0.0/255.0.0.0", "!10.1.0.0/16")),
        ("192.168.1.1", ("192.168.1.1",)),
        ("2001:db8::/32", ("2001:db8::/32",)),
        ("[2001:db8::]/32", ("[2001:db8::]/32",)),
        ("2001:db8::/ffff:ffff::", ("2001:db8::/ffff:ffff::",)),
        ("10/8", ("10/8",)),
        ("10.0.0.0/0", ("10.0.0.0/0",)),
        ("[10.0.0.0]/8", ("[10.0.0.0]/8",)),
        ("::ffff:10.0.0.0/8", ("::ffff:10.0.0.0/8",)),
        ("", ()),
    ],
)
def test_asterisk_2_1_local_net(text: str, networks: tuple[str, ...]) -> None:
    assert parse_local_net(text) == networks


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "2001:db8::/129",
        "10.0.0.0/8, 192.168.0.0/16",
        "10.0.0.0/8,",
        "office.example.com",
        "10.0.0.0/x",
        "10.0.0.0/",
        "10.0.0.0/ffff::",
        "10.0.0.256/8",
        "10.0.0.0:5060/8",
        "[10.0.0.0]:5060/8",
        "::ffff:10.0.0.0/104",
    ],
)
def test_asterisk_2_1_local_net_error(text: str) -> None:
    with pytest.raises(ValueError, match="without blanks"):
        parse_local_net(text)


def _numeric_host(text: str) -> bool:
    try:
        socket.getaddrinfo(text, None, socket.AF_INET, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True


@given(
    st.lists(st.text(alphabet="0123456789xa", min_size=1, max_size=4), min_size=1, max_size=5).map(".".join)
)
@example("0x0a.1")
@example("010.1")
@example("4294967295")
@example("4294967296")
@example("1.2.65536")
def test_asterisk_2_1_local_net_takes_the_addresses_of_getaddrinfo(text: str) -> None:
    try:
        parse_local_net(text)
    except ValueError:
        assert not _numeric_host(text)
    else:
        assert _numeric_host(text)


@pytest.mark.parametrize(
    ("text", "octet"),
    [
        ("184", 184),
        ("0xb8", 184),
        ("0270", 184),
        ("440", 184),
        ("-4", 252),
        ("3", 3),
        ("184 # expedited", 184),
        ("CS0", 0),
        ("cs3", 96),
        ("CS7", 224),
        ("AF11", 40),
        ("af43", 152),
        ("EF", 184),
    ],
)
def test_asterisk_2_1_tos(text: str, octet: int) -> None:
    assert parse_tos(text) == octet


@pytest.mark.parametrize("text", ["", "0x", "0xg", "lowdelay", "CS8", "AF14", "AF51", "x8"])
def test_asterisk_2_1_tos_error(text: str) -> None:
    with pytest.raises(ValueError, match="CS0 to CS7"):
        parse_tos(text)


@pytest.mark.parametrize(("text", "value"), [("system", None), ("SYSTEM", None), ("0x10", 16), ("-3", -3)])
def test_design_6_at_tcp_keepalive_may_be_the_kernels(text: str, value: int | None) -> None:
    assert parse_system_int(text) == value


@pytest.mark.parametrize("text", ["", "kernel", "1.5"])
def test_design_6_at_tcp_keepalive_error(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        parse_system_int(text)


@pytest.mark.parametrize(
    ("text", "value"), [("auto", "auto"), ("no", None), ("7", 7.0), ("7.5", 7.5), ("0x10", 16.0)]
)
def test_design_6_user_timeout(text: str, value: float | str | None) -> None:
    assert parse_user_timeout(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "", "off", "nan", "inf", "2147484"])
def test_design_6_user_timeout_error(text: str) -> None:
    with pytest.raises(ValueError, match="seconds above 0, auto or no"):
        parse_user_timeout(text)


def test_design_6_words_of_a_transport() -> None:
    assert [parse_keepalive(word) for word in ("tcp", "outbound", "NONE")] == ["tcp", "outbound", "none"]
    assert [parse_outbound_version(word) for word in ("rfc5626", "draft03")] == ["rfc5626", "draft03"]
    assert [parse_recover(word) for word in ("yes", "no", "dns")] == ["yes", "no", "dns"]
    assert (parse_flow_timer("battery"), parse_flow_timer("95")) == ("battery", 95)
    assert (parse_pong_timeout("2.5"), parse_firewall_timeout("300")) == (2.5, 300)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_keepalive, "crlf", "tcp, outbound, none"),
        (parse_outbound_version, "rfc3261", "rfc5626, draft03"),
        (parse_recover, "true", "yes, no, dns"),
        (parse_flow_timer, "0", "a whole number from 1"),
        (parse_pong_timeout, "0", "seconds above 0"),
        (parse_firewall_timeout, "0", "a whole number from 1"),
    ],
)
def test_design_6_words_of_a_transport_error(
    parse: Callable[[str], object], text: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        parse(text)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:1000@10.0.0.1:5060",
        "SIPS:example.com",
        "<sip:1000@10.0.0.1;transport=tcp>",
        "sip:[2001:db8::1]:5060",
        "sip:u@[2001:db8::1]",
        "sip:u@host;transport=tcp?subject=x",
        "sip:" + "h" * 245,
        "sip:" + "h" * 255 + ":5060",
        "sip:x@h;" + "p" * (511 - 8),
    ],
)
def test_asterisk_3_1_contact_uri(uri: str) -> None:
    assert parse_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "1000@10.0.0.1",
        "tel:+123",
        "sip",
        "sip:u@[2001:db8::1",
        "sip:" + "h" * 246,
        "sip:" + "h" * 256 + ":5060",
        "sip:x@h;" + "p" * (512 - 8),
        '"Bob" <sip:b@h>',
    ],
)
def test_asterisk_3_1_contact_uri_error(uri: str) -> None:
    with pytest.raises(ValueError, match="sip: or sips:"):
        parse_uri(uri)


def test_asterisk_3_1_contact_comma_separated() -> None:
    assert parse_contacts("sip:a@h, sip:b@h,,") == ("sip:a@h", "sip:b@h")


def test_the_user_of_a_uri() -> None:
    assert parse_user("+49-89.x_~%!$&'()*,;=:") == "+49-89.x_~%!$&'()*,;=:"
    for text in ("a b", "a@b", "ü", "<x"):
        with pytest.raises(ValueError, match="letters, digits"):
            parse_user(text)


def test_digests_have_an_algorithm_and_its_length() -> None:
    md5, sha = "0" * 32, "a" * 64
    assert parse_digests(f"{md5}, sha-256:{sha}") == (Digest("MD5", md5), Digest("SHA-256", sha))
    assert parse_digests(f":{md5}") == (Digest("MD5", md5),)
    for text in ("123", f"SHA-256:{md5}", f"SHA-1:{md5}", f"MD5:{sha}"):
        with pytest.raises(ValueError, match=r"hexadecimal digits|SHA-256") as caught:
            parse_digests(text)
        assert md5 not in str(caught.value)
        assert sha not in str(caught.value)


def test_a_digest_is_in_no_text() -> None:
    assert "0" * 32 not in repr(parse_digests("0" * 32))


def test_algorithms_have_their_registered_names() -> None:
    assert parse_algorithms("md5,SHA-512-256") == ("MD5", "SHA-512-256")
    with pytest.raises(ValueError, match="MD5, SHA-256, SHA-512-256"):
        parse_algorithms("sha256")
