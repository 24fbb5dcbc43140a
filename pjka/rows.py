"""The rows that ``pjka run`` and ``pjka.load`` show, from what transport management holds.

Rows are made in the thread of whoever asks: the reactor is not kept busy with it, and a socket is asked
only while its descriptor still is that socket.
"""

from __future__ import annotations

import fcntl
import math
import os
import struct
import termios
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version

from pjka.events import ConnectionDown
from pjka.keepalive.platforms import Platform
from pjka.keepalive.policy import Mechanism, Policy
from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.listeners import Started
from pjka.module import TransportManagement
from pjka.monitors import Connection, address, last_words
from pjka.status import ConnectionRow, DeathRow, EngineRow, TransportRow


@dataclass(frozen=True, slots=True)
class Rows:
    """The sources of rows; each may be called in any thread."""

    module: TransportManagement
    mode: str
    started: float

    def transports(self) -> list[TransportRow]:
        """One row for each transport of the configuration."""
        connections = list(self.module.monitors)
        counts = Counter(each.transport for each in connections)
        drifting = Counter(each.transport for each in connections if each.drift)
        return [
            _transport_row(each, self.module.platform, counts[name], drifting[name])
            for name, each in tuple(self.module.listeners.all.items())
        ]

    def connections(self) -> list[ConnectionRow]:
        """One row for each connection, with what the kernel says of it now."""
        now = self.module.reactor.now()
        return [self._connection_row(each, now) for each in self.module.monitors]

    def connection(self, serial: int) -> ConnectionRow | None:
        """The row of one connection, None if there is none with this serial."""
        connection = self.module.monitors.get(serial)
        return None if connection is None else self._connection_row(connection, self.module.reactor.now())

    def deaths(self) -> list[DeathRow]:
        """The last connections that ended, oldest first."""
        return [self._death_row(each) for each in tuple(self.module.monitors.deaths)]

    def engine(self) -> list[EngineRow]:
        """The one row about this process."""
        engine, module = self.module.endpoint.engine, self.module
        return [
            EngineRow(
                mode=self.mode,
                version=version("pjka"),
                pid=os.getpid(),
                uptime=module.reactor.now() - self.started,
                configuration=module.configuration.path if module.configuration else "",
                engine=engine.name,
                pjproject=engine.version,
                path=engine.path,
                ioqueue=engine.ioqueue,
                tls=engine.tls,
                handles=engine.limits.handles,
                handles_used=module.gate.in_use,
                accounts=engine.limits.accounts,
                option_slots=engine.limits.socket_options,
                packet=engine.limits.packet,
                reactor_delay=module.reactor.delay,
                defects=tuple(defect.text for defect in engine.defects),
                reloaded=module.loaded,
            )
        ]

    def _connection_row(self, connection: Connection, now: float) -> ConnectionRow:
        policy = self.module.listeners.policy(connection.transport)
        info = last_words(connection)
        unacknowledged = _unacknowledged(connection)
        return ConnectionRow(
            serial=connection.serial,
            transport=connection.transport,
            protocol=connection.protocol,
            direction=connection.direction,
            local=address(connection.local),
            peer=address(connection.peer),
            state="established" if info is not None and info.state == TcpState.ESTABLISHED else "closing",
            age=now - connection.since,
            mechanism=policy.mechanism if policy else Mechanism.NONE,
            idle=None if info is None else min(info.last_data_sent, info.last_data_received) / 1000,
            next_probe=self._next(policy, info, now),
            unacknowledged=unacknowledged,
            retransmits=None if info is None else info.retransmits,
            rtt=None if info is None else info.rtt / 1e6,
            detection=self._detection(policy, bool(unacknowledged)),
            drift=connection.drift,
            request_seen=connection.request_seen,
        )

    def _next(self, policy: Policy | None, info: TcpInfo | None, now: float) -> float | None:
        if policy is None or info is None:
            return None
        if policy.mechanism is Mechanism.CRLF and self.module.crlf.due is not None:
            return max(self.module.crlf.due - now, 0.0)
        return next_probe(policy, info, self.module.platform)

    def _detection(self, policy: Policy | None, busy: bool) -> float | None:
        if policy is None:
            return None
        platform = self.module.platform
        return _finite(policy.detection_busy(platform) if busy else policy.detection_idle(platform))

    def _death_row(self, death: ConnectionDown) -> DeathRow:
        policy = self.module.listeners.policy(death.transport)
        return DeathRow(
            serial=death.serial,
            transport=death.transport,
            protocol=death.protocol,
            direction=death.direction,
            local=death.local,
            peer=death.peer,
            at=death.at,
            age=death.age,
            cause=death.cause,
            mechanism=policy.mechanism if policy else Mechanism.NONE,
            error=death.error,
            silent=death.silent,
            detail=death.detail,
        )


def next_probe(policy: Policy, info: TcpInfo, platform: Platform) -> float | None:
    """Seconds until the kernel's next keep-alive probe; None if there is none to come.

    The kernel counts from the last segment of the peer (``keepalive_time_elapsed``), and sends no probe while
    data is outstanding.
    """
    if not policy.tcp.enable or info.unacked:
        return None
    timers = policy.tcp.timers(platform)
    silent = min(info.last_data_received, info.last_ack_received) / 1000
    if silent < timers.idle:
        return timers.idle - silent
    return timers.interval - (silent - timers.idle) % timers.interval


def _transport_row(started: Started, platform: Platform, connections: int, drifting: int) -> TransportRow:
    transport, policy, listener = started.transport, started.policy, started.listener
    tcp, connected = policy.tcp, transport.protocol != "udp"
    return TransportRow(
        id=transport.id,
        protocol=transport.protocol,
        bind=listener.address if listener else address((transport.bind_host, transport.bind_port)),
        state="listening" if listener else "failed",
        mechanism=policy.mechanism,
        reason=policy.reason,
        problem=started.problem,
        idle=tcp.idle if tcp.enable else None,
        interval=tcp.interval if tcp.enable else None,
        probes=tcp.probes if tcp.enable else None,
        user_timeout=tcp.user_timeout,
        crlf_interval=policy.crlf_interval,
        detection_idle=_finite(policy.detection_idle(platform)) if connected else None,
        detection_busy=_finite(policy.detection_busy(platform)) if connected else None,
        connections=connections,
        drifting=drifting + bool(started.drift),
        keepalive_bytes_per_hour=policy.bytes_per_hour(platform, 6 if ":" in transport.bind_host else 4),
        drift=started.drift,
    )


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) else None


def _unacknowledged(connection: Connection) -> int | None:
    """Bytes that the peer has not acknowledged, sent or not (SIOCOUTQ of tcp(7))."""
    descriptor = connection.descriptor
    if descriptor is None or not descriptor.valid:
        return None
    try:
        answer = fcntl.ioctl(descriptor.fd, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return None
    return int(struct.unpack("=i", answer)[0])
