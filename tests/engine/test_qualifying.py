"""Qualify on transport management: real connections, events, and the costs of a transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from managed import Certificates, Managed, free_port, until
from sip_peers import Peer, header, says, silent

from pjka.events import ConnectionDown, ConnectionUp, ContactStatus, PeerStatus
from pjka.qualifying import Qualifying
from pjka.rows import Rows
from pjka.status import Cause


class Pbx(Managed):
    """A running module that qualifies one contact over TCP."""

    def __init__(self, path: Path, calls: dict[int, int]) -> None:
        nobody = Certificates(path, path)
        super().__init__(path, nobody)
        self.qualifying = Qualifying(self.module, Random(1), lambda serial: calls.get(serial, 0))
        self.qualifying.start()
        self.qualifying.load(self.configuration())

    def stop(self) -> None:
        self.qualifying.stop()
        super().stop()


@pytest.fixture
def calls() -> dict[int, int]:
    """How many calls each connection carries."""
    return {}


@pytest.fixture
def peer() -> Iterator[Peer]:
    listening = Peer("tcp")
    yield listening
    listening.close()


@pytest.fixture
def pbx(tmp_path: Path, peer: Peer, calls: dict[int, int]) -> Iterator[Pbx]:
    file = tmp_path / "pjsip.conf"
    file.write_text(
        "[phones]\ntype=transport\nprotocol=tcp\ntcp_keepalive_enable=yes\n"
        f"bind=127.0.0.1:{free_port()}\n"
        "[peer]\ntype=aor\nqualify_frequency=1\nqualify_timeout=0.4\n@qualify_down=2\n@close_wedged=yes\n"
        f"contact={peer.uri.replace(';', chr(92) + ';')}\n"
        "[peer]\ntype=endpoint\naors=peer\ntransport=phones\n"
    )
    running = Pbx(file, calls)
    yield running
    running.stop()


def test_contactstatus_and_peerstatus_are_published(pbx: Pbx, peer: Peer) -> None:
    contact = pbx.next(ContactStatus).to_json()
    assert 0 < int(str(contact.pop("RoundtripUsec"))) < 500_000
    assert contact.pop("at")
    assert contact == {
        "event": "contact-status",
        "aor": "peer",
        "URI": peer.uri,
        "ContactStatus": "Reachable",
        "AOR": "peer",
        "EndpointName": "peer",
    }
    event = pbx.next(PeerStatus)
    assert (event.ChannelType, event.Peer, event.PeerStatus) == ("PJSIP", "PJSIP/peer", "Reachable")


def test_the_row_names_the_connection_that_carries_the_contact(pbx: Pbx) -> None:
    up = pbx.next(ConnectionUp)
    pbx.next(ContactStatus)
    (row,) = pbx.qualifying.contacts()
    assert (row.connection, row.transport, row.status) == (up.serial, "phones", "Reachable")
    assert (row.peer, row.mechanism, row.frequency) == (up.peer, "kernel", 1)
    assert (row.detection, row.detected_by) == (2.4, "options")


def test_the_mechanism_that_finds_a_dead_peer_first(pbx: Pbx) -> None:
    pbx.next(ConnectionUp)
    pbx.next(ContactStatus)
    pbx.path.write_text(pbx.path.read_text().replace("qualify_frequency=1", "qualify_frequency=60"))
    pbx.qualifying.load(pbx.configuration())
    (row,) = pbx.qualifying.contacts()
    assert (row.detection, row.detected_by) == (35.0, "kernel")


def test_a_wedged_connection_is_closed_and_the_next_options_opens_a_fresh_one(pbx: Pbx, peer: Peer) -> None:
    first = pbx.next(ConnectionUp)
    pbx.next(ContactStatus)
    peer.answer = silent
    assert pbx.next(ContactStatus).ContactStatus == "Unreachable"
    down = pbx.next(ConnectionDown)
    assert (down.serial, down.cause) == (first.serial, Cause.WEDGED)
    assert pbx.next(ConnectionUp).serial > first.serial
    peer.answer = says("200 OK")
    assert pbx.next(ContactStatus).ContactStatus == "Reachable"


def test_a_wedged_connection_that_carries_a_call_is_not_closed(
    pbx: Pbx, peer: Peer, calls: dict[int, int]
) -> None:
    serial = pbx.next(ConnectionUp).serial
    pbx.next(ContactStatus)
    calls[serial] = 1
    peer.answer = silent
    assert pbx.next(ContactStatus).ContactStatus == "Unreachable"
    until(lambda: "closed when its 1 call(s) end" in pbx.qualifying.contacts()[0].last)
    assert not any(isinstance(event, ConnectionDown) for event in pbx.seen)
    calls.clear()
    assert pbx.next(ConnectionDown).cause is Cause.WEDGED


def test_a8_costs_now_and_at_the_frequency_that_tcp_keep_alive_allows(pbx: Pbx) -> None:
    pbx.next(ContactStatus)
    (row,) = pbx.qualifying.with_costs(Rows(pbx.module, "load", 0).transports())
    assert row.qualify_messages_per_hour == pytest.approx(7200)
    assert row.qualify_messages_per_hour_needed == pytest.approx(24)
    assert row.qualify_bytes_per_hour > row.qualify_bytes_per_hour_needed > 0


def test_rows_and_command_from_another_thread(pbx: Pbx) -> None:
    answer = pbx.qualifying.command({"aor": "peer"})
    (row,) = answer["rows"]  # type: ignore[misc]
    assert row["last"] == "200 OK"
    assert [row.id for row in pbx.qualifying.aors()] == ["peer"]
    assert [row.id for row in pbx.qualifying.endpoints()] == ["peer"]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_ipv6(protocol: str, manage: Callable[..., Managed], transport: Callable[..., str]) -> None:
    peer = Peer(protocol, host="::1")
    contact = peer.uri.replace(";", "\\;")
    managed = manage(
        transport("t", protocol, host="::1"),
        f"[peer]\ntype=aor\nqualify_frequency=1\ncontact={contact}\n[peer]\ntype=endpoint\naors=peer\n",
    )
    qualifying = Qualifying(managed.module, Random(1))
    qualifying.start()
    qualifying.load(managed.configuration())
    assert managed.next(ContactStatus).ContactStatus == "Reachable"
    listener = managed.module.listeners.all["t"].listener
    assert listener is not None
    text = peer.received[0]
    assert header(text, "Via").startswith(f"SIP/2.0/{protocol.upper()} [::1]:{listener.port};rport;")
    assert header(text, "From").startswith("<sip:peer@[::1]>;tag=")
    assert header(text, "Contact").startswith(f"<sip:peer@[::1]:{listener.port}")
    qualifying.stop()
    peer.close()


def test_an_answer_401_keeps_a_contact_reachable(pbx: Pbx, peer: Peer) -> None:
    assert pbx.next(ContactStatus).ContactStatus == "Reachable"
    peer.answer = says("401 Unauthorized")
    until(lambda: pbx.qualifying.contacts()[0].last == "401 Unauthorized")
    assert pbx.qualifying.contacts()[0].status == "Reachable"
