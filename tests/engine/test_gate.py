"""More connections than the engine holds: nothing aborts, and those that have been waiting get in."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from managed import Managed, options, until

from pjka.events import ConnectionDown, ListenersPaused, ListenersResumed
from pjka.status import Cause

Manage = Callable[..., Managed]
Section = Callable[..., str]


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """A limit of open files that leaves room for some 30 connections, on every engine."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield 90
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
    managed = manage(transport("t", "tcp"), idle_limit=2.0)
    monkeypatch.setattr(type(managed.module.gate), "capacity", property(lambda _: 8))
    phone = managed.connect("t")
    phone.sendall(options())
    phone.recv(65536)
    crowd(managed, 60)
    managed.next(ListenersPaused)
    assert managed.module.gate.in_use <= 8 + 50  # what pjproject accepts in one go
    phone.sendall(options(2))
    assert phone.recv(65536).startswith(b"SIP/2.0 200")
    managed.next(ListenersResumed)
    late = managed.connect("t")
    late.sendall(options(3))
    assert late.recv(65536).startswith(b"SIP/2.0 200")
    deaths = {each.cause for each in managed.module.monitors.deaths}
    assert deaths <= {Cause.IDLE_KILL, Cause.ENGINE_FULL}


def test_capacity_is_bounded_by_descriptors(manage: Manage, transport: Section, few_descriptors: int) -> None:
    managed = manage(transport("t", "tcp"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (few_descriptors, hard))
    assert managed.module.gate.capacity == few_descriptors - 48 - 7


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
