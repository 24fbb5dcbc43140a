"""Every connection from its first to its last moment (Asterisk 1.2 to 1.7), and why it ended."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable

import pytest
from managed import Managed, free_port, options, until

from pjka.events import ConnectionDown, ConnectionUp, Drift
from pjka.linux import drop_filter
from pjka.linux.sockopts import borrowed, read
from pjka.status import Cause

Manage = Callable[..., Managed]
Section = Callable[..., str]

PROTOCOLS = ["tcp", "tls"]
QUICK = (
    "tcp_keepalive_enable=yes",
    "tcp_keepalive_idle_time=1",
    "tcp_keepalive_interval_time=1",
    "tcp_keepalive_probe_count=1",
)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket(fileno=peer.detach()).close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_asterisk_1_2_up_with_direction_peer_and_owner(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(transport("one", protocol), transport("other", protocol))
    peer = managed.connect("other")
    up = managed.next(ConnectionUp)
    host, port = peer.getsockname()[:2]
    assert (up.transport, up.protocol, up.direction) == ("other", protocol, "incoming")
    assert up.peer == f"{host}:{port}"
    outgoing = managed.call("one")
    up = managed.next(ConnectionUp)
    assert (up.transport, up.direction, up.serial) == ("one", "outgoing", 2)
    assert managed.connection_of(outgoing).serial == up.serial


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cause_peer_closed(manage: Manage, transport: Section, protocol: str) -> None:
    managed = manage(transport("t", protocol))
    peer = managed.connect("t")
    serial = managed.connection_of(peer).serial
    peer.shutdown(socket.SHUT_RDWR)
    down = managed.next(ConnectionDown)
    assert (down.serial, down.cause, down.error) == (serial, Cause.PEER_CLOSED, None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cause_reset(manage: Manage, transport: Section, protocol: str) -> None:
    managed = manage(transport("t", protocol))
    peer = managed.connect("t")
    managed.connection_of(peer)
    reset(peer)
    down = managed.next(ConnectionDown)
    assert (down.cause, down.error) == (Cause.RESET, 104)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_g1_p1_cause_keepalive_at_the_predicted_time(
    manage: Manage, transport: Section, protocol: str
) -> None:
    managed = manage(transport("t", protocol, *QUICK))
    peer = managed.connect("t")
    peer.sendall(options())
    peer.recv(65536)
    cut = time.monotonic()
    drop_filter.attach(peer.fileno())
    down = managed.next(ConnectionDown)
    assert (down.cause, down.error) == (Cause.KEEPALIVE, 110)
    assert 1.7 < time.monotonic() - cut < 3.0
    assert down.silent is not None
    assert 1.9 < down.silent < 3.0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cause_user_timeout_with_data_outstanding(manage: Manage, transport: Section, protocol: str) -> None:
    managed = manage(transport("t", protocol, *QUICK))
    peer = managed.connect("t")
    connection = managed.connection_of(peer)
    drop_filter.attach(peer.fileno())
    managed.reactor.call(lambda: managed.module.monitors.send(connection, b"\r\n\r\n"))
    written = time.monotonic()
    down = managed.next(ConnectionDown)
    assert (down.cause, down.error) == (Cause.USER_TIMEOUT, 110)
    assert 1.9 < time.monotonic() - written < 4.0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cause_killed(manage: Manage, transport: Section, protocol: str) -> None:
    managed = manage(transport("t", protocol))
    peer = managed.connect("t")
    assert managed.module.kill(managed.connection_of(peer).serial)
    assert managed.next(ConnectionDown).cause is Cause.KILLED
    assert peer.recv(1) == b""
    assert not managed.module.kill(1)


def test_cause_connect_failed(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp"))
    managed.send_options("t", free_port())
    down = managed.next(ConnectionDown)
    assert (down.cause, down.error, down.direction) == (Cause.CONNECT_FAILED, 111, "outgoing")
    assert not managed.module.monitors.get(down.serial)


def test_cause_tls_verify(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tls", "verify_server=yes"))
    with contextlib.suppress(OSError):  # what the peer sees of it depends on the version of TLS
        managed.call("t")
    assert managed.next(ConnectionDown).cause is Cause.TLS_VERIFY


def test_asterisk_1_3_idle_kill(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp"), idle_limit=0.5)
    silent, crlf, garbage, answer, phone = (managed.connect("t") for _ in range(5))
    crlf.sendall(b"\r\n\r\n")
    garbage.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer.sendall(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    phone.sendall(options())
    phone.recv(65536)
    downs = [managed.next(ConnectionDown) for _ in range(4)]
    assert {down.cause for down in downs} == {Cause.IDLE_KILL}
    assert all(0.45 < down.age < 1.5 for down in downs)
    time.sleep(0.2)
    assert [each.peer for each in managed.module.monitors] == [phone.getsockname()]
    assert silent.recv(1) == b""


def test_asterisk_1_2_outgoing_without_keepalive_is_left_to_pjproject(
    manage: Manage, transport: Section
) -> None:
    """A connection that nothing keeps alive is not held: pjproject's own idle timer may close it."""
    managed = manage(
        "[global]\ntype=global\nkeep_alive_interval=0\n",
        transport("kept", "tcp", "tcp_keepalive_enable=yes"),
        transport("left", "tcp"),
    )
    held = {name: managed.connection_of(managed.call(name)).held for name in ("kept", "left")}
    assert held == {"kept": True, "left": False}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_reference_or_descriptor_is_left(manage: Manage, transport: Section, protocol: str) -> None:
    managed = manage(transport("t", protocol))
    native = managed.endpoint.native
    for _ in range(20):
        peer = managed.connect("t")
        managed.connection_of(peer)
        reset(peer)
        managed.next(ConnectionDown)
    count = native.library.pjsip_tpmgr_get_transport_count
    until(lambda: managed.reactor.call(lambda: count(native.manager)) == 0)
    assert len(managed.module.monitors) == 0
    until(lambda: managed.module.gate.in_use == 2)


def test_deaths_are_kept_in_order_and_bounded(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp"))
    for _ in range(3):
        managed.connect("t").close()
        managed.next(ConnectionDown)
    deaths = managed.module.monitors.deaths
    assert [death.serial for death in deaths] == [1, 2, 3]
    assert deaths.maxlen == 200


def test_drift_is_found_mended_and_told(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"), sweep=0.2)
    connection = managed.connection_of(managed.connect("t"))
    assert connection.descriptor is not None
    with borrowed(connection.descriptor.fd) as options_of:
        options_of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 7000)
    drift = managed.next(Drift)
    assert drift.mended
    assert drift.drift == ("TCP_KEEPIDLE is 7000, wanted 30",)
    assert read(connection.descriptor.fd).idle == 30


def test_sweep_reaches_every_connection(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes"), sweep=0.5)
    connections = [managed.connection_of(managed.connect("t")) for _ in range(25)]
    for connection in connections:
        assert connection.descriptor is not None
        with borrowed(connection.descriptor.fd) as options_of:
            options_of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 7000)
    assert {managed.next(Drift).serial for _ in connections} == {each.serial for each in connections}
