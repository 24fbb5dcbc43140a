"""The rows that `attach` shows, made of a session on the thread that owns it."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version

from pjka.attach.assign import STREAMS, Address
from pjka.attach.contacts import addresses_of
from pjka.attach.held import Held
from pjka.attach.session import Session
from pjka.conf.objects import Aor
from pjka.keepalive.policy import Mechanism, Policy
from pjka.linux.connections import KernelConnection, Timer, printed
from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.pbx.contacts import PbxContact
from pjka.status import ConnectionRow, ContactRow, DeathRow, EngineRow, TransportRow

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
    """One row for each TCP connection of the process, with what the kernel says of it now."""
    now = session.now()
    accounts = {one.cookie: (one, info) for one, info in session.attachment.kernel.accounts()}
    return [
        _connection_row(session, held, now, *accounts.get(cookie, (held.connection, None)))
        for cookie, held in session.attachment.connections.items()
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
            mechanism=_mechanism(session, death.transport),
            silent=death.silent,
        )
        for death in session.attachment.deaths
    ]


def contacts(session: Session) -> list[ContactRow]:
    """One row for each contact that the PBX has told of, with the connection that carries it."""
    held = {one.connection.remote: one for one in session.attachment.connections.values()}
    return [_contact_row(session, contact, held) for contact in session.contacts]


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
        crlf_interval=policy.crlf_interval,
        detection_idle=_finite(policy.detection_idle(platform)),
        detection_busy=_finite(policy.detection_busy(platform)),
        connections=count,
        drifting=drifting,
        keepalive_bytes_per_hour=policy.bytes_per_hour(platform, 6 if ":" in transport.bind_host else 4),
        drift=tuple(str(drift) for one in listeners for drift in one.unmet),
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
        mechanism=_mechanism(session, held.assignment.transport),
        idle=None if info is None else min(info.last_data_sent, info.last_data_received) / 1000,
        next_probe=one.timer_ms / 1000 if one.timer == Timer.KEEPALIVE else None,
        unacknowledged=one.send_queue,
        retransmits=None if info is None else info.retransmits,
        rtt=None if info is None else info.rtt / 1e6,
        detection=_detection(session, policy, one.send_queue),
        drift=tuple(map(str, held.unmet)),
        note=held.assignment.note
        or ("user timeout follows once the peer has answered" if held.postponed else ""),
    )


def _contact_row(session: Session, contact: PbxContact, held: Mapping[Address, Held]) -> ContactRow:
    found = [held[address] for address in addresses_of(contact) if address in held]
    one = found[0] if found else None
    transport = one.assignment.transport if one else ""
    aor = session.plan.configuration.aors.get(contact.aor)
    policy = session.plan.policies.get(transport)
    idle = _detection(session, policy, 0) if one else None
    by_options = _missed(aor)
    soonest = min((seconds for seconds in (idle, by_options) if seconds is not None), default=None)
    return ContactRow(
        aor=contact.aor,
        uri=contact.uri,
        status=contact.status or "Unknown",
        rtt=contact.rtt,
        transport=transport,
        connection=one.serial if one else None,
        peer=printed(one.connection.remote) if one else "",
        mechanism=_mechanism(session, transport) if one else "",
        frequency=aor.qualify_frequency if aor else 0,
        expires=None if contact.expires is None else max(contact.expires - time.time(), 0.0),
        user_agent=contact.user_agent,
        endpoints=(contact.endpoint,) if contact.endpoint else (),
        detection=soonest,
        detected_by="" if soonest is None else "kernel" if soonest == idle else "options",
    )


def _missed(aor: Aor | None) -> float | None:
    """Seconds until OPTIONS that go unanswered make a contact of the AOR unreachable, in the worst case."""
    if aor is None or not aor.qualify_frequency:
        return None
    return aor.qualify_frequency * aor.qualify_down + max(aor.qualify_timeout, 0.0)


def _detection(session: Session, policy: Policy | None, outstanding: int) -> float | None:
    if policy is None:
        return None
    platform = session.source.platform
    return _finite(policy.detection_busy(platform) if outstanding else policy.detection_idle(platform))


def _mechanism(session: Session, transport: str) -> str:
    policy = session.plan.policies.get(transport)
    return policy.mechanism if policy else Mechanism.NONE


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) else None
