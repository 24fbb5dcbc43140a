"""Desired against actual: what a transport's policy asks of a socket, and what the kernel holds for it.

A setting counts only once it has been read back. Linux accepts 1 to 32767 seconds and 1 to 127 probes and
refuses all else with EINVAL, with SO_KEEPALIVE already on and the kernel's two hours in force.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pjka.keepalive.platforms import SocketOption
from pjka.linux.sockopts import borrowed


@dataclass(frozen=True, slots=True)
class Drift:
    """An option whose value on the socket is not the one wanted; both as the kernel counts them."""

    option: SocketOption
    found: int

    def __str__(self) -> str:
        return f"{self.option.symbol} is {self.found}, wanted {self.option.value}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An option that the kernel did not take, with its errno."""

    option: SocketOption
    errno: int

    def __str__(self) -> str:
        return f"the kernel refuses {self.option.symbol} = {self.option.value}: {os.strerror(self.errno)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What applying a policy came to.

    ``drift``: what was not as wanted before. ``refused``: what the kernel did not take. ``unmet``: what is
    still not as wanted.
    """

    drift: tuple[Drift, ...] = ()
    refused: tuple[Refusal, ...] = ()
    unmet: tuple[Drift, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every option has been read back as wanted."""
        return not self.unmet


_HOLDS = Outcome()


def check(fd: int, wanted: Sequence[SocketOption]) -> tuple[Drift, ...]:
    """Compare the socket with ``wanted`` (`TcpKeepAlive.socket_options`).

    OSError where ``fd`` is no TCP socket.
    """
    with borrowed(fd) as options:
        return _drift(options, wanted)


def apply(fd: int, wanted: Sequence[SocketOption]) -> Outcome:
    """Bring the socket to ``wanted``, in that order, and read it back; OSError where ``fd`` is no TCP socket.

    What is already right is not set again: setting TCP_KEEPIDLE restarts the timer of a connection on which
    probes are going unanswered.
    """
    with borrowed(fd) as options:
        drift = _drift(options, wanted)
        if not drift:
            return _HOLDS
        changed = [found.option for found in drift]
        refused = tuple(refusal for option in changed if (refusal := _set(options, option)))
        return Outcome(drift, refused, _drift(options, changed))


def _drift(options: socket.socket, wanted: Sequence[SocketOption]) -> tuple[Drift, ...]:
    return tuple(
        Drift(option, found)
        for option in wanted
        if (found := options.getsockopt(option.level, option.name)) != option.value
    )


def _set(options: socket.socket, option: SocketOption) -> Refusal | None:
    try:
        options.setsockopt(option.level, option.name, option.value)
    except OSError as error:
        return Refusal(option, error.errno or 0)
    return None
