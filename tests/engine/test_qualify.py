"""Qualify from pjsip.conf to the wire and back."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from textwrap import dedent
from typing import NamedTuple

import pytest
from sip_peers import Answer, Digest, Peer, header, headers, names, ok, says, silent
from test_requests import PROTOCOLS, Engine

from pjka.conf.loader import load
from pjka.conf.objects import Transport
from pjka.exits import ListenerExits
from pjka.pjproject.transports import Listener
from pjka.qualifier import Qualifier
from pjka.qualifier_rows import aor_rows, contact_rows, endpoint_rows, qualify_command
from pjka.qualify.registry import Change, ContactChange, EndpointChange, Registered
from pjka.qualify.wedged import Carrier
from pjka.status import AorRow, Cause, ContactRow, EndpointRow


class Started(NamedTuple):
    """A transport that runs."""

    transport: Transport
    listener: Listener


class Connections:
    """The connections of the test: every peer has number 7, until it is closed."""

    def __init__(self) -> None:
        self.state: Carrier | None = Carrier(0, 0)
        self.closed: list[tuple[int, Cause]] = []

    def serial(self, protocol: str, peer: tuple[str, int]) -> int | None:
        return None if protocol == "udp" else 7

    def carrier(self, serial: int) -> Carrier | None:
        return self.state

    def close(self, serial: int, cause: Cause) -> None:
        self.closed.append((serial, cause))


class Pbx:
    """A qualifier on the engine, with the configuration of a test."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine, self.file = engine, directory / "pjsip.conf"
        self.connections, self.changes = Connections(), queue.Queue[Change]()
        self.started = {
            name: Started(transport, engine.listeners[name]) for name, transport in engine.transports.items()
        }
        self.qualifier = Qualifier(
            engine.reactor,
            engine.requests,
            ListenerExits(self.started),
            self.connections,
            self.changes.put,
            Random(1),
        )

    def load(self, text: str) -> None:
        self.file.write_text(dedent(text))
        configuration = load(self.file)
        assert [str(finding) for finding in configuration.findings if finding.severity == "error"] == []
        self.engine.reactor.call(lambda: self.qualifier.load(configuration))

    def next(self, seconds: float = 6) -> str:
        """The next change, in short: ``Reachable`` of a contact, ``online`` of an endpoint."""
        change = self.changes.get(timeout=seconds)
        if isinstance(change, EndpointChange):
            return "online" if change.online else "offline"
        return change.status.value

    def contact(self, number: int = 0) -> ContactRow:
        return self.engine.reactor.call(lambda: contact_rows(self.qualifier, self.engine.reactor.now()))[
            number
        ]

    def wait(self, field: str, value: object, seconds: float = 8) -> ContactRow:
        """The row of the first contact once the field has the value."""
        until = time.monotonic() + seconds
        while getattr(row := self.contact(), field) != value:
            assert time.monotonic() < until, row
            time.sleep(0.02)
        return row


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("engine"))
    yield running
    running.stop()


@pytest.fixture
def pbx(engine: Engine, tmp_path: Path) -> Iterator[Pbx]:
    started = Pbx(engine, tmp_path)
    yield started
    engine.reactor.call(started.qualifier.stop)
    engine.reactor.call(engine.requests.close)


def conf(peer: Peer, aor: str = "", endpoint: str = "", more: str = "") -> str:
    """An endpoint with one AOR and one permanent contact, qualified every second unless ``aor`` says else."""
    lines = [
        "[peer]",
        "type=aor",
        f"contact={peer.uri.replace(';', chr(92) + ';')}",
        *([] if "qualify_frequency" in aor else ["qualify_frequency=1"]),
        *aor.split("\n"),
        "[peer]",
        "type=endpoint",
        "aors=peer",
        *endpoint.split("\n"),
        more,
    ]
    return "\n".join(line.strip() for line in lines)


AUTH = """
[cred]
type=auth
username=alice
password=secret
"""


