"""The TCP timers that this machine's kernel gives to sockets on which none were set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pjka.errors import PjkaError
from pjka.keepalive.platforms import LINUX, Platform, SystemTimers, linux_retransmission

_SYSCTLS = Path("/proc/sys/net/ipv4")
_DEFAULT_RTO_MAX = 120_000


def read(sysctls: Path = _SYSCTLS) -> SystemTimers:
    """The timers of the network namespace that the caller is in, from ``/proc/sys/net/ipv4/tcp_*``.

    ``tcp_rto_max_ms`` came with Linux 6.15 and is 120 s where it is absent. Raises :class:`PjkaError` where
    the others cannot be read.
    """
    return SystemTimers(
        idle=_number(sysctls / "tcp_keepalive_time"),
        interval=_number(sysctls / "tcp_keepalive_intvl"),
        probes=_number(sysctls / "tcp_keepalive_probes"),
        retransmission=linux_retransmission(_number(sysctls / "tcp_retries2"), _rto_max(sysctls)),
    )


def this_machine() -> Platform:
    """Linux with the timers that this kernel has now."""
    return replace(LINUX, timers=read())


def _rto_max(sysctls: Path) -> float:
    path = sysctls / "tcp_rto_max_ms"
    return (_number(path) if path.exists() else _DEFAULT_RTO_MAX) / 1000


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise PjkaError(f"no number can be read: {error}", file=str(path)) from error
