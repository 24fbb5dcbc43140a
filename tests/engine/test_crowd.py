"""Thousands of silent peers, and peers that do harm: phones get through, nothing crashes, hangs or leaks."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from managed import options, until
from outside import OutsideDaemon, ports

from pjka.surface.client import ControlClient

CROWD = 5000
ROOM = 4000  # descriptors that the daemon may have
TIMER_B = 6.4

SYSTEM = "[system]\ntype=system\ntimer_t1=100\ntimer_b=6400\n[global]\ntype=global\nkeep_alive_interval=0\n"
PHONE = "[phone]\ntype=endpoint\naors=phone\n[phone]\ntype=aor\nmax_contacts=1\nqualify_frequency=1\n"
REGISTER = (
    "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP {0}:{1};rport;branch=z9hG4bKr\r\n"
    "From: <sip:phone@127.0.0.1>;tag=1\r\nTo: <sip:phone@127.0.0.1>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n"
    "Max-Forwards: 70\r\nContact: <sip:phone@{0}:{1};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
)

Section = Callable[..., str]
Start = Callable[..., OutsideDaemon]

pytestmark = pytest.mark.skipif(
    os.environ.get("PJKA_ENGINE") == "trial",
    reason="the crowd is for the production engine, and has come to it",
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[OutsideDaemon] = []

    def run(*sections: str, descriptors: int | None = None) -> OutsideDaemon:
        started.append(OutsideDaemon(tmp_path, "\n".join(sections), descriptors))
        return started[-1]

    yield run
    for each in started:
        each.close()


@pytest.fixture
def crowd() -> Iterator[Callable[[int, int], list[socket.socket]]]:
    """Silent peers that begin to connect, 2,500 in a second; as many descriptors as that takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CROWD), hard))
    peers: list[socket.socket] = []

    def come(port: int, number: int) -> list[socket.socket]:
        for index in range(number):
            if index % 50 == 49:
                time.sleep(0.02)
            peers.append(socket.socket())
            peers[-1].setblocking(False)
            with contextlib.suppress(BlockingIOError):
                peers[-1].connect(("127.0.0.1", port))
        return peers

    yield come
    for peer in peers:
        peer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Phone:
    """A phone that has registered, answers OPTIONS, and notes how long it was without."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.sendall(REGISTER.format(*self.socket.getsockname()).encode())
        self.asked = 0
        self.waited = 0.0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self.socket.close()

    def _serve(self) -> None:
        last = time.monotonic()
        while data := self.socket.recv(65536):
            for message in data.split(b"\r\n\r\n"):
                if message.startswith(b"OPTIONS"):
                    self.socket.sendall(answer(message))
                    self.asked += 1
                    self.waited = max(self.waited, time.monotonic() - last)
                    last = time.monotonic()


def answer(request: bytes) -> bytes:
    kept = [line for line in request.split(b"\r\n") if line.split(b":")[0] in ECHOED]
    return b"\r\n".join([b"SIP/2.0 200 OK", *kept, b"Content-Length: 0", b"", b""])


ECHOED = {b"Via", b"From", b"To", b"Call-ID", b"CSeq"}


def test_silent_thousands_keep_no_phone_out(
    start: Start, transport: Section, crowd: Callable[..., list[socket.socket]]
) -> None:
    daemon = start(SYSTEM, PHONE, transport("t", "tcp"), descriptors=ROOM)
    port = ports(daemon.file.read_text())["t"]
    with ControlClient(daemon.control) as client:

        def show(subject: str) -> list[dict[str, object]]:
            return client.request(f"show {subject}", {})["rows"]  # type: ignore[index, no-any-return]

        phone = Phone(port)
        came = time.monotonic()
        crowd(port, CROWD)
        until(lambda: show("engine")[0]["handles_used"] > ROOM - 350, 20)  # type: ignore[operator]
        assert len(show("connections")) < ROOM
        until(lambda: phone.asked >= 4)
        assert show("contacts")[0]["status"] == "Reachable"
        late = socket.create_connection(("127.0.0.1", port), 30)
        late.settimeout(10)
        late.sendall(options())
        assert late.recv(65536).startswith(b"SIP/2.0 200")
        assert time.monotonic() - came > TIMER_B
        # the rest of the crowd got in then, and is closed a timer later
        until(lambda: len(show("connections")) == 2, 3 * TIMER_B + 10)
        assert show("contacts")[0]["status"] == "Reachable"
        assert phone.waited < 2.5
    late.close()
    phone.close()
    log = daemon.log.read_text()
    assert "listeners-paused" in log
    assert len(log.splitlines()) < 400
    assert "Traceback" not in log


BAD = {
    "garbage": bytes(range(1, 256)) * 40,
    "other protocol": b"GET / HTTP/1.0\r\n\r\n" * 100,
    "endless line": b"A" * 1_000_000,
    "half message": options()[:-40],
    "body that never comes": options().replace(b"Length: 0", b"Length: 60000") + b"x" * 100,
    "length that is none": options().replace(b"Length: 0", b"Length: -1"),
    "newlines": b"\r\n" * 100_000,
}


@pytest.mark.parametrize("words", BAD.values(), ids=[name.replace(" ", "-") for name in BAD])
def test_bad_input_harms_nobody_and_fills_no_log(start: Start, transport: Section, words: bytes) -> None:
    daemon = start("[global]\ntype=global\nkeep_alive_interval=0\n", transport("t", "tcp"))
    port = ports(daemon.file.read_text())["t"]
    before = daemon.held()
    phone = socket.create_connection(("127.0.0.1", port), 10)
    phone.sendall(options())
    assert phone.recv(65536).startswith(b"SIP/2.0 200")
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", port), 10) as peer, contextlib.suppress(OSError):
            peer.sendall(words)
    phone.sendall(options(2))
    assert phone.recv(65536).startswith(b"SIP/2.0 200")
    phone.close()
    until(lambda: daemon.held() == before, 20)
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) < 150
    assert daemon.stop() == 0


def test_peer_that_does_not_read_holds_nobody_up(start: Start, transport: Section) -> None:
    daemon = start("[global]\ntype=global\nkeep_alive_interval=0\n", transport("t", "tcp"))
    port = ports(daemon.file.read_text())["t"]
    before = daemon.held()
    phone = socket.create_connection(("127.0.0.1", port), 10)
    with socket.create_connection(("127.0.0.1", port), 10) as deaf:
        deaf.settimeout(1)
        with contextlib.suppress(OSError):
            for number in range(100):
                deaf.sendall(b"".join(options(100 * number + each) for each in range(100)))
        asked = time.monotonic()
        phone.sendall(options())
        assert phone.recv(65536).startswith(b"SIP/2.0 200")
        assert time.monotonic() - asked < 1.0
    phone.close()
    until(lambda: daemon.held() == before, 20)
    assert len(daemon.log.read_text().splitlines()) < 150
    assert daemon.stop() == 0
