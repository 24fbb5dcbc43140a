"""`struct tcp_info`, the kernel's account of one TCP connection (linux/tcp.h, tcp(7))."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from pjka.linux.sockopts import borrowed

_LEAST = 104
_LAYOUT = struct.Struct("=8B24I4Q6I4Q2I2Q")
_LAST_RECEIVED = struct.Struct("=52x2I")


class TcpState(IntEnum):
    """The states of a TCP socket, numbered as in net/tcp_states.h."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """What the kernel knows of a connection.

    ``retransmits``, ``probes``: retransmissions and keep-alive probes without an answer, in a row.
    ``unacked``: segments sent and not acknowledged. ``rtt``, ``rto``: microseconds.
    ``last_*``: milliseconds ago. ``bytes_*``, ``not_sent``: octets; those acknowledged and received count
    one more for a SYN or a FIN.
    """

    state: TcpState
    retransmits: int
    probes: int
    unacked: int
    rto: int
    rtt: int
    last_data_sent: int
    last_data_received: int
    last_ack_received: int
    total_retransmits: int
    bytes_acked: int
    bytes_received: int
    not_sent: int
    bytes_sent: int
    bytes_retransmitted: int


def parse(data: bytes) -> TcpInfo:
    """Read a `struct tcp_info` of any kernel from 2.6 on; ValueError where it is too short.

    The structure only ever grew at its end, so what an older kernel leaves out is 0.
    """
    if len(data) < _LEAST:
        raise ValueError(f"struct tcp_info of {len(data)} bytes, expected at least {_LEAST}")
    fields = _LAYOUT.unpack_from(data.ljust(_LAYOUT.size, b"\0"))
    return TcpInfo(
        state=TcpState(fields[0]),
        retransmits=fields[2],
        probes=fields[3],
        unacked=fields[12],
        rto=fields[8],
        rtt=fields[23],
        last_data_sent=fields[17],
        last_data_received=fields[19],
        last_ack_received=fields[20],
        total_retransmits=fields[31],
        bytes_acked=fields[34],
        bytes_received=fields[35],
        not_sent=fields[38],
        bytes_sent=fields[48],
        bytes_retransmitted=fields[49],
    )


def read(fd: int) -> TcpInfo:
    """Ask the kernel about the connection behind ``fd``; OSError where it is no TCP socket."""
    with borrowed(fd) as options:
        return parse(options.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))


def silence(fd: int) -> float:
    """Seconds since anything came from the peer, as the kernel's keep-alive counts; OSError as for `read`."""
    with borrowed(fd) as options:
        data = options.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LEAST)
    data_ago, ack_ago = _LAST_RECEIVED.unpack_from(data)
    return float(min(data_ago, ack_ago)) / 1000
