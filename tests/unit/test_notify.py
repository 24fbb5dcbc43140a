"""sd_notify: what arrives at the manager's socket."""

from __future__ import annotations

import os
import resource
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pjka.errors import PjkaError
from pjka.surface.notify import Notifier, watchdog_period


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The manager's end, and its address as NOTIFY_SOCKET gives it."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@pjka-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1))
        receiver.settimeout(5)
        yield address, receiver


def test_messages_of_a_life(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    notifier = Notifier(address)
    for send in (notifier.ready, notifier.watchdog, notifier.stopping):
        send()
    notifier.status("3 connections")
    messages = [receiver.recv(4096) for _ in range(4)]
    assert messages == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1", b"STATUS=3 connections"]


def test_reload_carries_the_monotonic_clock(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    before = time.monotonic_ns() // 1000
    Notifier(address).reloading()
    first, second = receiver.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_status_cannot_smuggle_an_assignment(manager: tuple[str, socket.socket]) -> None:
    address, receiver = manager
    Notifier(address).status("fine\nREADY=1")
    assert receiver.recv(4096) == rb"STATUS=fine\nREADY=1"


@pytest.mark.parametrize("address", [None, ""])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    Notifier(address or None).ready()


def test_manager_that_is_gone_does_not_stop_the_daemon(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "gone")).ready()


def fill(filler: socket.socket, address: str) -> None:
    try:
        while True:
            filler.sendto(b"x", address)
    except BlockingIOError:
        pass


def test_without_a_descriptor_nothing_is_sent_and_the_next_message_is(
    manager: tuple[str, socket.socket],
) -> None:
    address, received = manager
    notifier = Notifier(address)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        notifier.watchdog()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    notifier.stopping()
    assert received.recv(100) == b"STOPPING=1"


def test_manager_that_does_not_read_does_not_hold_the_daemon(manager: tuple[str, socket.socket]) -> None:
    address, _ = manager
    notifier = Notifier(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as filler:
        fill(filler, address.replace("@", "\0", 1))
        started = time.monotonic()
        notifier.watchdog()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("address", ["vsock:2:1234", "relative"])
def test_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(PjkaError) as caught:
        Notifier(address)
    assert caught.value.option == "NOTIFY_SOCKET"


def test_watchdog_period_is_half_of_the_limit() -> None:
    assert watchdog_period({"WATCHDOG_USEC": "30000000"}) == 15
    assert watchdog_period({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}) == 15


def test_watchdog_of_another_process_is_not_ours() -> None:
    assert watchdog_period({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog_period({}) is None


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "1.5"])
def test_watchdog_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(PjkaError) as caught:
        watchdog_period({"WATCHDOG_USEC": text})
    assert caught.value.option == "WATCHDOG_USEC"
