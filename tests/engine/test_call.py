"""``pjka.Call`` in a program with an endpoint of its own: calls whose connection is lost (G4 to G6)."""

from __future__ import annotations

import os
import queue
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pjsua2 as pj
import pytest
from managed import PATIENCE, until
from sip_peers import header, response
from test_load import Program
from test_reopening import reset

import pjka
from pjka.keepalive.recovery import Recover

Section = Callable[..., str]

pytestmark = pytest.mark.skipif(
    os.environ.get("PJKA_ENGINE") == "trial",
    reason="the trial engine aborts when objects of a call that ended are collected after the endpoint",
)


class Caller:
    """A program with an account, and a peer on a raw socket."""

    def __init__(self, path: Path, text: str, workers: int) -> None:
        self.program = Program(workers)
        self.loaded = self.program.load(path, text)
        settings = pj.AccountConfig()
        settings.idUri = "sip:me@127.0.0.1"
        settings.sipConfig.transportId = self.loaded.transport_id("t")
        self.account = pj.Account()
        self.account.create(settings)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(PATIENCE)
        self.port = self.server.getsockname()[1]
        self.sockets = [self.server]
        self.states: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self.call: Any = None

    def dial(self, recover: Recover = Recover.YES, host: str = "127.0.0.1") -> None:
        states = self.states

        class Call(pjka.Call):
            def on_state(self, information: Any) -> None:
                states.put((information.state, information.lastStatusCode))

        self.call = Call(self.account, loaded=self.loaded, recover=recover)
        self.call.makeCall(f"sip:peer@{host}:{self.port};transport=tcp", pj.CallOpParam(True))

    def accepted(self) -> socket.socket:
        peer = self.server.accept()[0]
        peer.settimeout(PATIENCE)
        self.sockets.append(peer)
        return peer

    def state(self, wanted: int) -> int:
        """Wait for this state; the status that came with it. Any other end fails."""
        while True:
            state, status = self.states.get(timeout=PATIENCE)
            if state == wanted:
                return status
            assert state != pj.PJSIP_INV_STATE_DISCONNECTED, status

    def close(self) -> None:
        for each in self.sockets:
            each.close()
        self.call = None
        self.account.shutdown()
        del self.account  # before the endpoint
        self.program.stop()


@pytest.fixture(params=[0, 2], ids=["polls", "workers"])
def caller(request: pytest.FixtureRequest, transport: Section, tmp_path: Path) -> Iterator[Caller]:
    running = Caller(
        tmp_path / "pjsip.conf", transport("t", "tcp", "tcp_keepalive_enable=yes"), request.param
    )
    yield running
    running.close()


polls = pytest.mark.parametrize("caller", [0], ids=["polls"], indirect=True)


def read(peer: socket.socket, method: str) -> str:
    """The next request of this method; what comes before it is left out."""
    text = ""
    while True:
        while "\r\n\r\n" not in text:
            data = peer.recv(65535).decode()
            assert data, f"closed before {method} came"
            text += data
        head, _, text = text.partition("\r\n\r\n")
        length = int(header(head + "\r\n", "Content-Length"))
        while len(text) < length:
            text += peer.recv(65535).decode()
        body, text = text[:length], text[length:]
        if head.startswith(method):
            return f"{head}\r\n\r\n{body}"


def answer(peer: socket.socket, invite: str, port: int) -> None:
    """200 OK with the session description that was offered, and a Contact that leads to the server."""
    description = invite.partition("\r\n\r\n")[2]
    lines = f"Contact: <sip:peer@127.0.0.1:{port};transport=tcp>\r\nContent-Type: application/sdp"
    head = response(invite, "200 OK", lines).replace(
        "Content-Length: 0", f"Content-Length: {len(description)}"
    )
    peer.sendall((head + description).encode())


def confirmed(caller: Caller) -> socket.socket:
    caller.dial()
    peer = caller.accepted()
    answer(peer, read(peer, "INVITE"), caller.port)
    read(peer, "ACK")
    caller.state(pj.PJSIP_INV_STATE_CONFIRMED)
    until(lambda: caller.call._connection)
    return peer


@pytest.mark.parametrize(
    ("caller", "provisional"),
    [(0, ""), (0, "180 Ringing"), (2, "180 Ringing")],
    ids=["no-answer", "provisional", "provisional-workers"],
    indirect=["caller"],
)
def test_g4_p4_invite_under_way_is_sent_again_and_the_call_goes_on(caller: Caller, provisional: str) -> None:
    caller.dial()
    first = caller.accepted()
    before = read(first, "INVITE")
    if provisional:
        first.sendall(response(before, provisional).encode())
        caller.state(pj.PJSIP_INV_STATE_EARLY)
    reset(first)
    second = caller.accepted()
    after = read(second, "INVITE")
    assert header(after, "Call-ID") == header(before, "Call-ID")
    assert header(after, "Via") != header(before, "Via")
    answer(second, after, caller.port)
    read(second, "ACK")
    assert caller.state(pj.PJSIP_INV_STATE_CONFIRMED) == 200
    assert caller.call.ended == ""
    caller.call.hangup(pj.CallOpParam())
    bye = read(second, "BYE")
    second.sendall(response(bye).encode())
    caller.state(pj.PJSIP_INV_STATE_DISCONNECTED)


@polls
def test_g4_p4_invite_is_sent_again_only_once(caller: Caller) -> None:
    caller.dial()
    for _ in range(2):
        peer = caller.accepted()
        read(peer, "INVITE")
        reset(peer)
    assert caller.state(pj.PJSIP_INV_STATE_DISCONNECTED) == 503
    assert caller.call.ended.startswith("reopening failed: ")


@polls
def test_g6_p6_invite_ends_with_503_where_reopening_fails(caller: Caller) -> None:
    caller.dial()
    peer = caller.accepted()
    read(peer, "INVITE")
    caller.server.close()
    reset(peer)
    assert caller.state(pj.PJSIP_INV_STATE_DISCONNECTED) == 503
    assert caller.call.ended == "reopening failed: Connection refused"


def test_g6_p6_confirmed_call_is_released_where_reopening_fails(caller: Caller) -> None:
    peer = confirmed(caller)
    caller.server.close()
    reset(peer)
    caller.state(pj.PJSIP_INV_STATE_DISCONNECTED)
    assert caller.call.ended == "reopening failed: Connection refused"


def test_g6_p6_confirmed_call_goes_on_over_a_fresh_connection(caller: Caller) -> None:
    reset(confirmed(caller))
    peer = caller.accepted()
    peer.sendall(response(read(peer, "OPTIONS")).encode())
    until(lambda: caller.call._connection)  # the fresh one is watched as well
    assert (caller.call.ended, caller.call.isActive()) == ("", True)
    assert caller.states.empty()


@polls
@pytest.mark.parametrize(
    ("recover", "words"), [(Recover.YES, "found by name"), (Recover.NO, "@recover is off")], ids=str
)
def test_g9_p9_invite_to_a_name_is_not_sent_again(caller: Caller, recover: Recover, words: str) -> None:
    caller.dial(recover, "localhost")
    peer = caller.accepted()
    read(peer, "INVITE")
    reset(peer)
    assert caller.state(pj.PJSIP_INV_STATE_DISCONNECTED) == 503
    assert words in caller.call.ended
