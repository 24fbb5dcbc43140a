"""RFC 5626 on the wire: pings in every form, and what becomes of the connections (R1 to R11)."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable

import pytest
from managed import Managed, options, until
from sip_peers import response

from pjka.events import ConnectionDown
from pjka.flow_rows import client_row, server_rows, unused_rows
from pjka.flows import Owner
from pjka.keepalive.flow import ClientFlow, ClientSettings, Event, Registered, Version
from pjka.status import Cause

Manage = Callable[..., Managed]
Section = Callable[..., str]

PROTOCOLS = ["tcp", "tls"]
OUTBOUND = "@keepalive=outbound"
PHONE = Owner("phone", 1, "urn:uuid:0")


def received(peer: socket.socket, size: int, patience: float = 5.0) -> bytes:
    """What comes within ``patience`` seconds, up to ``size`` bytes."""
    peer.settimeout(0.05)
    data, deadline = b"", time.monotonic() + patience
    while len(data) < size and time.monotonic() < deadline:
        try:
            part = peer.recv(size - len(data))
        except TimeoutError:
            continue
        if not part:
            break
        data += part
    return data


def silence(peer: socket.socket, seconds: float = 0.3) -> None:
    assert received(peer, 1, seconds) == b""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "parts",
    [
        [b"\r\n\r\n"],
        [b"\r\n", b"\r\n"],
        [b"\r", b"\n\r\n"],
        [b"\r\n\r", b"\n"],
        [b"\r", b"\n", b"\r", b"\n"],
    ],
    ids=["whole", "2+2", "1+3", "3+1", "1+1+1+1"],
)
def test_r8_ping_in_fragments_is_answered_with_exactly_one_pong(
    manage: Manage, transport: Section, protocol: str, parts: list[bytes]
) -> None:
    peer = manage(transport("t", protocol)).connect("t")
    for part in parts:
        peer.sendall(part)
        time.sleep(0.03)
    assert received(peer, 2) == b"\r\n"
    silence(peer)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_r8_every_ping_of_one_read_is_answered(manage: Manage, transport: Section, protocol: str) -> None:
    peer = manage(transport("t", protocol)).connect("t")
    peer.sendall(b"\r\n\r\n" * 25)
    assert received(peer, 50) == b"\r\n" * 25
    silence(peer)


@pytest.mark.parametrize(
    "lines", [(OUTBOUND,), ("tcp_keepalive_enable=yes",), ()], ids=["outbound", "kernel", "none"]
)
def test_r8_ping_is_answered_on_any_transport(
    manage: Manage, transport: Section, lines: tuple[str, ...]
) -> None:
    peer = manage(transport("t", "tcp", *lines)).connect("t")
    peer.sendall(b"\r\n\r\n")
    assert received(peer, 2) == b"\r\n"


def test_newlines_around_a_message_are_no_ping(manage: Manage, transport: Section) -> None:
    peer = manage(transport("t", "tcp")).connect("t")
    for part in (b"\r\n", options(1), b"\r\n"):
        peer.sendall(part)
        time.sleep(0.05)
    answer = received(peer, 65535, 0.5)
    assert answer.startswith(b"SIP/2.0 200")
    assert answer.endswith(b"\r\n\r\n")
    assert not answer.endswith(b"\r\n\r\n\r\n")


def test_newlines_inside_a_body_are_no_ping(manage: Manage, transport: Section) -> None:
    peer = manage(transport("t", "tcp")).connect("t")
    body = b"a\r\n\r\n\r\n\r\n\r\nb"
    message = options(2).replace(
        b"Content-Length: 0\r\n\r\n", b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    peer.sendall(message + body)
    answer = received(peer, 65535, 0.5)
    assert answer.startswith(b"SIP/2.0 200")
    assert not answer.endswith(b"\r\n\r\n\r\n")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ping_right_after_a_message_is_answered(manage: Manage, transport: Section, protocol: str) -> None:
    peer = manage(transport("t", protocol)).connect("t")
    peer.sendall(options(3) + b"\r\n\r\n")
    answer = received(peer, 65535, 0.5)
    assert answer.count(b"SIP/2.0 200") == 1
    assert len(answer.replace(b"\r\n\r\n\r\n", b"")) < len(answer) or answer.startswith(b"\r\nSIP")


def serve(managed: Managed, peer: socket.socket, flow_timer: int | None) -> None:
    connection = managed.connection_of(peer)
    managed.reactor.call(
        lambda: managed.module.flows.registered_with_us(connection, PHONE, flow_timer, Version.RFC5626)
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_r6_r10_without_a_ping_closed_at_flow_timer_plus_one(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(transport("t", protocol, OUTBOUND))
    peer = managed.connect("t")
    started = time.monotonic()
    serve(managed, peer, 1)
    down = managed.next(ConnectionDown)
    assert down.cause is Cause.FLOW_TIMER
    assert 1.9 < time.monotonic() - started < 3.5


def test_r7_without_flow_timer_nothing_is_closed(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", OUTBOUND))
    peer = managed.connect("t")
    serve(managed, peer, None)
    silence(peer, 2.5)
    peer.sendall(b"\r\n\r\n")
    assert received(peer, 2) == b"\r\n"


def test_r8_each_ping_restarts_the_timer(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", OUTBOUND))
    peer = managed.connect("t")
    serve(managed, peer, 1)
    for _ in range(5):
        assert received(peer, 1, 0.8) == b""
        peer.sendall(b"\r\n\r\n")
        assert received(peer, 2) == b"\r\n"
    row = managed.reactor.call(lambda: server_rows(managed.module.flows, managed.reactor.now()))[0]
    assert (row.aor, row.reg_id, row.flow_timer, row.pings, row.kept_alive) == ("phone", 1, 1, 5, True)


Told = queue.SimpleQueue[Event]


def register(managed: Managed, peer: socket.socket, answer: Registered, **settings: object) -> Told:
    """Let an outgoing connection be the flow of a registration."""
    connection = managed.connection_of(peer)
    told: Told = queue.SimpleQueue()
    managed.reactor.call(
        lambda: managed.module.flows.registered_by_us(
            connection,
            PHONE,
            ClientSettings(**settings),  # type: ignore[arg-type]
            answer,
            told.put,
        )
    )
    return told


def until_ping(peer: socket.socket) -> None:
    """Read the OPTIONS that opened the connection, and then a ping."""
    data = b""
    while not data.endswith(b"\r\n\r\n\r\n\r\n"):
        part = received(peer, 1)
        assert part, data
        data += part


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_r1_r2_r4_ping_by_flow_timer_and_the_pong_is_seen(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(transport("t", protocol, OUTBOUND))
    peer = managed.call("t")
    started = time.monotonic()
    told = register(managed, peer, Registered(1, True))
    until_ping(peer)
    assert 0.75 < time.monotonic() - started < 1.5
    peer.sendall(b"\r\n")
    assert [told.get(timeout=5) for _ in range(2)] == [Event.SEND_PING, Event.FIRST_PONG]
    flow = managed.module.flows.get(managed.connection_of(peer).serial)
    assert flow is not None
    assert isinstance(flow.engine, ClientFlow)
    row = client_row(flow, flow.engine, PHONE, managed.reactor.now())
    assert (row.pongs, row.kept_alive, row.why_not) == (1, True, "")
    assert row.rtt is not None
    assert row.rtt < 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_r4_peer_that_claims_outbound_and_never_pongs_is_closed(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(transport("t", protocol, OUTBOUND))
    peer = managed.call("t")
    register(managed, peer, Registered(1, True), pong_timeout=0.6)
    until_ping(peer)
    started = time.monotonic()
    down = managed.next(ConnectionDown)
    assert down.cause is Cause.PONG_MISSED
    assert 0.4 < time.monotonic() - started < 1.5


def test_r4_message_being_received_postpones_the_verdict(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", OUTBOUND))
    peer = managed.call("t")
    register(managed, peer, Registered(2, True), pong_timeout=0.6)
    until_ping(peer)
    started = time.monotonic()
    message = options(7)
    for at in range(0, 60, 10):
        peer.sendall(message[at : at + 10])
        time.sleep(0.3)
    peer.sendall(message[60:] + b"\r\n")
    assert b"SIP/2.0 200" in received(peer, 20)
    assert time.monotonic() - started > 1.5
    assert managed.connection_of(peer)


@pytest.mark.parametrize(
    ("answer", "version", "reason"),
    [
        (Registered(1, False), Version.RFC5626, "no Require: outbound"),
        (Registered(1, True, reg_id=False), Version.RFC5626, "no reg-id"),
    ],
    ids=["no-require", "no-reg-id"],
)
def test_r5_without_outbound_no_pong_is_due_and_nothing_is_closed(
    manage: Manage, transport: Section, answer: Registered, version: Version, reason: str
) -> None:
    managed = manage(transport("t", "tcp", OUTBOUND))
    peer = managed.call("t")
    register(managed, peer, answer, pong_timeout=0.2)
    until_ping(peer)
    until_ping(peer)
    flow = managed.module.flows.get(managed.connection_of(peer).serial)
    assert flow is not None
    assert isinstance(flow.engine, ClientFlow)
    assert reason in client_row(flow, flow.engine, PHONE, 0).why_not


def test_connection_without_a_flow_says_why(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", OUTBOUND), transport("plain", "tcp"))
    managed.connection_of(managed.connect("t"))
    managed.connection_of(managed.connect("plain"))
    outgoing = managed.connection_of(managed.call("t"))
    module = managed.module
    rows = unused_rows(module.flows, module.monitors, module.listeners.policy)
    assert [(row.role, row.why_not) for row in rows] == [
        ("server", "no REGISTER has come over this connection"),
        ("client", "no registration uses this connection"),
    ]
    assert rows[1].connection == outgoing.serial


def test_flow_is_forgotten_with_its_connection(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", OUTBOUND))
    peer = managed.connect("t")
    serve(managed, peer, 100)
    peer.close()
    managed.next(ConnectionDown)
    until(lambda: not list(managed.module.flows))


def test_first_answer_that_comes_behind_newlines_is_read(
    manage: Callable[..., Managed], transport: Callable[..., str]
) -> None:
    managed = manage(transport("t", "tcp"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        results = managed.send_options("t", server.getsockname()[1])
        peer = server.accept()[0]
        managed.sockets.append(peer)
        request = peer.recv(65535).decode()
        peer.sendall(b"\r\n\r\n" + response(request).encode())
        assert results.get(timeout=10).status == 200
