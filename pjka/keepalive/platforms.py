"""What each operating system calls the keep-alive settings of a TCP socket, and the timers it starts with.

Numbers, not names from :mod:`socket`, because a policy for one system is computed on another. Sources:
``tcp(7)`` of Linux, ``tcp(4)`` of FreeBSD, ``netinet/tcp.h`` of macOS and Solaris, ``ws2ipdef.h`` of Windows.
"""

from __future__ import annotations

from dataclasses import dataclass

from pjka.errors import PjkaError

IPPROTO_TCP = 6


class PlatformError(PjkaError):
    """The platform is not one whose keep-alive settings are known."""


@dataclass(frozen=True, slots=True)
class SocketOption:
    """One call of ``setsockopt(level, name, value)``; ``symbol`` is the option's name in the C headers."""

    level: int
    name: int
    value: int
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class SystemTimers:
    """What the kernel does with a socket on which nothing was set; seconds and a count.

    ``retransmission`` is how long unacknowledged data is sent again before the connection is given up, None
    where that depends on the round-trip time alone.
    """

    idle: float
    interval: float
    probes: int
    retransmission: float | None


@dataclass(frozen=True, slots=True)
class OptionForm:
    """How one setting is written: its address, its units per second, and the range accepted in them."""

    symbol: str
    level: int
    name: int
    units: int
    low: int
    high: int

    def accepts(self, value: float) -> bool:
        """Whether the kernel takes ``value`` (seconds or a count); it refuses all else with EINVAL."""
        return self.low <= value * self.units <= self.high

    def option(self, value: float) -> SocketOption:
        """The socket option that carries ``value`` (seconds or a count)."""
        return SocketOption(self.level, self.name, round(value * self.units), self.symbol)


@dataclass(frozen=True, slots=True)
class Platform:
    """One operating system: its socket options and the timers of a fresh installation.

    ``user_timeout`` is None where a socket has no such setting; ``remark`` says what else to know.
    """

    name: str
    keepalive: OptionForm
    idle: OptionForm
    interval: OptionForm
    probes: OptionForm
    user_timeout: OptionForm | None
    timers: SystemTimers
    remark: str
    user_timeout_overrides_probes: bool = False


def linux_retransmission(retries: int, rto_max: float = 120.0) -> float:
    """Seconds after which Linux gives up on unacknowledged data, by ``tcp_retries2`` and ``tcp_rto_max_ms``.

    The kernel's own model (``tcp_model_timeout``): the time-out starts at 0.2 s and doubles up to
    ``rto_max``; 15 retries make 924.6 s (kernel documentation, ip-sysctl).
    """
    return sum(min(0.2 * 2.0**attempt, rto_max) for attempt in range(retries + 1))


def _seconds(symbol: str, name: int, low: int = 1, high: int = 2_147_483) -> OptionForm:
    return OptionForm(symbol, IPPROTO_TCP, name, 1, low, high)


_BSD_KEEPALIVE = OptionForm("SO_KEEPALIVE", 0xFFFF, 0x8, 1, 0, 1)

LINUX = Platform(
    name="linux",
    keepalive=OptionForm("SO_KEEPALIVE", 1, 9, 1, 0, 1),
    idle=_seconds("TCP_KEEPIDLE", 4, 1, 32767),
    interval=_seconds("TCP_KEEPINTVL", 5, 1, 32767),
    probes=_seconds("TCP_KEEPCNT", 6, 1, 127),
    user_timeout=OptionForm("TCP_USER_TIMEOUT", IPPROTO_TCP, 18, 1000, 0, 2**31 - 1),
    timers=SystemTimers(7200, 75, 9, linux_retransmission(15)),
    remark="With a user timeout set, the kernel ignores the number of probes and decides by that time alone.",
    user_timeout_overrides_probes=True,
)

FREEBSD = Platform(
    name="freebsd",
    keepalive=_BSD_KEEPALIVE,
    idle=_seconds("TCP_KEEPIDLE", 256),
    interval=_seconds("TCP_KEEPINTVL", 512),
    probes=_seconds("TCP_KEEPCNT", 1024),
    user_timeout=_seconds("TCP_MAXUNACKTIME", 68),
    timers=SystemTimers(7200, 75, 8, None),
    remark="TCP_MAXUNACKTIME, the user timeout, came with FreeBSD 14; earlier releases refuse it.",
)

MACOS = Platform(
    name="macos",
    keepalive=_BSD_KEEPALIVE,
    idle=_seconds("TCP_KEEPALIVE", 0x10),
    interval=_seconds("TCP_KEEPINTVL", 0x101),
    probes=_seconds("TCP_KEEPCNT", 0x102),
    user_timeout=_seconds("TCP_RXT_CONNDROPTIME", 0x80),
    timers=SystemTimers(7200, 75, 8, None),
    remark="There is no TCP_USER_TIMEOUT: TCP_RXT_CONNDROPTIME bounds retransmission, TCP_CONNECTIONTIMEOUT "
    "only the handshake. Keep-alive on a listener ends the listener: set it on connections only.",
)

# Unless interval and probes are set, these two send probes with growing pauses for 480 s in all.
_SUN_TIMERS = SystemTimers(7200, 480, 1, 480.0)
_SUN_USER_TIMEOUT = OptionForm("TCP_ABORT_THRESHOLD", IPPROTO_TCP, 0x11, 1000, 0, 2**31 - 1)

SOLARIS = Platform(
    name="solaris",
    keepalive=_BSD_KEEPALIVE,
    idle=_seconds("TCP_KEEPIDLE", 0x1D, 10, 864_000),
    interval=_seconds("TCP_KEEPINTVL", 0x1E),
    probes=_seconds("TCP_KEEPCNT", 0x1F),
    user_timeout=_SUN_USER_TIMEOUT,
    timers=_SUN_TIMERS,
    remark="These options came with Solaris 11.4; earlier releases have the system-wide timers only.",
)

ILLUMOS = Platform(
    name="illumos",
    keepalive=_BSD_KEEPALIVE,
    idle=_seconds("TCP_KEEPIDLE", 0x22, 10, 864_000),
    interval=_seconds("TCP_KEEPINTVL", 0x24),
    probes=_seconds("TCP_KEEPCNT", 0x23),
    user_timeout=_SUN_USER_TIMEOUT,
    timers=_SUN_TIMERS,
    remark="The option numbers differ from those of Solaris.",
)

WINDOWS = Platform(
    name="windows",
    keepalive=_BSD_KEEPALIVE,
    idle=_seconds("TCP_KEEPIDLE", 3),
    interval=_seconds("TCP_KEEPINTVL", 17),
    probes=_seconds("TCP_KEEPCNT", 16, 1, 255),
    user_timeout=_seconds("TCP_MAXRT", 5),
    timers=SystemTimers(7200, 1, 10, None),
    remark="The times per socket came with Windows 10 1709; before, and system-wide, probes are always 10.",
)

PLATFORMS = (LINUX, FREEBSD, MACOS, SOLARIS, ILLUMOS, WINDOWS)

# what sys.platform says of them
_ALIASES = {"darwin": "macos", "sunos": "solaris", "win": "windows"}


def platform(name: str) -> Platform:
    """The platform called ``name``, also as :data:`sys.platform` spells it (``darwin``, ``win32``).

    Raises :class:`PlatformError` for one that is not known.
    """
    stem = name.lower().rstrip("0123456789")
    for known in PLATFORMS:
        if known.name == _ALIASES.get(stem, stem):
            return known
    names = ", ".join(known.name for known in PLATFORMS)
    raise PlatformError("unknown platform", option="platform", value=name, expected=names)
