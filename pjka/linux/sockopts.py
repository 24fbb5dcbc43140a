"""The keep-alive options of a socket known by its descriptor, read and set without changing anything else.

A descriptor here may be the duplicate of a socket that belongs to another process. Both share one open file
description, so its flags (non-blocking above all) must never change. `socket.socket(fileno=...)` does change
them where `socket.setdefaulttimeout()` is in use; a type that says SOCK_NONBLOCK keeps it from doing so.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """The keep-alive settings that the kernel holds for one socket, listening or connected.

    Times in seconds; ``user_timeout`` goes in steps of a millisecond and is 0 where it is off (tcp(7)).
    """

    keepalive: bool
    idle: int
    interval: int
    probes: int
    user_timeout: float


class borrowed:
    """A socket object on ``fd`` for its options only, as in ``with borrowed(fd) as options``.

    No flag of the descriptor changes, and it stays open. Raises OSError where ``fd`` is no open socket.
    """

    __slots__ = ("_socket",)

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP, fd
        )

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.detach()


def read(fd: int) -> SocketSettings:
    """Read what the kernel holds for this socket; OSError where it is no TCP socket."""
    with borrowed(fd) as options:
        return SocketSettings(
            keepalive=options.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0,
            idle=options.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            interval=options.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            probes=options.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            user_timeout=options.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000,
        )