# What comes back


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "answer", [ok, says("404 Not Found"), says("401 Unauthorized")], ids=["200", "404", "401"]
)
def test_asterisk_9_9_any_final_response_is_reachable(pbx: Pbx, protocol: str, answer: Answer) -> None:
    pbx.load(conf(pbx.engine.peer(protocol, answer)))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    row = pbx.contact()
    assert (row.status, row.transport, row.endpoints) == ("Reachable", protocol, ("peer",))
    assert 0 < (row.rtt or 0) < 0.5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_asterisk_9_9_404_with_2xx_only_is_unreachable(pbx: Pbx, protocol: str) -> None:
    pbx.load(conf(pbx.engine.peer(protocol, says("404 Not Found")), "qualify_2xx_only=yes"))
    assert pbx.next() == "Unreachable"
    assert pbx.contact().last == "404 Not Found"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_credentials_are_used_if_the_endpoint_has_them(pbx: Pbx, protocol: str) -> None:
    peer = pbx.engine.peer(protocol, Digest("alice", "secret"))
    pbx.load(conf(peer, "qualify_2xx_only=yes", "outbound_auth=cred", AUTH))
    assert pbx.next() == "Reachable"
    assert pbx.contact().last == "200 OK"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_challenge_without_credentials_is_an_answer_that_is_not_2xx(pbx: Pbx, protocol: str) -> None:
    pbx.load(conf(pbx.engine.peer(protocol, Digest("alice", "secret")), "qualify_2xx_only=yes"))
    assert pbx.next() == "Unreachable"
    assert pbx.contact().last == "401 Unauthorized"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_asterisk_9_9_silence_is_unreachable(pbx: Pbx, protocol: str) -> None:
    pbx.load(conf(pbx.engine.peer(protocol, silent), "qualify_timeout=0.3"))
    assert pbx.next() == "Unreachable"
    row = pbx.contact()
    assert (row.misses, row.rtt, row.last) == (1, None, "no answer in time")


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_asterisk_9_9_refused_tcp_is_unreachable_and_recovers(pbx: Pbx, protocol: str) -> None:
    peer = pbx.engine.peer(protocol)
    peer.close()
    pbx.load(conf(peer))
    assert pbx.next() == "Unreachable"
    pbx.wait("misses", 3)  # fresh connects each time, and none left out
    assert pbx.changes.empty()
    pbx.engine.peer(protocol, port=peer.port)
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_asterisk_3_5_an_answer_after_the_timeout_changes_nothing_and_is_counted(
    pbx: Pbx, protocol: str
) -> None:
    pbx.load(conf(pbx.engine.peer(protocol, delay=0.6), "qualify_timeout=0.2\nqualify_frequency=3"))
    assert pbx.next() == "Unreachable"
    row = pbx.wait("late", 1)
    assert (row.status, row.answered, row.rtt) == ("Unreachable", 0, None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_peer_that_stops_and_comes_back(pbx: Pbx, protocol: str) -> None:
    peer = pbx.engine.peer(protocol)
    pbx.load(conf(peer, "qualify_timeout=0.4"))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    peer.close()
    assert [pbx.next(), pbx.next()] == ["Unreachable", "offline"]
    pbx.engine.peer(protocol, port=peer.port)
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]


