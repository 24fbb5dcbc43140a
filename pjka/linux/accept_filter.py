"""Keep new connections of a listening socket waiting, with a socket filter (socket(7), SO_ATTACH_FILTER).

A filter that drops every segment stops handshakes; the peer's kernel tries again after 1, 3, 7 seconds, so
that a pause costs it patience and nothing else. Connections that have been accepted have no part in it.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from pjka.linux.sockopts import borrowed

_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_RETURN = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K: accept 0 bytes


def pause(fd: int) -> None:
    """Let no new connection come up on the listening socket ``fd``; OSError if it is no socket."""
    program = ctypes.create_string_buffer(_RETURN, len(_RETURN))
    with borrowed(fd) as options:
        options.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


def resume(fd: int) -> None:
    """Let new connections come up again; OSError if ``fd`` is no socket or not paused."""
    with borrowed(fd) as options:
        options.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
