"""More connections than the engine holds: nothing aborts, and those that have been waiting get in."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest
from managed import Managed, options, until

from pjka.errors import PjkaError
from pjka.events import ConnectionDown, ListenersPaused, ListenersResumed
from pjka.gate import Gate
from pjka.qualifying import Qualifying
from pjka.status import Cause

Manage = Callable[..., Managed]
Section = Callable[..., str]


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """A limit of open files that leaves room for some 30 connections, beyond what this process has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield max(90, max(map(int, os.listdir("/proc/self/fd"))) + 50)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def crowd(managed: Managed, number: int) -> list[socket.socket]:
    """Peers that begin to connect at once."""
    listener = managed.module.listeners.all["t"].listener
    assert listener is not None
    peers = []
    for _ in range(number):
        peer = socket.socket()
        peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            peer.connect((listener.host, listener.port))
        peers.append(peer)
    managed.sockets += peers
    return peers


def test_full_engine_keeps_new_ones_waiting_and_idle_kill_lets_them_in(
    manage: Manage, transport: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gate, "_places", property(lambda _: 15))
    managed = manage(transport("t", "tcp"), idle_limit=2.0)
    assert managed.module.gate.capacity == 8
    phone = managed.connect("t")
    phone.sendall(options())
    phone.recv(65536)
    crowd(managed, 60)
    managed.next(ListenersPaused)
    time.sleep(0.3)
    assert managed.module.gate.in_use <= 15  # with what the kernel had accepted already
    phone.sendall(options(2))
    assert phone.recv(65536).startswith(b"SIP/2.0 200")
    managed.next(ListenersResumed)
    late = managed.connect("t")
    late.sendall(options(3))
    assert late.recv(65536).startswith(b"SIP/2.0 200")
    deaths = {each.cause for each in managed.module.monitors.deaths}
    assert deaths <= {Cause.IDLE_KILL, Cause.ENGINE_FULL}


def test_capacity_is_bounded_by_descriptors(manage: Manage, transport: Section, few_descriptors: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (few_descriptors, hard))
    managed = manage(transport("t", "tcp"))
    places = min(managed.endpoint.engine.limits.handles, few_descriptors - 48)
    backlog = max(5, places // 16)
    assert managed.module.gate.capacity == places - 1 - (backlog + 1)


def test_storm_of_connects_and_resets(manage: Manage, transport: Section) -> None:
    """150 per second end the trial engine by itself; it must be slowed down before that."""
    managed = manage(transport("t", "tcp"))
    for _ in range(150):
        peer = managed.connect("t")
        peer.close()
    deadline = time.monotonic() + 10
    while len(managed.module.monitors) and time.monotonic() < deadline:
        managed.next(ConnectionDown)
    until(lambda: managed.module.gate.in_use == 2)
    assert not managed.module.gate.must_refuse


@pytest.fixture
def stuck() -> Iterator[list[int]]:
    """Ports of 100 peers that answer no connect: what they may keep waiting is full."""
    opened = []
    ports = []
    for _ in range(100):
        server = socket.create_server(("127.0.0.1", 0), backlog=0)
        ports.append(server.getsockname()[1])
        opened.append(server)
        for _ in range(2):
            filling = socket.socket()
            filling.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filling.connect(("127.0.0.1", ports[-1]))
            opened.append(filling)
    yield ports
    for each in opened:
        each.close()


def test_contacts_that_do_not_answer_do_not_fill_the_engine(
    manage: Manage, transport: Section, stuck: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 at once; the trial engine has 64 places, and a phone must still get in."""
    aors = [
        f"[a{port}]\ntype=aor\nqualify_frequency=1\nqualify_timeout=0.5\n"
        f"contact=sip:127.0.0.1:{port}\\;transport=tcp\n[a{port}]\ntype=endpoint\naors=a{port}\n"
        for port in stuck
    ]
    managed = manage(transport("t", "tcp"), *aors)
    gate = managed.module.gate
    monkeypatch.setattr(type(gate), "capacity", property(lambda _: 50))
    phone = managed.connect("t")
    qualifying = Qualifying(managed.module, Random(1))
    qualifying.start()
    try:
        qualifying.load(managed.configuration())
        until(lambda: {row.status for row in qualifying.contacts()} == {"Unreachable"})
        words = {row.last for row in qualifying.contacts()}
        assert any("the engine is full" in word for word in words), words
        assert any("no answer in time" in word or "timeout" in word for word in words), words
        phone.sendall(options())
        assert phone.recv(65536).startswith(b"SIP/2.0 200")
    finally:
        qualifying.stop()


def test_no_place_is_given_beyond_the_capacity(
    manage: Manage, transport: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = manage(transport("t", "tcp"))
    gate = managed.module.gate
    monkeypatch.setattr(type(gate), "capacity", property(lambda _: 4))
    places = [gate.enter(), gate.enter()]
    with pytest.raises(PjkaError, match="the engine is full"):
        gate.enter()
    for leave in places:
        leave()
    with pytest.raises(PjkaError, match="the engine is full"):
        gate.enter()
    until(lambda: gate.in_use == 2)
    gate.enter()()
