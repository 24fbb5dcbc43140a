"""One mechanism per transport, seen on the wire (Asterisk's keep-alive case 4)."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable

import pytest
from managed import Managed, options

from pjka.keepalive.policy import Mechanism

Manage = Callable[..., Managed]
Section = Callable[..., str]

CRLF_EVERY_SECOND = "[global]\ntype=global\nkeep_alive_interval=1\n"
PING = b"\r\n\r\n"


def received(peer: socket.socket, seconds: float) -> list[tuple[float, bytes]]:
    """What arrives within that time, and when."""
    arrived = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        peer.settimeout(left)
        try:
            data = peer.recv(65536)
            arrived.append((time.monotonic(), data))
        except TimeoutError:
            break
    return arrived


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_asterisk_9_4_no_byte_where_the_kernel_keeps_alive(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(CRLF_EVERY_SECOND, transport("t", protocol, "tcp_keepalive_enable=yes"))
    accepted, outgoing = managed.connect("t"), managed.call("t")
    outgoing.recv(65536)  # the OPTIONS that opened it
    accepted.sendall(options())
    accepted.recv(65536)
    assert managed.module.listeners.all["t"].policy.mechanism is Mechanism.KERNEL
    assert received(accepted, 3.2) == []
    outgoing.settimeout(0.01)
    with pytest.raises(TimeoutError):
        outgoing.recv(1)


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_asterisk_1_1_double_crlf_on_the_global_tick(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(CRLF_EVERY_SECOND, transport("t", protocol))
    first = managed.connect("t")
    time.sleep(0.3)
    second = managed.connect("t")
    on_first, on_second = received(first, 3.3), received(second, 0.1)
    assert managed.module.listeners.all["t"].policy.mechanism is Mechanism.CRLF
    assert [data for _, data in on_first] == [PING] * len(on_first)
    assert len(on_first) >= 3
    pauses = [late - early for (early, _), (late, _) in itertools.pairwise(on_first)]
    assert pauses == pytest.approx([1.0] * len(pauses), abs=0.1)
    assert b"".join(data for _, data in on_second) == PING * len(on_first)


def test_asterisk_1_1_outgoing_gets_crlf_too(manage: Manage, transport: Section) -> None:
    managed = manage(CRLF_EVERY_SECOND, transport("t", "tcp"))
    outgoing = managed.call("t")
    outgoing.recv(65536)
    assert [data for _, data in received(outgoing, 2.2)] == [PING] * 2


def test_crlf_only_where_it_is_the_mechanism(manage: Manage, transport: Section) -> None:
    managed = manage(
        CRLF_EVERY_SECOND,
        transport("kernel", "tcp", "tcp_keepalive_enable=yes"),
        transport("crlf", "tcp"),
        transport("outbound", "tcp", "@keepalive=outbound"),
    )
    peers = {name: managed.connect(name) for name in ("kernel", "crlf", "outbound")}
    arrived = {"crlf": received(peers["crlf"], 2.2)}
    arrived |= {name: received(peers[name], 0.05) for name in ("kernel", "outbound")}
    assert [data for _, data in arrived["crlf"]] == [PING] * 2
    assert arrived["kernel"] == arrived["outbound"] == []


def test_interval_0_sends_nothing(manage: Manage, transport: Section) -> None:
    managed = manage("[global]\ntype=global\nkeep_alive_interval=0\n", transport("t", "tcp"))
    assert received(managed.connect("t"), 1.2) == []
    assert managed.module.listeners.all["t"].policy.mechanism is Mechanism.NONE


def test_pjprojects_own_timers_are_off(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp"))
    assert managed.reactor.call(managed.endpoint.native.keep_alive_intervals) == (0, 0)
