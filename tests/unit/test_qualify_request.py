"""The OPTIONS of a contact and the transport that it leaves by."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pjka.conf.objects import Aor, Auth, Endpoint, Transport
from pjka.conf.options import Place
from pjka.conf.sip_values import Digest
from pjka.errors import PjkaError
from pjka.exits import ListenerExits
from pjka.pjproject.digest import Credential
from pjka.pjproject.transports import Listener
from pjka.qualify.cost import Cost, Traffic
from pjka.qualify.wedged import Carrier, why_not
from pjka.qualify_request import Exit, Plan, plan


class Started(NamedTuple):
    """A transport that runs, or None for its listener."""

    transport: Transport
    listener: Listener | None


AT = {"place": Place("pjsip.conf", 1), "places": {}}


class Exits:
    """One transport of each protocol at 10.0.0.1."""

    def named(self, transport: str, destination: str) -> Exit | None:
        protocol = transport.removeprefix("my-")
        return self.any_of(protocol, destination) if transport.startswith("my-") else None

    def any_of(self, protocol: str, destination: str) -> Exit | None:
        return Exit(f"my-{protocol}", protocol, "10.0.0.1", {"udp": 5060, "tcp": 5070, "tls": 5061}[protocol])


def planned(
    uri: str, proxies: tuple[str, str] = ("", ""), auths: dict[str, Auth] | None = None, **values: object
) -> Plan:
    """The plan for a contact; ``proxies`` of endpoint and AOR, ``values`` of the endpoint."""
    endpoint = Endpoint(id="peer", outbound_proxy=proxies[0], **AT, **values)  # type: ignore[arg-type]
    aor = Aor(id="peer", outbound_proxy=proxies[1], **AT)  # type: ignore[arg-type]
    return plan(uri, aor, endpoint, auths or {}, Exits(), "agent")


@pytest.mark.parametrize(
    ("uri", "protocol", "host", "port"),
    [
        ("sip:bob@192.0.2.1", "udp", "192.0.2.1", 0),
        ("sip:192.0.2.1:5070", "udp", "192.0.2.1", 5070),
        ("sip:bob@192.0.2.1;transport=tcp", "tcp", "192.0.2.1", 0),
        ("sip:bob@192.0.2.1;ob;transport=TLS;x=y", "tls", "192.0.2.1", 0),
        ("sips:bob@pbx.example", "tls", "pbx.example", 0),
        ("sips:bob@pbx.example;transport=tcp", "tls", "pbx.example", 0),
        ("SIP:bob@[2001:db8::1]:5070", "udp", "2001:db8::1", 5070),
        ("sip:+49;phone-context=x@h.example:5060?Subject=a", "udp", "h.example", 5060),
        ("sip:a%40b:pw@h.example", "udp", "h.example", 0),
    ],
)
def test_asterisk_2_7_protocol_and_next_hop_of_a_uri(uri: str, protocol: str, host: str, port: int) -> None:
    found = planned(uri)
    assert (found.protocol, found.host, found.port) == (protocol, host, port)
    assert (found.request.uri, found.request.to_uri) == (uri, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "tel:+4930",
        "sip:",
        "sip:bob@",
        "bob@192.0.2.1",
        "sip:bob@192.0.2.1:port",
        "sip:bob@192.0.2.1;transport=ws",
        "sip:bob@192.0.2.1;transport=sctp",
        "sip:bob@192.0.2.1\r\nEvil: 1",
    ],
)
def test_a_uri_that_nothing_can_be_sent_to(uri: str) -> None:
    with pytest.raises(PjkaError):
        planned(uri)


def test_asterisk_3_7_the_first_proxy_is_the_next_hop() -> None:
    found = planned("sip:bob@192.0.2.1", ("sip:192.0.2.8:5080;transport=tcp;lr", "sip:192.0.2.9;lr"))
    assert found.request.routes == ("sip:192.0.2.8:5080;transport=tcp;lr", "sip:192.0.2.9;lr")
    assert (found.protocol, found.host, found.port) == ("tcp", "192.0.2.8", 5080)
    assert planned("sip:bob@192.0.2.1", ("", "<sip:192.0.2.9;lr>")).host == "192.0.2.9"


@pytest.mark.parametrize(
    ("values", "uri", "leaves"),
    [
        ({"transport": "my-tcp"}, "sip:bob@192.0.2.1", "my-tcp"),
        ({"transport": "my-tcp"}, "sip:bob@192.0.2.1;x-ast-txp=my-tls", "my-tcp"),
        ({}, "sip:bob@192.0.2.1;x-ast-txp=my-tls", "my-tls"),
        ({}, "sip:bob@192.0.2.1;transport=tcp", "my-tcp"),
        ({"transport": "unknown"}, "sip:bob@192.0.2.1;transport=tcp", "my-tcp"),
    ],
)
def test_asterisk_2_7_choice_of_the_transport(values: dict[str, str], uri: str, leaves: str) -> None:
    found = planned(uri, **values)
    assert found.transport == leaves
    assert "x-ast-txp" not in found.request.uri + found.request.to_uri


def test_asterisk_3_7_contact_and_from_by_protocol() -> None:
    assert planned("sip:bob@h").request.contact == "sip:peer@10.0.0.1:5060"
    assert planned("sip:bob@h;transport=tcp").request.contact == "sip:peer@10.0.0.1:5070;transport=TCP"
    secure = planned("sips:bob@h").request
    assert (secure.contact, secure.from_uri) == (
        "sips:peer@10.0.0.1:5061;transport=TLS",
        "sips:peer@10.0.0.1",
    )


def test_a_user_with_characters_that_a_uri_does_not_take_is_escaped() -> None:
    request = planned("sip:bob@h", from_user="a b@c", contact_user="<x>").request
    assert (request.from_uri, request.contact) == ("sip:a%20b%40c@10.0.0.1", "sip:%3Cx%3E@10.0.0.1:5060")


def test_user_agent() -> None:
    assert planned("sip:bob@h").request.headers == (("User-Agent", "agent"),)


def test_credentials_of_outbound_auth_in_their_order() -> None:
    auths = {
        "one": Auth(id="one", username="u", password="p", **AT),  # type: ignore[arg-type]
        "two": Auth(id="two", username="v", realm="*", md5_cred=(Digest("MD5", "d" * 32),), **AT),  # type: ignore[arg-type]
        "other": Auth(id="other", **AT),  # type: ignore[arg-type]
    }
    request = planned("sip:bob@h", auths=auths, outbound_auth=("two", "missing", "one")).request
    assert request.credentials == (
        Credential("v", None, "", (("MD5", "d" * 32),)),
        Credential("u", "p", ""),
    )


def exits(*transports: dict[str, object]) -> ListenerExits:
    """Exits of transports that are given as id, protocol, host and what else they set."""
    found = {}
    for values in transports:
        host = str(values.pop("host"))
        transport = Transport(**AT, **values)  # type: ignore[arg-type]
        listener = Listener(transport.id, transport.protocol, host, 5060, 0, 4711, None)
        found[transport.id] = Started(transport, listener)
    return ListenerExits(found)


def test_exits_the_first_of_a_protocol_and_ip_version() -> None:
    found = exits(
        {"id": "a", "protocol": "udp", "host": "192.0.2.1"},
        {"id": "b", "protocol": "tcp", "host": "2001:db8::1"},
        {"id": "c", "protocol": "tcp", "host": "192.0.2.1"},
        {"id": "d", "protocol": "tcp", "host": "192.0.2.2"},
    )
    assert found.any_of("tcp", "198.51.100.1") == Exit("c", "tcp", "192.0.2.1", 5060)
    assert found.any_of("tcp", "2001:db8::9") == Exit("b", "tcp", "2001:db8::1", 5060)
    assert found.any_of("tcp", "pbx.example") == Exit("b", "tcp", "2001:db8::1", 5060)
    assert found.any_of("tls", "198.51.100.1") is None
    assert found.named("d", "198.51.100.1") == Exit("d", "tcp", "192.0.2.2", 5060)
    assert found.named("x", "198.51.100.1") is None


def test_exits_a_wildcard_shows_the_address_of_the_route() -> None:
    found = exits(
        {"id": "a", "protocol": "udp", "host": "0.0.0.0"}, {"id": "b", "protocol": "udp", "host": "::"}
    )
    assert found.named("a", "127.0.0.1") == Exit("a", "udp", "127.0.0.1", 5060)
    assert found.named("b", "::1") == Exit("b", "udp", "::1", 5060)


@pytest.mark.parametrize(
    ("destination", "host", "port"),
    [
        ("198.51.100.1", "203.0.113.1", 5999),
        ("10.2.0.1", "10.0.0.1", 5060),
        ("10.1.0.1", "203.0.113.1", 5999),
    ],
)
def test_asterisk_3_7_the_external_address_outside_local_net(destination: str, host: str, port: int) -> None:
    found = exits(
        {
            "id": "a",
            "protocol": "udp",
            "host": "10.0.0.1",
            "external_signaling_address": "203.0.113.1",
            "external_signaling_port": 5999,
            "local_net": ("10.0.0.0/255.0.0.0", "!10.1.0.0/16"),
        }
    )
    assert found.any_of("udp", destination) == Exit("a", "udp", host, port)


def test_exits_the_selector_is_the_listeners() -> None:
    found = exits({"id": "a", "protocol": "tcp", "host": "192.0.2.1"})
    selector = found.selector("a")
    assert selector is not None
    assert (selector.type, selector.pointer) == (2, 4711)
    assert found.selector("x") is None


def test_exits_a_transport_that_did_not_start_is_none() -> None:
    transport = Transport(id="a", protocol="tcp", **AT)  # type: ignore[arg-type]
    found = ListenerExits({"a": Started(transport, None)})
    assert (found.selector("a"), found.named("a", "h"), found.any_of("tcp", "h")) == (None, None, None)


def test_a8_cost_per_hour() -> None:
    traffic = Traffic()
    assert traffic.per_hour(0) == Cost()
    assert traffic.per_hour(60) == Cost(120, 54000)
    traffic.count(2, 700)
    traffic.count(4, 1300)
    assert traffic.per_hour(60) == Cost(180, 60000)
    assert Cost(1, 2) + Cost(3, 4) == Cost(4, 6)


@pytest.mark.parametrize(
    ("misses", "carrier", "reason"),
    [
        (1, Carrier(0, 0), "1 of 2 misses"),
        (2, Carrier(0, 0), ""),
        (3, Carrier(0, 0), ""),
        (2, Carrier(1, 0), "unacknowledged data"),
        (2, Carrier(0, 2), "its 2 call(s) end"),
    ],
)
def test_wedged(misses: int, carrier: Carrier, reason: str) -> None:
    found = why_not(misses, 2, carrier)
    assert reason in found
    assert bool(reason) == bool(found)
