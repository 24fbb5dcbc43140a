"""The TCP sockets of a network namespace as the kernel lists them: sock_diag(7), linux/inet_diag.h.

Written straight onto the netlink socket: 9,000 connections are read in 20 ms and without a netlink library's
15 MiB, which is what lets `attach` look often and stay small.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from types import TracebackType
from typing import NamedTuple

from pjka.linux import tcp_info
from pjka.linux.tcp_info import TcpInfo, TcpState

Address = tuple[str, int]

_NETLINK_SOCK_DIAG = 4
_ERROR, _DONE = 2, 3
_SOCK_DIAG_BY_FAMILY, _SOCK_DESTROY = 20, 21
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_INFO, _BYTECODE = 2, 1
_JUMP, _S_EQ = 1, 11
_ANY_COOKIE = (1 << 64) - 1
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_ENDING_GROUPS = (1, 3)  # SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY
_ENDINGS_BUFFER = 1 << 20
_BUFFER = 1 << 16
_WAIT = 5.0

_HEADER = struct.Struct("=IHHII")
_LENGTH_AND_TYPE = struct.Struct("=IH")
_CODE = struct.Struct("=i")
_ASK = struct.Struct("=BBBBIHH16s16sIQ")
_MESSAGE = struct.Struct("=16xBBBBHH16s16sIQIIIII")
_ATTRIBUTE = struct.Struct("=HH")
_OPERATION = struct.Struct("=BBH")

_HELD = sum(
    1 << state
    for state in (
        TcpState.ESTABLISHED,
        TcpState.SYN_SENT,
        TcpState.FIN_WAIT1,
        TcpState.FIN_WAIT2,
        TcpState.CLOSE_WAIT,
        TcpState.LAST_ACK,
        TcpState.CLOSING,
    )
)


def printed(address: Address) -> str:
    """Host and port as SIP writes them, with brackets around an IPv6 address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Timer(IntEnum):
    """What the kernel waits for on a connection (``idiag_timer``)."""

    OFF = 0
    RETRANSMIT = 1
    KEEPALIVE = 2
    TIME_WAIT = 3
    ZERO_WINDOW = 4


class KernelConnection(NamedTuple):
    """One TCP socket with the kernel's own numbers; its addresses are decoded when asked for.

    ``timer_ms``: milliseconds until ``timer`` fires. ``retransmits``: what that timer has sent in vain,
    probes or data. ``receive_queue``: bytes not yet read; of a listener, connections not yet accepted.
    ``send_queue``: bytes not yet acknowledged; of a listener, its backlog. ``inode``: 0 where no process
    holds the socket.
    """

    family: int
    state: int
    timer: int
    retransmits: int
    source_port: int
    destination_port: int
    source: bytes
    destination: bytes
    interface: int
    cookie: int
    timer_ms: int
    receive_queue: int
    send_queue: int
    uid: int
    inode: int

    @property
    def local(self) -> Address:
        """Our address and port; an IPv6 socket that talks IPv4 has its plain IPv4 address."""
        return _host(self.family, self.source), socket.ntohs(self.source_port)

    @property
    def remote(self) -> Address:
        """The peer's address and port."""
        return _host(self.family, self.destination), socket.ntohs(self.destination_port)


