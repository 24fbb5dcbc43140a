"""The rows that `attach` shows, made of a session on the thread that owns it."""

from __future__ import annotations

import math
import os
from collections import Counter
from importlib.metadata import version

from pjka.attach.assign import STREAMS
from pjka.attach.held import Held
from pjka.attach.session import Session
from pjka.keepalive.policy import Mechanism, Policy
from pjka.linux.connections import KernelConnection, Timer, printed
from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.status import ConnectionRow, DeathRow, EngineRow, TransportRow

_STATES = {TcpState.ESTABLISHED: "established", TcpState.SYN_SENT: "connecting"}


def transports(session: Session) -> list[TransportRow]:
    """One row for each tcp and tls transport of the configuration."""
    held = session.attachment.connections.values()
    counts = Counter(each.assignment.transport for each in held)
    drifting = Counter(each.assignment.transport for each in session.attachment.unmet())
    return [
        _transport_row(session, name, counts[name], drifting[name])
        for name, transport in session.plan.configuration.transports.items()
        if transport.protocol in STREAMS
    ]


def connections(session: Session) -> list[ConnectionRow]:
    """One row for each TCP connection of the process that may be SIP, with what the kernel says of it now."""
    now = session.now()
    accounts = {one.cookie: (one, info) for one, info in session.attachment.kernel.accounts()}
    return [
        _connection_row(session, held, now, *accounts.get(held.cookie, (held.connection, None)))
        for held in session.attachment.shown()
    ]


def deaths(session: Session) -> list[DeathRow]:
    """The last connections that ended, oldest first."""
    return [
        DeathRow(
            serial=death.serial,
            transport=death.transport,
            protocol=death.protocol,
            direction=death.direction,
            local=death.local,
            peer=death.peer,
            at=death.at,
            age=death.age,
            cause=death.cause,
            mechanism=mechanism_of(session, death.transport),
            silent=death.silent,
            detail=death.detail,
        )
        for death in session.attachment.deaths
    ]


def engine(session: Session) -> list[EngineRow]:
    """The one row about this process and the one it is attached to."""
    process = session.process
    return [
        EngineRow(
            mode="attach",
            version=version("pjka"),
            pid=os.getpid(),
            uptime=session.now() - session.started,
            configuration=session.source.path,
            attached_to=f"{process.program()} {process.pid}",
            reloaded=session.loaded,
        )
    ]


def _transport_row(session: Session, name: str, count: int, drifting: int) -> TransportRow:
    transport, policy = session.plan.configuration.transports[name], session.plan.policies[name]
    platform, tcp = session.source.platform, policy.tcp
    listeners = [one for one in session.attachment.listeners.values() if one.assignment.transport == name]
    return TransportRow(
        id=name,
        protocol=transport.protocol,
        bind=printed((transport.bind_host, transport.bind_port)),
        state="attached" if listeners else "closed",
        mechanism=policy.mechanism,
        reason=policy.reason,
        problem="" if listeners else "the process does not listen there",
        idle=tcp.idle if tcp.enable else None,
        interval=tcp.interval if tcp.enable else None,
        probes=tcp.probes if tcp.enable else None,
        user_timeout=tcp.user_timeout,
        crlf_interval=round(session.pings.get(name, policy.crlf_interval)),
        detection_idle=finite(policy.detection_idle(platform)),
        detection_busy=finite(policy.detection_busy(platform)),
        connections=count,
        drifting=drifting,
        keepalive_bytes_per_hour=policy.bytes_per_hour(platform, 6 if ":" in transport.bind_host else 4),
        drift=(*(str(drift) for one in listeners for drift in one.unmet), *session.competing(name)),
    )


def _connection_row(
    session: Session, held: Held, now: float, one: KernelConnection, info: TcpInfo | None
) -> ConnectionRow:
    policy = session.plan.policies.get(held.assignment.transport)
    return ConnectionRow(
        serial=held.serial,
        transport=held.assignment.transport,
        protocol=held.protocol,
        direction=held.direction,
        local=printed(one.local),
        peer=printed(one.remote),
        state=_STATES.get(TcpState(one.state), "closing"),
        age=now - held.since,
        mechanism=mechanism_of(session, held.assignment.transport),
        idle=None if info is None else min(info.last_data_sent, info.last_data_received) / 1000,
        next_probe=one.timer_ms / 1000 if one.timer == Timer.KEEPALIVE else None,
        unacknowledged=one.send_queue,
        retransmits=None if info is None else info.retransmits,
        rtt=None if info is None else info.rtt / 1e6,
        detection=detection_now(session, policy, one.send_queue),
        drift=tuple(map(str, held.unmet)),
        note=held.assignment.note
        or ("user timeout follows once the peer has answered" if held.postponed else ""),
    )


def detection_now(session: Session, policy: Policy | None, outstanding: int) -> float | None:
    """Seconds until a dead peer is noticed with so many bytes ``outstanding``; None for never."""
    if policy is None:
        return None
    platform = session.source.platform
    return finite(policy.detection_busy(platform) if outstanding else policy.detection_idle(platform))


def mechanism_of(session: Session, transport: str) -> str:
    """The mechanism of a transport."""
    policy = session.plan.policies.get(transport)
    return policy.mechanism if policy else Mechanism.NONE


def finite(seconds: float | None) -> float | None:
    """None for never."""
    return seconds if seconds is not None and math.isfinite(seconds) else None
