"""What the sockets of a transport should have, and what follows from it: detection times and bandwidth.

All times are seconds. A detection time runs from the cut of the path, or from the first write after it where
data is outstanding, to the error on the socket. The predictions follow Linux, ``net/ipv4/tcp_timer.c``; what
differs elsewhere is data in :mod:`pjka.keepalive.platforms`. The kernel's timers are never early,
and long ones are some 3 % late.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from pjka.keepalive.platforms import OptionForm, Platform, SocketOption

NEVER: Final = math.inf
"""The detection time of what is not noticed at all."""

IpVersion = Literal[4, 6]

# A segment without data: IP header and a TCP header with timestamps, no link layer (Ethernet adds 18 bytes).
_SEGMENT: Final[dict[IpVersion, int]] = {4: 20 + 32, 6: 40 + 32}

# The tail loss probe and the first retransmission, 0.2 s each, come before the kernel starts to count the
# user timeout; measured 0.42 to 0.64 s on Linux 6.18.
_RETRANSMISSION_STARTS: Final = 0.5

# The kernel's model of its retransmissions is the least that they take: each time-out is a round trip longer
# than 0.2 s doubled, and the timer wheel up to an eighth late. Measured 1.055 of the model for 8 of them on
# Linux 6.18; the longest 6 of 15 are capped at 120 s, which makes it 1.02.
_LATE: Final = 1.03


class Mechanism(StrEnum):
    """What writes on a connection to keep it alive, or to see whether it is."""

    KERNEL = "kernel"
    """TCP keep-alive."""
    CRLF = "crlf"
    """The PBX's own double CRLF, ``[global] keep_alive_interval``."""
    PJPROJECT = "pjproject"
    """The same from pjproject's timer, where the PBX is built with a pjproject that has it on."""
    OPTIONS = "options"
    """Qualify."""
    OUTBOUND = "outbound"
    """Ping and pong of RFC 5626."""
    REGISTER = "register"
    """A registration refreshed early."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Timers:
    """The three times of TCP keep-alive that are in force on a socket."""

    idle: float
    interval: float
    probes: int

    @property
    def budget(self) -> float:
        """Seconds that an idle connection may stay silent: idle + interval x probes."""
        return self.idle + self.interval * self.probes


@dataclass(frozen=True, slots=True)
class TcpKeepAlive:
    """The kernel settings of a transport's sockets.

    ``idle``, ``interval`` (seconds) and ``probes`` are None where the kernel's own timers stay (``system``);
    ``user_timeout`` (seconds) is None where the socket's own stays, and 0 switches it off.
    """

    enable: bool
    idle: int | None
    interval: int | None
    probes: int | None
    user_timeout: float | None

    @classmethod
    def configured(
        cls,
        *,
        enable: bool,
        idle: int | None,
        interval: int | None,
        probes: int | None,
        user_timeout: float | Literal["auto"] | None,
        platform: Platform,
    ) -> TcpKeepAlive:
        """The settings as a file has them; ``auto`` becomes idle + interval x probes, or None if not enabled.

        With that one value an idle connection and one with data outstanding have the same detection time
        (RFC 5482 4.2 asks that keep-alive is not the quicker of the two).
        """
        if user_timeout != "auto":
            return cls(enable, idle, interval, probes, user_timeout)
        if not enable or platform.user_timeout is None:
            return cls(enable, idle, interval, probes, None)
        budget = cls(enable, idle, interval, probes, None).timers(platform).budget
        longest = platform.user_timeout.high / platform.user_timeout.units
        return cls(enable, idle, interval, probes, min(budget, longest))

    def socket_options(self, platform: Platform) -> tuple[SocketOption, ...]:
        """The options in the order in which to set them.

        SO_KEEPALIVE comes first: on a connection that has been idle for longer than ``idle``, that makes the
        kernel probe at once; the other way round the idle time starts anew.
        """
        options = [platform.keepalive.option(int(self.enable))]
        if self.enable:
            times = (
                (platform.idle, self.idle),
                (platform.interval, self.interval),
                (platform.probes, self.probes),
            )
            options += [form.option(value) for form, value in times if value is not None]
        if self.user_timeout is not None and platform.user_timeout is not None:
            options.append(platform.user_timeout.option(self.user_timeout))
        return tuple(options)

    def timers(self, platform: Platform) -> Timers:
        """The times in force: the kernel's own where none was set, and where it refuses the one that was."""
        system = platform.timers
        return Timers(
            _taken(platform.idle, self.idle, system.idle),
            _taken(platform.interval, self.interval, system.interval),
            int(_taken(platform.probes, self.probes, system.probes)),
        )

    def unanswered_probes(self, platform: Platform) -> int:
        """How many probes go unanswered before the connection is given up.

        On Linux a user timeout overrides the configured number: the verdict falls when the next probe is due
        after that time, but never before one probe was sent (``tcp_keepalive_timer``).
        """
        timers = self.timers(platform)
        if not (platform.user_timeout_overrides_probes and self._bound(platform)):
            return timers.probes
        return max(1, math.ceil((self._bound(platform) - timers.idle) / timers.interval))

    def detection_idle(self, platform: Platform) -> float:
        """How long a dead peer goes unnoticed while nothing is outstanding; :data:`NEVER` if disabled."""
        if not self.enable:
            return NEVER
        timers = self.timers(platform)
        return timers.idle + timers.interval * self.unanswered_probes(platform)

    def detection_busy(self, platform: Platform) -> float | None:
        """How long a dead peer goes unnoticed from a write on; None where that is not known.

        With data outstanding no probe is sent (RFC 1122 4.2.3.6), so only retransmission finds out: after the
        user timeout, or without one when the system's patience ends (``tcp_retries2`` on Linux).
        """
        if bound := self._bound(platform):
            return bound + _RETRANSMISSION_STARTS
        patience = platform.timers.retransmission
        return None if patience is None else patience * _LATE

    def detection_beside(self, platform: Platform, every: float) -> float | None:
        """The worst case on an idle connection on which something else writes within ``every`` seconds.

        A write that comes before the verdict on the probes ends the probing: from then on it is a busy one.
        """
        busy = self.detection_busy(platform)
        return None if busy is None else min(every, self.detection_idle(platform)) + busy

    def bytes_per_hour(self, platform: Platform, version: IpVersion) -> float:
        """IP bytes of one idle connection: a probe and its acknowledgement per idle time.

        Each is 52 bytes over IPv4 and 72 over IPv6, whether the transport is tcp or tls: the headers with TCP
        timestamps and no data. The link layer is not counted.
        """
        if not self.enable:
            return 0.0
        return 3600 / self.timers(platform).idle * 2 * _SEGMENT[version]

    def _bound(self, platform: Platform) -> float:
        """The user timeout in force; 0 where there is none."""
        if platform.user_timeout is None or self.user_timeout is None:
            return 0.0
        return self.user_timeout if platform.user_timeout.accepts(self.user_timeout) else 0.0