class Diagnostics:
    """A sock_diag socket; it looks into the network namespace in which it was made, and stays with that.

    Everything here raises OSError: EPERM for want of rights, TimeoutError where the kernel owes an answer.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        self._socket.settimeout(_WAIT)

    def __enter__(self) -> Diagnostics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the netlink socket."""
        self._socket.close()

    def listeners(self) -> list[KernelConnection]:
        """All listening TCP sockets."""
        return self._dump(1 << TcpState.LISTEN)

    def connections(self, besides: Sequence[int] = ()) -> list[KernelConnection]:
        """All TCP connections that a process may hold, besides those with one of these local ports."""
        return self._dump(_HELD, besides)

    def accounts(self) -> list[tuple[KernelConnection, TcpInfo | None]]:
        """All TCP connections, each with the kernel's account of it; takes several times as long."""
        found: list[tuple[KernelConnection, TcpInfo | None]] = []
        for family in _FAMILIES:
            self._ask_for_dump(family, _HELD, 1 << (_INFO - 1), b"")
            ended = False
            while not ended:
                messages, ended = _split(self._socket.recv(_BUFFER))
                found += map(_parse, messages)
        return found

    def look(self, connection: KernelConnection) -> tuple[KernelConnection, TcpInfo | None] | None:
        """The connection as it is now, in TIME_WAIT too; None where the kernel has forgotten it."""
        self._send(_SOCK_DIAG_BY_FAMILY, _REQUEST, _ask(connection, 1 << (_INFO - 1), _ANY_COOKIE))
        try:
            ((reply,), _) = _split(self._socket.recv(_BUFFER))
        except FileNotFoundError:
            return None
        found, info = _parse(reply)
        is_listener = found.destination_port != connection.destination_port
        return None if is_listener else (found, info)

    def destroy(self, connection: KernelConnection) -> bool:
        """End a connection: its owner gets ECONNABORTED, its peer a reset. False where it has gone already.

        OSError EPERM without CAP_NET_ADMIN, EOPNOTSUPP on a kernel without CONFIG_INET_DIAG_DESTROY.
        """
        self._send(_SOCK_DESTROY, _REQUEST | _ACK, _ask(connection, 0, connection.cookie))
        try:
            _split(self._socket.recv(_BUFFER))
        except FileNotFoundError:
            return False
        return True

    def _dump(self, states: int, besides: Sequence[int] = ()) -> list[KernelConnection]:
        found: list[KernelConnection] = []
        for family in _FAMILIES:
            self._ask_for_dump(family, states, 0, _besides(besides))
            while not self._read_dump(found):
                pass
        return found

    def _ask_for_dump(self, family: int, states: int, extensions: int, attribute: bytes) -> None:
        ask = _ASK.pack(family, socket.IPPROTO_TCP, extensions, 0, states, 0, 0, b"", b"", 0, _ANY_COOKIE)
        self._send(_SOCK_DIAG_BY_FAMILY, _REQUEST | _DUMP, ask + attribute)

    def _read_dump(self, found: list[KernelConnection]) -> bool:
        """Add the messages of one read, and tell whether the dump ends with it; the loop is the hot one."""
        data = self._socket.recv(_BUFFER)
        position, end = 0, len(data)
        unpack, make, head = _MESSAGE.unpack_from, KernelConnection._make, _LENGTH_AND_TYPE.unpack_from
        while position < end:
            length, kind = head(data, position)
            if kind != _SOCK_DIAG_BY_FAMILY:
                _raise_error(kind, data[position:])
                return True
            found.append(make(unpack(data, position)))
            position += length + 3 & ~3
        return False

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body)


class Endings:
    """Hears of each TCP connection of a network namespace as the kernel frees it, with its last account.

    That is at the moment when the process has closed it and the protocol has ended. `lost` counts how often
    the kernel had to drop news because they were not read in time.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ENDINGS_BUFFER)
        self._socket.bind((0, 0))
        for group in _ENDING_GROUPS:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the netlink socket."""
        self._socket.close()

    def read(self) -> list[tuple[KernelConnection, TcpInfo | None]]:
        """What has ended since the last call; never waits."""
        ended: list[tuple[KernelConnection, TcpInfo | None]] = []
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return ended
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            ended += map(_parse, _split(data)[0])


def _split(data: bytes) -> tuple[list[bytes], bool]:
    """The sock_diag messages of one read, and whether they are the last; OSError where one is an error."""
    messages: list[bytes] = []
    position = 0
    while position < len(data):
        length, kind = _LENGTH_AND_TYPE.unpack_from(data, position)
        message = data[position : position + length]
        if kind != _SOCK_DIAG_BY_FAMILY:
            _raise_error(kind, message)
            return messages, True
        messages.append(message)
        position += length + 3 & ~3
    return messages, False


def _parse(message: bytes) -> tuple[KernelConnection, TcpInfo | None]:
    return KernelConnection._make(_MESSAGE.unpack_from(message)), _info_in(message)


def _info_in(message: bytes) -> TcpInfo | None:
    """The `struct tcp_info` among the attributes of a message, None where there is none."""
    position = _MESSAGE.size
    while position + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, position)
        if kind == _INFO:
            return tcp_info.parse(message[position + _ATTRIBUTE.size : position + length])
        position += max(length, _ATTRIBUTE.size) + 3 & ~3
    return None


def _raise_error(kind: int, message: bytes) -> None:
    number = -_CODE.unpack_from(message, _HEADER.size)[0] if kind in (_ERROR, _DONE) else 0
    if number > 0:
        raise OSError(number, os.strerror(number))


def _ask(connection: KernelConnection, extensions: int, cookie: int) -> bytes:
    return _ASK.pack(
        connection.family,
        socket.IPPROTO_TCP,
        extensions,
        0,
        (1 << 32) - 1,
        connection.source_port,
        connection.destination_port,
        connection.source,
        connection.destination,
        connection.interface,
        cookie,
    )


def _besides(ports: Sequence[int]) -> bytes:
    """A filter that the kernel runs on each socket (linux/inet_diag.h, INET_DIAG_REQ_BYTECODE).

    For each port: where it is equal, go on to a jump four bytes past the end, which means no; else skip that.
    """
    if not ports:
        return b""
    code = b""
    for count, port in enumerate(ports, 1):
        out = 12 * (len(ports) - count) + 4 + 4
        code += _OPERATION.pack(_S_EQ, 8, 12) + _OPERATION.pack(0, 0, port) + _OPERATION.pack(_JUMP, 4, out)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(code), _BYTECODE) + code


def _host(family: int, address: bytes) -> str:
    if family == socket.AF_INET:
        return socket.inet_ntop(family, address[:4])
    if address.startswith(bytes(10) + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return socket.inet_ntop(family, address)