def test_a_failed_send_makes_a_reachable_contact_unreachable(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    pbx.load(conf(peer))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    pbx.load(conf(peer).replace("127.0.0.1", "no.example"))
    assert [pbx.next(), pbx.next()] == ["Removed", "offline"]
    assert pbx.next() == "Unreachable"
    assert pbx.contact().last == "name not found"


def test_a_contact_that_no_transport_leads_to_is_unreachable(pbx: Pbx) -> None:
    pbx.started.clear()
    pbx.load(conf(pbx.engine.peer("udp")))
    assert pbx.next() == "Unreachable"
    assert pbx.contact().last.startswith("no udp transport leads to 127.0.0.1")


def test_qualify_down_and_up(pbx: Pbx) -> None:
    def two_misses_after_three(request: str, count: int) -> str | None:
        return ok(request, count) if count < 3 or count > 4 else None

    peer = pbx.engine.peer("tcp", two_misses_after_three)
    pbx.load(conf(peer, "qualify_timeout=0.3\n@qualify_down=2\n@qualify_up=2"))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    assert len(peer.received) >= 2
    assert [pbx.next(), pbx.next()] == ["Unreachable", "offline"]
    assert len(peer.received) >= 5
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    assert len(peer.received) >= 7


def test_no_overlap_when_the_timeout_is_longer_than_the_frequency(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp", silent)
    pbx.load(conf(peer, "qualify_timeout=2.5"))
    peer.wait(1)
    time.sleep(2)
    assert len(peer.received) == 1
    peer.wait(2)


# What goes out


def listener(pbx: Pbx, protocol: str) -> str:
    return f"127.0.0.1:{pbx.engine.listeners[protocol].port}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_asterisk_3_7_the_request_field_by_field(pbx: Pbx, protocol: str) -> None:
    peer, upper = pbx.engine.peer(protocol), protocol.upper()
    pbx.load(conf(peer, more="[global]\ntype=global\nuser_agent=Tester 1.0\n"))
    text = peer.wait(1)[0]
    at = listener(pbx, protocol)
    tail = "" if protocol == "udp" else f";transport={upper}"
    assert text.startswith(f"OPTIONS {peer.uri} SIP/2.0\r\n")
    via, _, parameters = header(text, "Via").partition(";")
    assert via == f"SIP/2.0/{upper} {at}"
    assert parameters.startswith("rport;branch=z9hG4bKPj")
    assert header(text, "From").startswith("<sip:peer@127.0.0.1>;tag=")
    assert header(text, "To") == "<sip:bob@127.0.0.1>"
    assert header(text, "Contact") == f"<sip:peer@{at}{tail}>"
    assert header(text, "CSeq").endswith(" OPTIONS")
    assert header(text, "Max-Forwards") == "70"
    assert header(text, "User-Agent") == "Tester 1.0"
    assert header(text, "Content-Length") == "0"
    assert text.endswith("\r\n\r\n")
    expected = [
        "Via",
        "From",
        "To",
        "Contact",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "User-Agent",
        "Content-Length",
    ]
    assert names(text) == expected


def test_asterisk_3_7_call_id_tag_and_branch_are_new_each_time(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp")
    pbx.load(conf(peer))
    first, second = peer.wait(2)[:2]
    for name in ("Call-ID", "From", "Via"):
        assert header(first, name) != header(second, name)


@pytest.mark.parametrize(
    ("endpoint", "sender", "contact"),
    [
        ("from_user=4711", "sip:4711@127.0.0.1", "sip:4711@"),
        ("from_domain=ex.org", "sip:peer@ex.org", "sip:peer@"),
        ("from_user=4711\nfrom_domain=ex.org", "sip:4711@ex.org", "sip:4711@"),
        ("contact_user=me", "sip:peer@127.0.0.1", "sip:me@"),
        ("from_user=4711\ncontact_user=me\nfrom_domain=ex.org", "sip:4711@ex.org", "sip:me@"),
    ],
)
def test_asterisk_3_7_from_and_contact(pbx: Pbx, endpoint: str, sender: str, contact: str) -> None:
    peer = pbx.engine.peer("tcp")
    pbx.load(conf(peer, endpoint=endpoint))
    text = peer.wait(1)[0]
    assert header(text, "From").startswith(f"<{sender}>;tag=")
    assert header(text, "Contact") == f"<{contact}{listener(pbx, 'tcp')};transport=TCP>"


def test_asterisk_3_7_both_outbound_proxies_the_endpoints_first(pbx: Pbx) -> None:
    peer, proxy = pbx.engine.peer("udp"), pbx.engine.peer("udp")
    first, second = f"sip:127.0.0.1:{proxy.port}\\;lr", "sip:192.0.2.1:5099\\;lr"
    pbx.load(conf(peer, f"outbound_proxy={second}", f"outbound_proxy={first}"))
    text = proxy.wait(1)[0]
    assert headers(text, "Route") == [f"<sip:127.0.0.1:{proxy.port};lr>", "<sip:192.0.2.1:5099;lr>"]
    assert text.startswith(f"OPTIONS {peer.uri} SIP/2.0\r\n")
    assert peer.received == []


def test_asterisk_3_7_the_aors_outbound_proxy_alone(pbx: Pbx) -> None:
    peer, proxy = pbx.engine.peer("tcp"), pbx.engine.peer("udp")
    pbx.load(conf(peer, f"outbound_proxy=sip:127.0.0.1:{proxy.port}\\;lr"))
    assert headers(proxy.wait(1)[0], "Route") == [f"<sip:127.0.0.1:{proxy.port};lr>"]


def test_asterisk_2_7_the_endpoints_transport_counts_more_than_the_uri(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp")
    transport = f"[tcp]\ntype=transport\nprotocol=tcp\nbind={listener(pbx, 'tcp')}\n"
    pbx.load(conf(peer, endpoint="transport=tcp", more=transport).replace("\\;transport=tcp", ""))
    assert header(peer.wait(1)[0], "Via").startswith("SIP/2.0/TCP ")


def test_asterisk_2_7_x_ast_txp_names_the_transport_and_is_stripped(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp")
    pbx.load(conf(peer).replace("contact=", "max_contacts=1\n;contact="))
    uri = f"sip:bob@127.0.0.1:{peer.port};x-ast-txp=tcp"
    pbx.engine.reactor.call(lambda: pbx.qualifier.register(("peer", uri), Registered()))
    text = peer.wait(1)[0]
    assert text.startswith(f"OPTIONS sip:bob@127.0.0.1:{peer.port} SIP/2.0\r\n")
    assert header(text, "Via").startswith("SIP/2.0/TCP ")


def test_a_connection_is_reused(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp")
    pbx.load(conf(peer))
    peer.wait(3)
    assert len(peer.connections) == 1


# Registrations, reload, commands


def test_asterisk_3_4_a_registered_contact_is_qualified_at_once(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    pbx.load(conf(peer, "qualify_frequency=3600\nmax_contacts=1").replace("contact=sip", ";contact=sip"))
    key, start = ("peer", peer.uri), time.monotonic()
    pbx.engine.reactor.call(lambda: pbx.qualifier.register(key, Registered("peer", None, "Phone 1")))
    assert [pbx.next(1), pbx.next(1), pbx.next(1)] == ["NonQualified", "Reachable", "online"]
    assert time.monotonic() - start < 0.5
    assert pbx.contact().user_agent == "Phone 1"
    pbx.engine.reactor.call(lambda: pbx.qualifier.unregister(key))
    assert [pbx.next(1), pbx.next(1)] == ["Removed", "offline"]


def test_asterisk_3_9_a_registration_that_runs_out_is_removed(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    sweep = "[global]\ntype=global\ncontact_expiration_check_interval=1\n"
    pbx.load(conf(peer, "max_contacts=1", more=sweep).replace("contact=sip", ";contact=sip"))
    registered = Registered("peer", pbx.engine.reactor.now() + 0.5)
    pbx.engine.reactor.call(lambda: pbx.qualifier.register(("peer", peer.uri), registered))
    assert [pbx.next(3) for _ in range(5)] == ["NonQualified", "Reachable", "online", "Removed", "offline"]


def test_asterisk_9_9_switching_qualify_off_and_on(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    pbx.load(conf(peer))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    pbx.load(conf(peer, "qualify_frequency=0"))
    assert pbx.next() == "NonQualified"
    time.sleep(0.1)
    sent = len(peer.received)
    time.sleep(1.3)
    assert len(peer.received) == sent
    pbx.load(conf(peer))
    assert [pbx.next(), pbx.next(), pbx.next()] == ["offline", "Reachable", "online"]


def test_a_removed_contact_gets_no_options_any_more(pbx: Pbx) -> None:
    peer, other = pbx.engine.peer("udp"), pbx.engine.peer("udp")
    pbx.load(conf(peer))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    pbx.load(conf(other))
    assert [pbx.next(), pbx.next()] == ["Removed", "offline"]
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    sent = len(peer.received)
    other.wait(3)
    assert len(peer.received) == sent


def test_qualify_now_over_the_control_socket(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    pbx.load(conf(peer, "qualify_frequency=0"))
    assert pbx.next() == "online"
    answer = qualify_command(pbx.qualifier, pbx.engine.reactor, {"aor": "peer"})
    (row,) = answer["rows"]  # type: ignore[misc]
    assert (row["last"], row["status"]) == ("200 OK", "Reachable")
    assert 0 < row["rtt"] < 0.5
    peer.answer = silent
    pbx.load(conf(peer, "qualify_frequency=0\nqualify_timeout=0.3"))
    (row,) = qualify_command(pbx.qualifier, pbx.engine.reactor, {"aor": "peer"})["rows"]  # type: ignore[misc]
    assert (row["last"], row["status"]) == ("no answer in time", "Unreachable")
    assert pbx.contact().status == "NonQualified"
    assert pbx.changes.empty()


def test_qualify_now_of_an_aor_that_is_qualified(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp")
    pbx.load(conf(peer, "qualify_frequency=3600"))
    answer = qualify_command(pbx.qualifier, pbx.engine.reactor, {"aor": "peer"})
    (row,) = answer["rows"]  # type: ignore[misc]
    assert row["status"] == "Reachable"
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "aor"),
        ({"aor": "nobody"}, "no such AOR"),
        ({"aor": "empty"}, "no contact"),
        ({"aor": "peer", "x": 1}, "x"),
    ],
)
def test_qualify_now_with_bad_arguments(pbx: Pbx, arguments: dict[str, object], error: str) -> None:
    pbx.load(conf(pbx.engine.peer("udp"), "qualify_frequency=0", more="[empty]\ntype=aor\nmax_contacts=1\n"))
    with pytest.raises(Exception, match=error):
        qualify_command(pbx.qualifier, pbx.engine.reactor, arguments)


def test_an_aor_that_no_endpoint_uses_is_left_alone(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    pbx.load(conf(peer).replace("aors=peer", "aors="))
    time.sleep(1.2)
    assert peer.received == []
    assert pbx.contact().status == "NonQualified"
    (row,) = pbx.engine.reactor.call(lambda: aor_rows(pbx.qualifier))
    assert row.note.startswith("no endpoint uses it")


def test_rows_of_aors_and_endpoints(pbx: Pbx) -> None:
    pbx.load(conf(pbx.engine.peer("udp"), "qualify_timeout=2\n@qualify_down=3"))
    assert [pbx.next(), pbx.next()] == ["Reachable", "online"]
    (aor,) = pbx.engine.reactor.call(lambda: aor_rows(pbx.qualifier))
    assert aor == AorRow("peer", True, 1, 1, 0, 1, 2.0, 3, 1, ("peer",))
    (endpoint,) = pbx.engine.reactor.call(lambda: endpoint_rows(pbx.qualifier))
    assert endpoint == EndpointRow("peer", "online", ("peer",), "", 1, 1)
    row = pbx.contact()
    assert (row.detection, row.detected_by) == (5.0, "options")
    assert 0 <= (row.next_due or 9) <= 1


def test_a8_messages_and_bytes_per_hour_now_and_at_another_frequency(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp")
    pbx.load(conf(peer))
    assert pbx.next() == "Reachable"
    cost = pbx.engine.reactor.call(lambda: pbx.qualifier.cost("tcp"))
    least = pbx.engine.reactor.call(lambda: pbx.qualifier.cost("tcp", 300))
    assert cost.messages == pytest.approx(7200)
    on_the_wire = len(peer.received[0]) + len(ok(peer.received[0], 0))
    assert cost.bytes == pytest.approx(on_the_wire * 3600, rel=0.1)
    assert (least.messages, least.bytes) == pytest.approx((cost.messages / 300, cost.bytes / 300))
    assert pbx.engine.reactor.call(lambda: pbx.qualifier.cost("udp")).messages == 0


# Peers whose TCP answers and whose SIP does not


def wedged(pbx: Pbx, peer: Peer, down: int = 2) -> None:
    pbx.load(conf(peer, f"qualify_timeout=0.2\n@qualify_down={down}\n@close_wedged=yes"))


def test_close_wedged_after_qualify_down_misses_and_again_after_as_many(pbx: Pbx) -> None:
    wedged(pbx, pbx.engine.peer("tcp", silent))
    pbx.wait("misses", 1)
    assert pbx.connections.closed == []
    pbx.wait("misses", 2)
    assert pbx.connections.closed == [(7, Cause.WEDGED)]
    pbx.wait("misses", 3)
    assert len(pbx.connections.closed) == 1
    pbx.wait("misses", 4)
    assert len(pbx.connections.closed) == 2


@pytest.mark.parametrize(
    ("carrier", "reason"),
    [
        (Carrier(0, 1), "wedged, closed when its 1 call(s) end"),
        (Carrier(300, 0), "unacknowledged data"),
        (None, ""),
    ],
    ids=["call", "unacknowledged", "gone"],
)
def test_close_wedged_waits_and_says_why(pbx: Pbx, carrier: Carrier | None, reason: str) -> None:
    pbx.connections.state = carrier
    wedged(pbx, pbx.engine.peer("tcp", silent), down=1)
    row = pbx.wait("misses", 2)
    assert pbx.connections.closed == []
    assert reason in row.last
    pbx.connections.state = Carrier(0, 0)
    pbx.wait("misses", 3)
    assert pbx.connections.closed == [(7, Cause.WEDGED)]


def test_without_close_wedged_nothing_is_closed(pbx: Pbx) -> None:
    pbx.load(conf(pbx.engine.peer("tcp", silent), "qualify_timeout=0.2"))
    pbx.wait("misses", 2)
    assert pbx.connections.closed == []


def test_remove_unreachable_drops_a_registered_contact_and_its_connection(pbx: Pbx) -> None:
    peer = pbx.engine.peer("tcp", silent)
    aor = "qualify_timeout=0.2\n@remove_unreachable=yes\nmax_contacts=2"
    pbx.load(conf(peer, aor))
    assert pbx.next() == "Unreachable"
    assert pbx.changes.empty()  # a permanent contact stays
    gone = f"sip:carol@127.0.0.1:{peer.port};transport=tcp"
    pbx.engine.reactor.call(lambda: pbx.qualifier.register(("peer", gone), Registered("peer")))
    assert [pbx.next(), pbx.next(), pbx.next()] == ["NonQualified", "Unreachable", "Removed"]
    assert pbx.connections.closed == [(7, Cause.UNREACHABLE)]


def test_contactstatus_events_have_asterisks_fields(pbx: Pbx) -> None:
    peer = pbx.engine.peer("udp")
    pbx.load(conf(peer))
    change = pbx.changes.get(timeout=5)
    assert isinstance(change, ContactChange)
    (event,) = change.events()
    assert event.pop("RoundtripUsec").isdigit()
    assert event == {"URI": peer.uri, "ContactStatus": "Reachable", "AOR": "peer", "EndpointName": "peer"}
