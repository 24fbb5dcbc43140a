"""Requests whose connection is found stale, over real sockets (G4 to G9; P1 to P9 are the same text)."""

from __future__ import annotations

import queue
import socket
import struct
from collections.abc import Callable

import pytest
from managed import PATIENCE, Managed
from sip_peers import header, response

from pjka.events import ConnectionDown
from pjka.keepalive.recovery import Recover
from pjka.pjproject.requests import Cause, Destination, Request, Result

Manage = Callable[..., Managed]
Section = Callable[..., str]
Results = queue.SimpleQueue[Result]


def send(managed: Managed, port: int, recover: Recover, host: str = "127.0.0.1") -> Results:
    listener = managed.module.listeners.all["t"].listener
    assert listener is not None
    uri = f"sip:peer@{host}:{port};transport={listener.protocol}"
    destination = Destination(listener.protocol, host, port, listener.selector, recover=recover)
    request = Request("OPTIONS", uri, "sip:pbx@127.0.0.1", uri)
    results: Results = queue.SimpleQueue()
    managed.reactor.call(lambda: managed.requests.send(request, destination, PATIENCE, results.put))
    return results


def listening(managed: Managed) -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(PATIENCE)
    managed.sockets.append(server)
    return server


def accepted(managed: Managed, server: socket.socket) -> socket.socket:
    peer = server.accept()[0]
    peer.settimeout(PATIENCE)
    managed.sockets.append(peer)
    return peer


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.parametrize("end", ["reset", "fin"])
def test_g4_p4_request_under_way_is_sent_again_over_a_fresh_connection(
    manage: Manage, transport: Section, end: str
) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"))
    server = listening(managed)
    results = send(managed, server.getsockname()[1], Recover.YES)
    first = accepted(managed, server)
    before = first.recv(65535).decode()
    if end == "reset":
        reset(first)
    else:
        first.close()
    second = accepted(managed, server)
    after = second.recv(65535).decode()
    assert [header(after, name) for name in ("Call-ID", "CSeq")] == [
        header(before, name) for name in ("Call-ID", "CSeq")
    ]
    assert header(after, "Via") != header(before, "Via")
    second.sendall(response(after).encode())
    result = results.get(timeout=PATIENCE)
    assert (result.cause, result.status, result.rounds) == (Cause.ANSWER, 200, 2)


def test_g4_p4_only_once(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"))
    server = listening(managed)
    results = send(managed, server.getsockname()[1], Recover.YES)
    for _ in range(2):
        peer = accepted(managed, server)
        peer.recv(65535)
        reset(peer)
    assert results.get(timeout=PATIENCE).cause is Cause.TRANSPORT


def test_g5_p5_idle_connection_is_reopened_by_the_next_request_only(
    manage: Manage, transport: Section
) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"))
    server = listening(managed)
    port = server.getsockname()[1]
    results = send(managed, port, Recover.YES)
    first = accepted(managed, server)
    first.sendall(response(first.recv(65535).decode()).encode())
    assert results.get(timeout=PATIENCE).status == 200
    reset(first)
    managed.next(ConnectionDown)
    server.settimeout(0.5)
    with pytest.raises(TimeoutError):
        server.accept()
    server.settimeout(PATIENCE)
    results = send(managed, port, Recover.YES)
    second = accepted(managed, server)
    second.sendall(response(second.recv(65535).decode()).encode())
    assert results.get(timeout=PATIENCE).status == 200


def test_g6_p6_reopening_fails_and_the_request_ends(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"))
    server = listening(managed)
    results = send(managed, server.getsockname()[1], Recover.YES)
    peer = accepted(managed, server)
    peer.recv(65535)
    server.close()
    reset(peer)
    assert results.get(timeout=PATIENCE).cause is Cause.TRANSPORT


@pytest.mark.parametrize(
    ("recover", "rounds"), [(Recover.YES, 1), (Recover.DNS, 2), (Recover.NO, 1)], ids=str
)
def test_g9_p9_target_found_by_name_only_with_recover_dns(
    manage: Manage, transport: Section, recover: Recover, rounds: int
) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"))
    server = listening(managed)
    results = send(managed, server.getsockname()[1], recover, host="localhost")
    for _ in range(rounds):
        peer = accepted(managed, server)
        peer.recv(65535)
        reset(peer)
    result = results.get(timeout=PATIENCE)
    assert (result.cause, result.rounds) == (Cause.TRANSPORT, rounds)
