"""Names are looked up within a limit."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from pjka.attach.names import Names


def test_an_address_is_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert Names(0.0).addresses("192.0.2.7") == ["192.0.2.7"]
    assert Names(0.0).addresses("2001:DB8::7") == ["2001:db8::7"]


def test_a_name_is_asked_for_once(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def answer(host, port, type):
        asked.append(host)
        return [(0, 0, 0, "", ("192.0.2.1", 0)), (0, 0, 0, "", ("192.0.2.2", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    names = Names(5.0)
    assert names.addresses("pbx.example") == names.addresses("pbx.example") == ["192.0.2.1", "192.0.2.2"]
    assert asked == ["pbx.example"]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), OSError()])
def test_a_name_without_addresses_has_none(monkeypatch: pytest.MonkeyPatch, error: Exception):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert Names(5.0).addresses("pbx.example") == []


def test_silent_name_servers_cost_the_limit_once(monkeypatch: pytest.MonkeyPatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and [])
    names = Names(0.2)
    began = time.monotonic()
    assert [names.addresses(f"{number}.example") for number in range(5)] == [[]] * 5
    assert time.monotonic() - began < 5
    release.set()
