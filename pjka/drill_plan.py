"""What `pjka drill` tries on each tcp and tls transport, and what is to come of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from pjka.check.policy import BATTERY, policies
from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor, Transport
from pjka.keepalive.platforms import Platform, SocketOption
from pjka.keepalive.policy import NEVER, Mechanism, Policy

V = TypeVar("V")

TOLERANCE_SECONDS = 1.0
TOLERANCE_SHARE = 0.05


class Condition(StrEnum):
    """What the connection is doing when its path is cut."""

    IDLE = "idle"
    BUSY = "busy"  # a request is written right after the cut
    FIREWALL = "firewall"  # no cut: a firewall that forgets idle connections


@dataclass(frozen=True, slots=True)
class Beat:
    """What the PBX writes every ``every`` seconds, where that and not the kernel is the mechanism.

    ``patience`` is how long it waits for the answer, None where none is due; after ``misses`` the connection
    counts as dead.
    """

    every: float
    patience: float | None = None
    misses: int = 1


@dataclass(frozen=True, slots=True)
class Case:
    """One connection to be made, and what is predicted of it.

    ``predicted``: seconds from the cut, or from the write after it, to the end. With a `Condition.FIREWALL`
    it is ``outlives`` that counts: whether the connection is still good after ``firewall`` idle seconds.
    """

    transport: str
    protocol: str
    condition: Condition
    options: tuple[SocketOption, ...]
    beat: Beat | None
    predicted: float
    firewall: int = 0
    outlives: bool = True

    @property
    def seconds(self) -> float:
        """How long it takes if all comes as predicted; infinite if nothing is to come."""
        return self.longest if self.firewall else self.predicted

    @property
    def longest(self) -> float:
        """How long to wait for what is to come."""
        seconds = self.firewall or self.predicted
        return seconds + 2 * tolerance(seconds)

    def right(self, measured: float | None) -> bool:
        """Whether the connection's end after ``measured`` seconds, None for no end, is as predicted."""
        if measured is None or math.isinf(self.predicted):
            return measured is None and math.isinf(self.predicted)
        return abs(measured - self.predicted) <= tolerance(self.predicted)


def tolerance(seconds: float) -> float:
    """By how much a prediction may be wrong."""
    return max(TOLERANCE_SECONDS, TOLERANCE_SHARE * seconds)


def shorter(seconds: float, scale: float) -> int:
    """A time on a scale: whole seconds, and at least one."""
    return max(1, round(seconds / scale))


def scaled(configuration: Configuration, scale: float) -> Configuration:
    """The configuration with every time that the drill goes by shortened; 0 stays 0, ``system`` is system."""
    if scale == 1:
        return configuration
    pjsip = configuration.system
    return replace(
        configuration,
        transports=_each(configuration.transports, lambda one: _transport(one, scale)),
        aors=_each(configuration.aors, lambda one: _aor(one, scale)),
        global_=replace(
            configuration.global_,
            keep_alive_interval=_unless_off(configuration.global_.keep_alive_interval, scale),
        ),
        system=replace(pjsip, timer_b=1000 * shorter(pjsip.timer_b / 1000, scale)),
    )


def cases(configuration: Configuration, platform: Platform) -> Iterator[Case]:
    """Everything to be tried, transport by transport."""
    wanted = policies(configuration, platform)
    for transport in configuration.transports.values():
        if transport.protocol in ("tcp", "tls"):
            yield from _cases(transport, wanted[transport.id], platform)


def _cases(transport: Transport, policy: Policy, platform: Platform) -> Iterator[Case]:
    case = Case(
        transport.id,
        transport.protocol,
        Condition.IDLE,
        policy.tcp.socket_options(platform),
        _beat(policy),
        _known(policy.detection_idle(platform)),
    )
    yield case
    yield replace(case, condition=Condition.BUSY, predicted=_known(policy.detection_busy(platform)))
    if forgets := transport.firewall_timeout:
        pause = policy.longest_pause(platform)
        outlives = pause is not None and pause < forgets
        yield replace(case, condition=Condition.FIREWALL, firewall=forgets, outlives=outlives)


def _known(seconds: float | None) -> float:
    """On Linux every detection time is known."""
    return NEVER if seconds is None else seconds


def _beat(policy: Policy) -> Beat | None:
    match policy.mechanism:
        case Mechanism.CRLF | Mechanism.PJPROJECT:
            return Beat(policy.crlf_interval)
        case Mechanism.OUTBOUND:
            return Beat(policy.ping_interval, policy.pong_timeout)
        case Mechanism.OPTIONS if policy.qualify:
            return Beat(policy.qualify.frequency, policy.qualify.patience, policy.qualify.misses)
        case _:
            return None


def _transport(transport: Transport, scale: float) -> Transport:
    timeout = transport.tcp_user_timeout
    flow_timer = BATTERY if transport.flow_timer == "battery" else transport.flow_timer
    return replace(
        transport,
        tcp_keepalive_idle_time=_unless_system(transport.tcp_keepalive_idle_time, scale),
        tcp_keepalive_interval_time=_unless_system(transport.tcp_keepalive_interval_time, scale),
        tcp_user_timeout=_unless_off(timeout, scale) if isinstance(timeout, float | int) else timeout,
        flow_timer=_unless_off(flow_timer, scale),
        pong_timeout=shorter(transport.pong_timeout, scale),
        firewall_timeout=_unless_system(transport.firewall_timeout, scale),
    )


def _aor(aor: Aor, scale: float) -> Aor:
    return replace(
        aor,
        qualify_frequency=_unless_off(aor.qualify_frequency, scale),
        qualify_timeout=_unless_off(aor.qualify_timeout, scale),
    )


def _unless_off(seconds: float, scale: float) -> int:
    return shorter(seconds, scale) if seconds > 0 else 0


def _unless_system(seconds: int | None, scale: float) -> int | None:
    return None if seconds is None else shorter(seconds, scale)


def _each(objects: Mapping[str, V], change: Callable[[V], V]) -> dict[str, V]:
    return {id: change(one) for id, one in objects.items()}
