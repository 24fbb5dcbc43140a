"""Which descriptor of this process is the socket of a transport.

pjproject tells it for TCP connections only; listeners and TLS connections are found by their addresses. A
descriptor is used again as soon as its socket is closed, so it is remembered with the socket's inode.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The socket that had this number when it was looked up."""

    fd: int
    inode: int

    @property
    def valid(self) -> bool:
        """Whether the number still means that socket."""
        return _inode(self.fd) == self.inode


def describe(fd: int) -> Descriptor | None:
    """The socket behind ``fd``, or None if it is closed."""
    inode = _inode(fd)
    return None if inode is None else Descriptor(fd, inode)


def find_listener(host: str, port: int) -> Descriptor | None:
    """The TCP socket of this process that listens on exactly this address."""
    found = (fd for fd in sorted(_open_descriptors()) if _is_listener(fd, (host, port)))
    return next((describe(fd) for fd in found), None)


def find_connection(local: tuple[str, int], peer: tuple[str, int], known: set[int]) -> Descriptor | None:
    """The TCP socket of this process between these addresses; ``known`` descriptors are not looked at."""
    found = (fd for fd in sorted(_open_descriptors() - known) if _is_connection(fd, local, peer))
    return next((describe(fd) for fd in found), None)


def _open_descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


def _inode(fd: int) -> int | None:
    try:
        return os.fstat(fd).st_ino
    except OSError:
        return None


@contextmanager
def _borrowed(fd: int) -> Iterator[socket.socket]:
    """A socket object on ``fd`` to ask questions with.

    The type says non-blocking, so that Python does not change that flag, and the family is the one with the
    longer addresses, which does for both.
    """
    borrowed = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0, fd)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _is_listener(fd: int, address: tuple[str, int]) -> bool:
    try:
        with _borrowed(fd) as each:
            listens = each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            return bool(listens) and each.getsockname()[:2] == address
    except OSError:
        return False


def _is_connection(fd: int, local: tuple[str, int], peer: tuple[str, int]) -> bool:
    try:
        with _borrowed(fd) as each:
            stream = each.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
            return stream and each.getpeername()[:2] == peer and each.getsockname()[:2] == local
    except OSError:
        return False
