"""From the objects of a configuration to the policy of each transport."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pjka.check.reach import Reach, reach
from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor, System, Transport
from pjka.keepalive.competing import Demand, choose
from pjka.keepalive.platforms import LINUX, Platform
from pjka.keepalive.policy import Mechanism, Policy, Qualify, TcpKeepAlive

_NO_KEEPALIVE = TcpKeepAlive(False, None, None, None, None)

BATTERY: Final = 840
"""Seconds of ``@flow_timer=battery``: the longest pause of RFC 5626 4.4, for devices that save power."""


def policies(configuration: Configuration, platform: Platform = LINUX) -> dict[str, Policy]:
    """What each transport's sockets should have, by the transport's id.

    The timers that ``system`` leaves alone are those of ``platform``.
    """
    found = reach(configuration)
    return {
        transport.id: policy_of(transport, demand_of(transport, configuration, found), platform)
        for transport in configuration.transports.values()
    }


def demand_of(
    transport: Transport, configuration: Configuration, found: Reach, pjproject_interval: int = 0
) -> Demand:
    """What the configuration asks for on the connections of ``transport``.

    ``pjproject_interval`` is that of pjproject's own CRLF timer in seconds, 0 where it is off: the file
    does not tell.
    """
    aors = found.aors[transport.id]
    expiries = [registration.expiration for registration in found.registrations[transport.id]]
    expiries += [aor.maximum_expiration for aor in aors if aor.max_contacts]
    return Demand(
        stream=transport.protocol in ("tcp", "tls"),
        connected=transport.protocol != "udp",
        wanted=transport.keepalive,
        enabled=transport.tcp_keepalive_enable,
        crlf_interval=configuration.global_.keep_alive_interval,
        pjproject_interval=pjproject_interval,
        flow_timer=BATTERY if transport.flow_timer == "battery" else transport.flow_timer,
        qualify=_distinct(aors, configuration.system),
        registration=min(expiries, default=None),
    )


def qualify_of(aor: Aor, system: System) -> Qualify | None:
    """The OPTIONS of an AOR, None where there are none."""
    if not aor.qualify_frequency:
        return None
    return Qualify(aor.qualify_frequency, aor.qualify_timeout, aor.qualify_down, system.timer_b / 1000)


def policy_of(transport: Transport, demand: Demand, platform: Platform) -> Policy:
    """The policy that follows from a demand."""
    choice = choose(demand)
    intervals = {
        Mechanism.CRLF: demand.crlf_interval,
        Mechanism.PJPROJECT: demand.pjproject_interval,
    }
    outbound = choice.mechanism is Mechanism.OUTBOUND
    return Policy(
        transport=transport.id,
        mechanism=choice.mechanism,
        reason=choice.reason,
        tcp=_tcp(transport, choice.mechanism, platform) if demand.stream else _NO_KEEPALIVE,
        crlf_interval=intervals.get(choice.mechanism, 0),
        ping_interval=demand.flow_timer if outbound else 0,
        pong_timeout=transport.pong_timeout if outbound else 0.0,
        qualify=max(demand.qualify, key=lambda qualify: qualify.detection, default=None),
    )


def _tcp(transport: Transport, mechanism: Mechanism, platform: Platform) -> TcpKeepAlive:
    return TcpKeepAlive.configured(
        enable=mechanism is Mechanism.KERNEL,
        idle=transport.tcp_keepalive_idle_time,
        interval=transport.tcp_keepalive_interval_time,
        probes=transport.tcp_keepalive_probe_count,
        user_timeout=transport.tcp_user_timeout,
        platform=platform,
    )


def _distinct(aors: Iterable[Aor], system: System) -> tuple[Qualify, ...]:
    found = {
        (aor.qualify_frequency, aor.qualify_timeout, aor.qualify_down): aor
        for aor in aors
        if aor.qualify_frequency
    }
    every = (qualify_of(aor, system) for aor in found.values())
    return tuple(qualify for qualify in every if qualify is not None)
