"""The kernel's list of TCP sockets, compared with what `ss` and the sockets themselves say."""

from __future__ import annotations

import errno
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

import pytest

from pjka.linux.connections import Diagnostics, Endings, KernelConnection, Timer
from pjka.linux.tcp_info import TcpState

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def kernel() -> Iterator[Diagnostics]:
    with Diagnostics() as diagnostics:
        yield diagnostics


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["ipv4", "ipv6"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    host, family = request.param
    with socket.create_server((host, 0), family=family) as sock:
        yield sock


@pytest.fixture
def pair(listener: socket.socket) -> Iterator[Pair]:
    with socket.create_connection(listener.getsockname()[:2]) as phone:
        pbx, _ = listener.accept()
        with pbx:
            yield phone, pbx


def inode(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def entry(kernel: Diagnostics, sock: socket.socket) -> KernelConnection:
    (found,) = [one for one in kernel.connections() if one.inode == inode(sock)]
    return found


def test_a_connection_has_its_addresses_and_state(kernel, pair):
    phone, pbx = pair
    found = entry(kernel, pbx)
    assert found.local == pbx.getsockname()[:2]
    assert found.remote == phone.getsockname()[:2]
    assert (found.state, found.timer, found.uid) == (TcpState.ESTABLISHED, Timer.OFF, os.getuid())


def test_an_ipv4_peer_of_a_dual_stack_listener_has_its_ipv4_address(kernel):
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener,
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])) as phone,
    ):
        pbx, _ = listener.accept()
        with pbx:
            assert entry(kernel, pbx).family == socket.AF_INET6
            assert entry(kernel, pbx).remote == phone.getsockname()
            assert entry(kernel, pbx).local == phone.getpeername()


def test_listeners_are_apart(kernel, listener, pair):
    (found,) = [one for one in kernel.listeners() if one.inode == inode(listener)]
    assert found.local == listener.getsockname()[:2]
    assert found.state == TcpState.LISTEN
    assert not [one for one in kernel.connections() if one.inode == inode(listener)]


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss")
def test_ss_lists_the_same_connections(kernel, pair):
    shown = subprocess.run(["ss", "-Htnoe"], capture_output=True, text=True, check=True).stdout
    inodes = {int(line.split("ino:")[1].split()[0]) for line in shown.splitlines() if "ino:" in line}
    ours = {one.inode for one in kernel.connections() if one.inode}
    assert {inode(sock) for sock in pair} <= inodes & ours


def test_the_keepalive_timer_and_its_time_are_seen(kernel, pair):
    _, pbx = pair
    pbx.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    pbx.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found = entry(kernel, pbx)
    assert found.timer == Timer.KEEPALIVE
    assert 20_000 < found.timer_ms <= 31_000


def test_ports_can_be_left_out_by_the_kernel(kernel, listener, pair):
    phone, pbx = pair
    ports = [1, listener.getsockname()[1], 2]
    assert {one.inode for one in kernel.connections(besides=ports)} & {inode(phone), inode(pbx)} == {
        inode(phone)
    }
    both = [*ports, phone.getsockname()[1]]
    assert not {one.inode for one in kernel.connections(besides=both)} & {inode(phone), inode(pbx)}


def test_many_ports_can_be_left_out(kernel, listener, pair):
    _, pbx = pair
    ports = [*range(1, 200), listener.getsockname()[1]]
    assert inode(pbx) not in {one.inode for one in kernel.connections(besides=ports)}


def test_look_gives_the_kernels_account_of_one_connection(kernel, pair):
    phone, pbx = pair
    found = entry(kernel, pbx)
    phone.sendall(b"x" * 7)
    assert select.select([pbx], [], [], 5)[0]
    looked = kernel.look(found)
    assert looked
    now, info = looked
    assert (now.inode, now.receive_queue) == (found.inode, 7)
    assert info
    assert info.bytes_received == 7


def test_accounts_are_those_of_look(kernel, pair):
    _, pbx = pair
    ((found, info),) = [one for one in kernel.accounts() if one[0].inode == inode(pbx)]
    looked = kernel.look(found)
    assert looked
    assert info
    assert looked[1]
    assert looked[0]._replace(timer_ms=0) == found._replace(timer_ms=0)
    assert (info.state, info.rtt) == (TcpState.ESTABLISHED, looked[1].rtt)
    assert kernel.connections()


def test_look_at_a_connection_that_is_gone_finds_neither_it_nor_its_listener(kernel, listener, pair):
    phone, pbx = pair
    found = entry(kernel, pbx)
    phone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    phone.close()
    pbx.close()
    assert kernel.look(found) is None


@pytest.mark.root
def test_destroy_ends_a_connection_at_both_ends(kernel, pair):
    phone, pbx = pair
    found = entry(kernel, pbx)
    assert kernel.destroy(found)
    assert select.select([pbx, phone], [], [], 5)[0]
    with pytest.raises(ConnectionAbortedError):
        pbx.recv(1)
    phone.settimeout(5)
    with pytest.raises(ConnectionResetError):
        phone.recv(1)
    assert not kernel.destroy(found)


@pytest.mark.root
def test_destroy_never_hits_another_connection_between_the_same_addresses(kernel, pair):
    _, pbx = pair
    older = entry(kernel, pbx)._replace(cookie=1)
    assert not kernel.destroy(older)
    assert entry(kernel, pbx).state == TcpState.ESTABLISHED


@pytest.mark.root
def test_destroy_without_the_right_to_is_an_error(kernel, pair):
    found = entry(kernel, pair[1])
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setuid(65534)
            with Diagnostics() as unprivileged:
                unprivileged.destroy(found)
        except OSError as error:
            status = 0 if error.errno == errno.EPERM else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ending(endings: Endings, cookie: int):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        select.select([endings], [], [], 1)
        for found, info in endings.read():
            if found.cookie == cookie:
                return found, info
    raise AssertionError("the kernel told nothing")


def test_the_end_of_a_connection_is_told_with_its_last_account(kernel, pair):
    phone, pbx = pair
    phone.sendall(b"x" * 9)
    assert len(pbx.recv(9, socket.MSG_WAITALL)) == 9
    found = entry(kernel, pbx)
    endings = Endings()
    try:
        assert endings.read() == []
        phone.close()
        pbx.close()
        ended, info = ending(endings, found.cookie)
        assert (ended.local, ended.remote) == (found.local, found.remote)
        assert info
        assert (info.bytes_received, info.bytes_acked, info.probes, info.retransmits) == (10, 1, 0, 0)
    finally:
        endings.close()


def test_news_that_were_not_read_in_time_are_counted(listener):
    endings = Endings()
    endings._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    try:
        for _ in range(50):
            socket.create_connection(listener.getsockname()[:2]).close()
            listener.accept()[0].close()
        deadline = time.monotonic() + 10
        while not endings.lost:
            assert time.monotonic() < deadline
            endings.read()
    finally:
        endings.close()