def _taken(form: OptionForm, wanted: int | None, system: float) -> float:
    return wanted if wanted is not None and form.accepts(wanted) else system


@dataclass(frozen=True, slots=True)
class Qualify:
    """OPTIONS every ``frequency`` seconds; ``misses`` without answer in a row make a contact unreachable.

    ``timeout`` is how long each may take; 0 or less leaves only the transaction's own limit, ``timer_b``
    (Timer F of RFC 3261).
    """

    frequency: int
    timeout: float
    misses: int = 1
    timer_b: float = 32.0

    @property
    def patience(self) -> float:
        """Seconds that one OPTIONS waits for its answer."""
        return min(self.timeout, self.timer_b) if self.timeout > 0 else self.timer_b

    @property
    def detection(self) -> float:
        """Seconds until a peer that falls silent after an answer is unreachable, even if its TCP lives."""
        return self.frequency * self.misses + self.patience

    @property
    def messages_per_hour(self) -> float:
        """OPTIONS and answers of one contact."""
        return 2 * 3600 / self.frequency


@dataclass(frozen=True, slots=True)
class Policy:
    """What one transport should have: its one mechanism, in one sentence why, and the settings that make it.

    ``crlf_interval`` (seconds) is 0 where no CRLF is to be sent; ``ping_interval`` and ``pong_timeout`` are
    those of RFC 5626 where that is the mechanism; ``qualify`` is the slowest of those that run beside it.
    """

    transport: str
    mechanism: Mechanism
    reason: str
    tcp: TcpKeepAlive
    crlf_interval: int = 0
    ping_interval: int = 0
    pong_timeout: float = 0.0
    qualify: Qualify | None = None

    def detection_idle(self, platform: Platform) -> float | None:
        """How long a dead peer goes unnoticed while the application writes nothing; None where not known."""
        match self.mechanism:
            case Mechanism.CRLF | Mechanism.PJPROJECT:
                return self.tcp.detection_beside(platform, self.crlf_interval)
            case Mechanism.OUTBOUND:
                return self.ping_interval + self.pong_timeout
            case Mechanism.OPTIONS if self.qualify:
                return self.qualify.detection
            case _:
                return self.tcp.detection_idle(platform)

    def detection_busy(self, platform: Platform) -> float | None:
        """How long a dead peer goes unnoticed from a write on; None where that is not known.

        Pings and OPTIONS go on beside the write, and go unanswered in their own time.
        """
        busy = self.tcp.detection_busy(platform)
        if self.mechanism not in (Mechanism.OUTBOUND, Mechanism.OPTIONS):
            return busy
        unanswered = self.detection_idle(platform)
        return unanswered if busy is None or unanswered is None else min(busy, unanswered)

    def longest_pause(self, platform: Platform) -> float | None:
        """Seconds for which nothing passes on an idle connection; None where nothing ever does.

        A firewall on the path must remember a connection for longer than that.
        """
        match self.mechanism:
            case Mechanism.KERNEL:
                return self.tcp.timers(platform).idle
            case Mechanism.CRLF | Mechanism.PJPROJECT:
                return self.crlf_interval
            case Mechanism.OUTBOUND:
                return self.ping_interval
            case Mechanism.OPTIONS if self.qualify:
                return self.qualify.frequency
            case _:
                return None

    def detection_wedged(self) -> float:
        """How long it goes unnoticed that a peer's TCP answers and its SIP does not; :data:`NEVER` by TCP."""
        pong = self.ping_interval + self.pong_timeout if self.mechanism is Mechanism.OUTBOUND else NEVER
        return min(pong, self.qualify.detection if self.qualify else NEVER)

    def bytes_per_hour(self, platform: Platform, version: IpVersion) -> float:
        """IP bytes that the mechanism costs one idle connection.

        A CRLF ping has 4 bytes and is acknowledged, a pong has 2 and carries the acknowledgement of its ping;
        in TLS each is some 22 to 29 longer. OPTIONS are not counted.
        """
        match self.mechanism:
            case Mechanism.CRLF | Mechanism.PJPROJECT:
                return 3600 / self.crlf_interval * (4 + 2 * _SEGMENT[version])
            case Mechanism.OUTBOUND:
                return 3600 / self.ping_interval * (4 + 2 + 3 * _SEGMENT[version])
            case _:
                return self.tcp.bytes_per_hour(platform, version)
