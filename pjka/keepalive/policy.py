"""What the sockets of a transport should have, and what follows from it: detection times and bandwidth.

All times are seconds. The predictions follow Linux, ``net/ipv4/tcp_timer.c`` (``tcp_keepalive_timer``,
``retransmits_timed_out``); what differs elsewhere is data in :mod:`pjka.keepalive.platforms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pjka.keepalive.platforms import Platform, SocketOption


class Mechanism(StrEnum):
    """What keeps a connection alive; one per transport."""

    KERNEL = "kernel"
    CRLF = "crlf"
    PJPROJECT = "pjproject"
    OPTIONS = "options"
    OUTBOUND = "outbound"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TcpKeepAlive:
    """The kernel settings of a transport's sockets.

    ``idle``, ``interval`` (seconds) and ``probes`` are None where the kernel's own timers stay (``system``);
    ``user_timeout`` (seconds) is None where the socket's own stays.
    """

    enable: bool
    idle: int | None
    interval: int | None
    probes: int | None
    user_timeout: float | None

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


@dataclass(frozen=True, slots=True)
class Policy:
    """What one transport should have: its one mechanism, in one sentence why, and the settings that make it.

    ``crlf_interval`` (seconds) is 0 where no CRLF is to be sent.
    """

    transport: str
    mechanism: Mechanism
    reason: str
    tcp: TcpKeepAlive
    crlf_interval: int = 0
