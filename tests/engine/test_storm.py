"""A storm of connects and resets, with everything going on that could deadlock or leak; production engine."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from managed import Certificates, options
from outside import SCRIPT, OutsideDaemon, cpu, ports

from pjka.surface.client import CommandError, ControlClient

SECONDS = 60.0
RATE = 300
ALIVE_AT_ONCE = 150
QUIET = 2.0  # s: longest that the reactor may be silent

pytestmark = pytest.mark.skipif(
    os.environ.get("PJKA_ENGINE") == "trial",
    reason="the storm is for the production engine, and has run on it",
)


class Peers:
    """Connects at a rate, says something of its own kind on each connection, and resets the oldest ones."""

    def __init__(self, tcp: int, tls: tuple[int, ssl.SSLContext] | None, seconds: float) -> None:
        self._tcp, self._tls = tcp, tls
        self._until = time.monotonic() + seconds
        self._random = random.Random(7)
        self._open: deque[socket.socket] = deque()
        self.ended = threading.Event()
        self.made = 0
        self.refused = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self.ended.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        due = time.monotonic()
        while not self.ended.is_set() and time.monotonic() < self._until:
            self._one()
            due += 1 / RATE
            time.sleep(max(due - time.monotonic(), 0))
        self.ended.set()
        while self._open:
            self._end()

    def _one(self) -> None:
        self.made += 1
        try:
            self._open.append(self._connected())
        except OSError:
            self.refused += 1
        if len(self._open) > ALIVE_AT_ONCE:
            self._end()

    def _connected(self) -> socket.socket:
        if self._tls is not None and self.made % 30 == 0:
            port, context = self._tls
            raw = socket.create_connection(("127.0.0.1", port), 5)
            peer: socket.socket = context.wrap_socket(raw, server_hostname="localhost")
            peer.sendall(options(self.made))
            return peer
        port = self._tls[0] if self._tls is not None and self.made % 30 == 15 else self._tcp
        peer = socket.create_connection(("127.0.0.1", port), 5)
        peer.sendall(self._random.choice(WORDS))
        return peer

    def _end(self) -> None:
        peer = self._open.popleft()
        if self._random.random() < 0.8:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()


WORDS = [
    options(1),
    options(2) + b"\r\n\r\n" + options(3)[:60],
    b"\r\n\r\n",
    b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    bytes(range(256)),
    b"\0" * 4000,
]


@dataclass
class Operator:
    """Asks, listens to events and reloads while the storm goes on."""

    control: Path
    file: Path
    ended: threading.Event
    reloads: int = 0
    shows: int = 0
    kills: int = 0
    slowest: float = 0.0
    events: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def start(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._guarded, args=(each,), daemon=True)
            for each in (self._listen, self._ask, self._reload)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _guarded(self, work: Callable[[ControlClient], None]) -> None:
        try:
            with ControlClient(self.control) as client:
                work(client)
        except Exception as error:
            self.problems.append(f"{work.__name__}: {error!r}")

    def _listen(self, client: ControlClient) -> None:
        for line in client.events({}, SECONDS + 3):
            self.events[str(line.get("event", {}).get("event", "lost"))] += 1  # type: ignore[attr-defined]
            if self.ended.is_set():
                return

    def _ask(self, client: ControlClient) -> None:
        while not self.ended.wait(0.2):
            start = time.monotonic()
            for subject in ("connections", "deaths", "engine", "transports"):
                rows = client.request(f"show {subject}", {})["rows"]  # type: ignore[index]
                if subject == "connections" and rows:
                    self._kill(client, rows[-1]["serial"])
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.shows += 1

    def _kill(self, client: ControlClient, serial: int) -> None:
        with contextlib.suppress(CommandError):  # it is gone already
            client.request("kill", {"connection": serial})
            self.kills += 1

    def _reload(self, client: ControlClient) -> None:
        text = self.file.read_text(encoding="utf-8")
        while not self.ended.wait(1.0):
            self.reloads += 1
            odd = self.reloads % 2
            changed = text.replace("idle_time=30", f"idle_time={30 + odd}")
            self.file.write_text(changed.replace("interval=1\n", f"interval={1 + odd}\n"), encoding="utf-8")
            client.request("reload", {}, 10)


@pytest.fixture
def daemon(tmp_path: Path, transport: Callable[..., str]) -> Iterator[OutsideDaemon]:
    text = "[global]\ntype=global\nkeep_alive_interval=1\n" + "\n".join(
        (
            transport("crlf", "tcp"),
            transport("tls", "tls", "tcp_keepalive_enable=yes", "tcp_keepalive_idle_time=30"),
        )
    )
    started = OutsideDaemon(tmp_path, text)
    yield started
    started.close()


@pytest.mark.timeout(180)
def test_storm_leaves_nothing(daemon: OutsideDaemon, certificates: Certificates) -> None:
    where = ports(daemon.file.read_text())
    before = daemon.held()
    peers = Peers(where["crlf"], (where["tls"], certificates.client()), SECONDS)
    operator = Operator(daemon.control, daemon.file, peers.ended)
    threads = operator.start()
    sizes = []
    for _ in range(round(SECONDS * 4)):
        time.sleep(0.25)
        daemon.listen()
        assert time.monotonic() - daemon.fed < 5, "the reactor hangs"
        sizes.append(daemon.resident())
    peers.join()
    for thread in threads:
        thread.join(15)
    assert not operator.problems
    assert peers.made > 0.9 * RATE * SECONDS
    assert peers.refused < peers.made / 100
    assert operator.reloads > SECONDS / 2
    assert operator.events["connection-up"] + operator.events["lost"] > 0
    assert daemon.quietest < QUIET
    half = sizes[len(sizes) // 2 :]
    print(
        f"{peers.made=} {peers.refused=} {operator=} {daemon.quietest=} {half[0]=} {max(half)=} {half[-1]=}"
    )
    assert max(half) < 1.05 * half[0]
    deadline = time.monotonic() + 15
    while (after := daemon.held()) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert after == before
    assert daemon.stop() == 0
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) < 60 * SECONDS  # of 300 connections a second, each up and down


def test_the_same_storm_deadlocks_who_holds_a_lock_around_a_raw_send() -> None:
    """With a worker thread and a lock that the state callback takes; this is why there is one reactor."""
    wrong = subprocess.Popen(
        [sys.executable, str(SCRIPT), "wrong"],
        env={**os.environ, "PJKA_ENGINE": "production"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert wrong.stdout is not None
    peers = None
    try:
        said = b""
        while not said.startswith(b"port "):  # what pjproject prints before it is told not to
            said = wrong.stdout.readline()
            assert said, f"it does not start ({wrong.wait()})"
        peers = Peers(int(said[5:]), None, SECONDS)
        while select.select([wrong.stdout], [], [], 5)[0]:
            assert os.read(wrong.stdout.fileno(), 65536), f"it crashed ({wrong.wait()}) instead"
            assert not peers.ended.is_set(), "no deadlock in all that time"
        used = cpu(wrong.pid)
        time.sleep(0.5)
        assert (wrong.poll(), cpu(wrong.pid)) == (None, used), "it is not waiting, it is busy"
    finally:
        wrong.kill()
        wrong.wait()
        wrong.stdout.close()
        if peers is not None:
            peers.join()
