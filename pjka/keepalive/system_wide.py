"""The same timers for a whole machine, for servers that cannot set them socket by socket."""

from __future__ import annotations

from dataclasses import dataclass

from pjka.keepalive.platforms import Platform, PlatformError
from pjka.keepalive.policy import Timers

_WINDOWS_PROBES = 10
_WINDOWS_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"


@dataclass(frozen=True, slots=True)
class SystemWide:
    """Shell commands that set the timers of every socket, what makes them last, and what they amount to.

    ``detection`` is in seconds; it differs from the transport's own where the system fixes one of the three.
    """

    commands: tuple[str, ...]
    lasting: str
    detection: float


def system_wide(platform: Platform, timers: Timers) -> SystemWide:
    """How to give a machine of that platform these timers; milliseconds where the system counts in them."""
    match platform.name:
        case "linux":
            return _linux(timers)
        case "freebsd":
            return _bsd("sysctl", timers)
        case "macos":
            return _bsd("sysctl -w", timers)
        case "solaris" | "illumos":
            return _solaris(timers)
        case "windows":
            return _windows(timers)
    raise PlatformError("no system-wide timers known", option="platform", value=platform.name)


def _linux(timers: Timers) -> SystemWide:
    commands = (
        f"sysctl -w net.ipv4.tcp_keepalive_time={timers.idle:.0f}",
        f"sysctl -w net.ipv4.tcp_keepalive_intvl={timers.interval:.0f}",
        f"sysctl -w net.ipv4.tcp_keepalive_probes={timers.probes}",
    )
    lasting = "name=value lines in /etc/sysctl.d/; only sockets that ask for SO_KEEPALIVE use them"
    return SystemWide(commands, lasting, timers.budget)


def _bsd(sysctl: str, timers: Timers) -> SystemWide:
    commands = (
        f"{sysctl} net.inet.tcp.keepidle={_milliseconds(timers.idle)}",
        f"{sysctl} net.inet.tcp.keepintvl={_milliseconds(timers.interval)}",
        f"{sysctl} net.inet.tcp.keepcnt={timers.probes}",
        f"{sysctl} net.inet.tcp.always_keepalive=1",
    )
    return SystemWide(commands, "name=value lines in /etc/sysctl.conf", timers.budget)


def _solaris(timers: Timers) -> SystemWide:
    commands = (
        f"ndd -set /dev/tcp tcp_keepalive_interval {_milliseconds(timers.idle)}",
        f"ndd -set /dev/tcp tcp_keepalive_abort_interval {_milliseconds(timers.interval * timers.probes)}",
    )
    lasting = "the same commands in a start-up script; the system spaces its probes by itself"
    return SystemWide(commands, lasting, timers.budget)


def _windows(timers: Timers) -> SystemWide:
    values = (("KeepAliveTime", timers.idle), ("KeepAliveInterval", timers.interval))
    commands = tuple(
        f'reg add "{_WINDOWS_KEY}" /v {name} /t REG_DWORD /d {_milliseconds(seconds)} /f'
        for name, seconds in values
    )
    lasting = f"the registry lasts, a restart applies it; the number of probes is fixed at {_WINDOWS_PROBES}"
    return SystemWide(commands, lasting, timers.idle + timers.interval * _WINDOWS_PROBES)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
