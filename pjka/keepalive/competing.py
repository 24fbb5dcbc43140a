"""Everything that writes on a transport's connections, the one mechanism that is to stay, and what must go.

A byte written after the path died is unacknowledged data, and with data outstanding the kernel stops
probing (RFC 1122 4.2.3.6): one CRLF ping turns a detection of seconds into one of minutes. So there is one
mechanism per transport. Qualify runs beside it, because only SIP sees a peer whose SIP has died; the user
timeout bounds what its OPTIONS do to the probes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pjka.keepalive.policy import Mechanism, Qualify

QUALIFY_BESIDE_TCP: Final = 300
"""Seconds between OPTIONS that are enough where TCP keep-alive holds the path and finds a dead peer."""

SHORT_REGISTRATION: Final = 300
"""An expiry in seconds below which a registration is refreshed as often as a keep-alive would be sent."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a configuration asks for on the connections of one transport.

    ``stream`` is whether it is tcp or tls, ``connected`` whether it has connections at all (ws, wss and flow
    have, udp has not). ``wanted`` is the mechanism asked for, None where none is; ``enabled`` whether TCP
    keep-alive is on. Intervals are seconds, 0 for off; ``flow_timer`` is the longest time between two pings
    where ``wanted`` is ``outbound``; ``registration`` is the shortest expiry of what registers over the
    transport, None without any.
    """

    stream: bool
    connected: bool = True
    wanted: Literal["tcp", "outbound", "none"] | None = None
    enabled: bool = False
    crlf_interval: int = 0
    pjproject_interval: int = 0
    flow_timer: int = 120
    qualify: tuple[Qualify, ...] = ()
    registration: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The one mechanism of a transport, and in one sentence why."""

    mechanism: Mechanism
    reason: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Something that writes on an otherwise idle connection at least every ``every`` seconds."""

    mechanism: Mechanism
    every: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """A writer to switch off: why it must not run beside the chosen mechanism, and how it is switched off."""

    writer: Writer
    why: str
    remedy: str


def choose(demand: Demand) -> Choice:
    """The mechanism that the transport's connections get; what was asked for comes first."""
    if not demand.connected:
        return _without_connection(demand)
    if demand.stream and demand.wanted == "outbound":
        return Choice(Mechanism.OUTBOUND, "@keepalive=outbound asks for pings and pongs of RFC 5626.")
    if demand.stream and demand.wanted == "tcp":
        return Choice(Mechanism.KERNEL, "@keepalive=tcp asks for TCP keep-alive.")
    if demand.stream and demand.wanted is None and demand.enabled:
        return Choice(
            Mechanism.KERNEL, "TCP keep-alive is enabled, and the kernel needs no byte of SIP for it."
        )
    return _without_kernel(demand)


def _without_connection(demand: Demand) -> Choice:
    if demand.qualify:
        return Choice(
            Mechanism.OPTIONS, "There is no connection to keep alive, and OPTIONS find a dead peer."
        )
    return Choice(Mechanism.NONE, "There is no connection to keep alive.")


def _without_kernel(demand: Demand) -> Choice:
    if demand.crlf_interval:
        reason = (
            "There is no TCP keep-alive here, so the CRLF of [global] keep_alive_interval is what is left."
        )
        return Choice(Mechanism.CRLF, reason)
    if demand.pjproject_interval:
        return Choice(Mechanism.PJPROJECT, "Nothing but pjproject's own CRLF timer is on.")
    if demand.qualify:
        return Choice(Mechanism.OPTIONS, "Nothing but the OPTIONS of qualify is on.")
    return Choice(Mechanism.NONE, "Nothing keeps the connections alive, and nothing notices a dead peer.")


def writers(demand: Demand) -> tuple[Writer, ...]:
    """All that writes on an idle connection of the transport, whether it is to stay or not."""
    if not demand.connected:
        return ()
    outbound = demand.flow_timer if demand.stream and demand.wanted == "outbound" else 0
    frequency = min((qualify.frequency for qualify in demand.qualify), default=0)
    every = (
        (Mechanism.CRLF, demand.crlf_interval),
        (Mechanism.PJPROJECT, demand.pjproject_interval),
        (Mechanism.OUTBOUND, outbound),
        (Mechanism.OPTIONS, frequency),
        (Mechanism.REGISTER, demand.registration or 0),
    )
    return tuple(Writer(mechanism, seconds) for mechanism, seconds in every if seconds)


def conflicts(demand: Demand) -> tuple[Conflict, ...]:
    """The writers that must go, given :func:`choose`; OPTIONS never do."""
    chosen = choose(demand).mechanism
    found = []
    for writer in writers(demand):
        if writer.mechanism in (chosen, Mechanism.OPTIONS):
            continue
        if writer.mechanism is not Mechanism.REGISTER or _needless(writer, chosen):
            found.append(Conflict(writer, _why(writer, chosen), _REMEDIES[writer.mechanism]))
    return tuple(found)


def _needless(register: Writer, chosen: Mechanism) -> bool:
    return register.every < SHORT_REGISTRATION and chosen in (Mechanism.KERNEL, Mechanism.OUTBOUND)


def _why(writer: Writer, chosen: Mechanism) -> str:
    if writer.mechanism is Mechanism.REGISTER:
        return "A REGISTER costs the full stack, authentication included, to do what a probe does."
    if chosen is Mechanism.KERNEL:
        return "What is written on a dead path stays unacknowledged, and while it does, TCP sends no probes."
    if chosen is Mechanism.OUTBOUND:
        return "A CRLF of another sender is answered with a pong that nobody asked for."
    return "Two senders of CRLF on one connection cost double, and together can deadlock the engine."


_REMEDIES: Final = {
    Mechanism.CRLF: "Set keep_alive_interval=0 in [global] and restart the PBX; a running one goes on.",
    Mechanism.PJPROJECT: "Build the PBX with its bundled pjproject, in which that timer is compiled out.",
    Mechanism.REGISTER: f"Let registrations last {SHORT_REGISTRATION} s or longer.",
}
