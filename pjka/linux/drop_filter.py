"""A socket that drops whatever arrives, by a socket filter (socket(7), SO_ATTACH_FILTER).

On a listening socket that keeps new connections waiting: the peer tries again after 1, 3, 7 seconds, so a
pause costs it patience and nothing else, and accepted connections have no part in it. On a connection it is
what a cut path is to the peer: nothing is acknowledged any more, no probe answered, nothing reset.

Older kernels let everyone attach a filter; newer ones want CAP_NET_ADMIN over the network namespace (seen on
Linux 6.18), which an unprivileged user has in a namespace of its own.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from pjka.linux.sockopts import borrowed

_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_RETURN = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K: accept 0 bytes


def attach(fd: int) -> None:
    """Drop what arrives from now on; PermissionError if not allowed, OSError if ``fd`` is no socket."""
    program = ctypes.create_string_buffer(_RETURN, len(_RETURN))
    with borrowed(fd) as options:
        options.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


def detach(fd: int) -> None:
    """Take in again what arrives; OSError if ``fd`` is no socket or has no filter."""
    with borrowed(fd) as options:
        options.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
