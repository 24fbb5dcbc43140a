"""What `attach` remembers of each socket of the process, and how it brings one to its policy."""

from __future__ import annotations

import functools
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pjka import enforce
from pjka.attach.assign import UNASSIGNED, Assignment
from pjka.enforce import Drift, Outcome
from pjka.keepalive.platforms import Platform, SocketOption
from pjka.keepalive.policy import Policy
from pjka.linux import tcp_info
from pjka.linux.connections import KernelConnection, Timer
from pjka.linux.process import Process
from pjka.linux.sockopts import borrowed
from pjka.linux.tcp_info import TcpState

Found = tuple[SocketOption, ...]

# the kernel may round a timer up by an eighth
_TIMER_SLACK = 5_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of one transport's sockets; ``patient`` is the same without the user timeout (seconds).

    ``longest``: milliseconds beyond which the keep-alive timer of a socket is not the one wanted, 0
    without one.
    """

    options: tuple[SocketOption, ...]
    patient: tuple[SocketOption, ...]
    user_timeout: float
    idle: float
    longest: int

    @classmethod
    def by(cls, policy: Policy, platform: Platform) -> Wanted | None:
        """What the policy wants of the kernel; None where it wants nothing."""
        tcp = policy.tcp
        if not tcp.enable and not tcp.user_timeout:
            return None
        options = tcp.socket_options(platform)
        name = platform.user_timeout.name if platform.user_timeout else None
        patient = tuple(option for option in options if option.name != name)
        timers = tcp.timers(platform)
        longest = int(max(timers.idle, timers.interval) * 1000) + _TIMER_SLACK if tcp.enable else 0
        return cls(options, patient, tcp.user_timeout or 0.0, timers.idle if tcp.enable else 0.0, longest)


@dataclass(slots=True)
class Held:
    """One socket of the process: a listener or a connection.

    ``before`` is what the kernel held for it before pjka changed anything. ``postponed``: its user timeout is
    still to be set. ``probed_at_once``: its first probe went out as the policy was applied, because it had
    been silent for longer than the idle time. ``unmet``: what is not as wanted.
    """

    serial: int
    connection: KernelConnection
    fd: int
    since: float
    assignment: Assignment = UNASSIGNED
    protocol: str = "tcp"
    wanted: Wanted | None = None
    before: Found = ()
    postponed: bool = False
    probed_at_once: bool = False
    unmet: tuple[Drift, ...] = ()

    @property
    def cookie(self) -> int:
        """The kernel's number of the socket, never used again."""
        return self.connection.cookie

    @property
    def direction(self) -> str:
        """As in a `ConnectionRow`."""
        return "incoming" if self.assignment.incoming else "outgoing"

    def looks_wrong(self) -> bool:
        """Whether its timer alone shows, without asking, that it lacks the keep-alive wanted."""
        if self.wanted is None or self.wanted.longest == 0 or self.connection.state != TcpState.ESTABLISHED:
            return False
        timer = self.connection.timer
        return timer == Timer.OFF or (
            timer == Timer.KEEPALIVE and self.connection.timer_ms > self.wanted.longest
        )


def bring(process: Process, held: Held, wanted: Wanted) -> Outcome:
    """Bring the socket to what is wanted, and note what it came to; OSError where the process let go of it.

    A connection on which nothing came for longer than the user timeout must not get that at once: its first
    probe goes out now, and with the user timeout already exceeded a single lost packet would end a live
    connection. It gets it as soon as the peer has answered.
    """
    with process.duplicate(held.fd, held.connection.inode) as copy:
        silence = tcp_info.silence(copy) if held.connection.destination_port else 0.0
        late = 0 < wanted.user_timeout <= silence
        outcome = enforce.apply(copy, wanted.patient if late else wanted.options)
    held.postponed = late
    held.probed_at_once = bool(outcome.drift) and 0 < wanted.idle <= silence
    held.unmet = outcome.unmet
    held.before = _earliest(held.before, outcome.drift)
    return outcome


def shift(process: Process, held: Held) -> None:
    """Let the idle time of a connection start anew; OSError where the process let go of it."""
    with process.duplicate(held.fd, held.connection.inode) as copy, borrowed(copy) as options:
        options.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
        options.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def examine(process: Process, held: Held, wanted: Wanted) -> tuple[Drift, ...]:
    """What is not as wanted on the socket now; OSError where the process let go of it."""
    with process.duplicate(held.fd, held.connection.inode) as copy:
        return enforce.check(copy, wanted.patient if held.postponed else wanted.options)


def restore(process: Process, held: Held) -> Outcome:
    """Put back what the kernel held before; OSError where the process let go of the socket."""
    with process.duplicate(held.fd, held.connection.inode) as copy:
        outcome = enforce.apply(copy, held.before)
    held.unmet = outcome.unmet
    held.before = ()
    return outcome


def _earliest(before: Found, drift: Sequence[Drift]) -> Found:
    known = {option.name for option in before}
    new = [
        (seen.option.level, seen.option.name, seen.found, seen.option.symbol)
        for seen in drift
        if seen.option.name not in known
    ]
    return before + _options(tuple(new)) if new else before


@functools.lru_cache(maxsize=64)
def _options(values: tuple[tuple[int, int, int, str], ...]) -> Found:
    """One value for all the sockets that were alike, which thousands are."""
    return tuple(SocketOption(*value) for value in values)
