"""Asterisk's keep-alive cases 1 and 2, read from the sockets with getsockopt."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from managed import Managed

from pjka.linux.sockopts import SocketSettings, borrowed

Manage = Callable[..., Managed]
Section = Callable[..., str]

PROTOCOLS = ("tcp", "tls")
HOSTS = ("127.0.0.1", "::1")
SYSTEM = SocketSettings(False, 7200, 75, 9, 0.0)
CASES = {
    "unset": ((), SYSTEM),
    "no": (("tcp_keepalive_enable=no",), SYSTEM),
    "yes": (("tcp_keepalive_enable=yes",), SocketSettings(True, 30, 1, 5, 35.0)),
    "garbage": (("tcp_keepalive_enable=maybe",), SYSTEM),
    "explicit": (
        (
            "tcp_keepalive_enable=yes",
            "tcp_keepalive_idle_time=33",
            "tcp_keepalive_interval_time=7",
            "tcp_keepalive_probe_count=4",
        ),
        SocketSettings(True, 33, 7, 4, 61.0),
    ),
    "old_pbx": (
        ("@tcp_keepalive_enable=yes", "@tcp_keepalive_idle_time=12", "@tcp_user_timeout=no"),
        SocketSettings(True, 12, 1, 5, 0.0),
    ),
    "own_user_timeout": (
        ("tcp_keepalive_enable=yes", "@tcp_user_timeout=9.5"),
        SocketSettings(True, 30, 1, 5, 9.5),
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", CASES)
def test_asterisk_9_1_listener_and_accepted(
    manage: Manage, transport: Section, case: str, protocol: str, host: str
) -> None:
    lines, expected = CASES[case]
    managed = manage(transport("t", protocol, *lines, host=host))
    accepted = managed.connection_of(managed.connect("t"))
    assert managed.settings_of("t") == expected
    assert managed.settings_of("t", accepted) == expected
    assert accepted.drift == ()
    assert accepted.descriptor is not None
    with borrowed(accepted.descriptor.fd) as options:
        assert options.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", CASES)
def test_asterisk_9_1_outgoing(
    manage: Manage, transport: Section, case: str, protocol: str, host: str
) -> None:
    lines, expected = CASES[case]
    managed = manage(transport("t", protocol, *lines, host=host))
    outgoing = managed.connection_of(managed.call("t"))
    assert outgoing.direction == "outgoing"
    assert managed.settings_of("t", outgoing) == expected
    assert outgoing.transport == "t"


def test_siblings_have_their_own(manage: Manage, transport: Section) -> None:
    managed = manage(
        transport("slow", "tcp", "tcp_keepalive_enable=yes", "tcp_keepalive_idle_time=111"),
        transport("fast", "tcp", "tcp_keepalive_enable=yes", "tcp_keepalive_idle_time=222"),
        transport("off", "tcp"),
    )
    idle = {
        name: managed.settings_of(name, managed.connection_of(managed.connect(name))).idle
        for name in ("slow", "fast", "off")
    }
    assert idle == {"slow": 111, "fast": 222, "off": 7200}
