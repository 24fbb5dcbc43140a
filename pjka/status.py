"""What pjka knows at one moment, as rows: the snapshot that command line, metrics and web page all show.

A row is a frozen value. Times are seconds (``float``), moments are seconds since the epoch, sizes are bytes,
rates are per hour; None means "not known" or "never", as the field says. Addresses are ``192.0.2.7:5060`` or
``[2001:db8::7]:5060``. Text may come from the network and is not escaped here: whoever prints it escapes it.
"""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Self

from pjka.errors import PjkaError


class StatusError(PjkaError):
    """A row received as JSON lacks a field or has one of the wrong type (``option`` names the field)."""


class Cause(StrEnum):
    """Why a connection ended."""

    PEER_CLOSED = "peer-closed"  # FIN from the peer
    RESET = "reset"  # RST from the peer (ECONNRESET)
    KEEPALIVE = "keepalive"  # the kernel's probes went unanswered (ETIMEDOUT with nothing outstanding)
    USER_TIMEOUT = "user-timeout"  # data stayed unacknowledged (ETIMEDOUT with data outstanding)
    CONNECT_FAILED = "connect-failed"  # never came up: refused, unreachable, timed out
    IDLE_KILL = "idle-kill"  # accepted, and no SIP request within timer_b
    KILLED = "killed"  # an operator's `pjka kill`
    WEDGED = "wedged"  # TCP answered, SIP did not (@close_wedged)
    UNREACHABLE = "unreachable"  # its contact was dropped (@remove_unreachable)
    PONG_MISSED = "pong-missed"  # RFC 5626 4.4.1, client side
    FLOW_TIMER = "flow-timer"  # no ping within Flow-Timer and grace, RFC 5626 5.4, server side
    TLS_VERIFY = "tls-verify"  # the certificate was not accepted
    TLS_FAILED = "tls-failed"  # the handshake failed otherwise
    ENGINE_FULL = "engine-full"  # the engine holds no more connections
    CLOSED = "closed"  # closed on this side: shutdown, reload, idle timer; by the PBX (attach)
    PROCESS_GONE = "process-gone"  # the PBX that owned it ended (attach)
    UNKNOWN = "unknown"


class Row:
    """A frozen dataclass that converts to and from a JSON object; its fields are the object's members."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        """The members in the order of the fields; a float that JSON has no number for becomes None."""
        members: dict[str, object] = {name: getattr(self, name) for name in self._kinds()}
        for name, value in members.items():
            if isinstance(value, float) and not math.isfinite(value):
                members[name] = None
        return members

    @classmethod
    def from_json(cls, members: Mapping[str, object]) -> Self:
        """The row of these members; unknown ones are left out, so that a newer daemon can be asked.

        Raises StatusError where a member without default is missing, or one has the wrong type.
        """
        values = {}
        for name, kinds in cls._kinds().items():
            if name in members:
                values[name] = _value(cls.__name__, name, kinds, members[name])
            elif name in cls._required():
                raise StatusError(f"a {cls.__name__} without {name}", option=name)
        return cls(**values)

    @classmethod
    @functools.cache
    def _kinds(cls) -> dict[str, frozenset[type]]:
        """The types that each field takes."""
        hints = typing.get_type_hints(cls)
        return {field.name: _alternatives(hints[field.name]) for field in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    @functools.cache
    def _required(cls) -> frozenset[str]:
        return frozenset(field.name for field in fields(cls) if field.default is MISSING)  # type: ignore[arg-type]


def _alternatives(hint: object) -> frozenset[type]:
    if isinstance(hint, types.UnionType):
        return frozenset().union(*(_alternatives(part) for part in typing.get_args(hint)))
    kind = typing.get_origin(hint) or hint
    assert isinstance(kind, type)
    return frozenset({kind})


def _value(row: str, name: str, kinds: frozenset[type], value: object) -> object:
    if type(value) in kinds or (isinstance(value, StrEnum) and str in kinds):
        return value
    if type(value) is int and float in kinds:
        return float(value)
    if type(value) is list and tuple in kinds and all(type(item) is str for item in value):
        return tuple(value)
    expected = " or ".join(sorted(kind.__name__ for kind in kinds))
    raise StatusError(f"a {row} with a wrong {name}", option=name, value=repr(value), expected=expected)


@dataclass(frozen=True, slots=True)
class TransportRow(Row):
    """A ``type=transport`` object, its policy, and what its keep-alives cost."""

    id: str
    protocol: str  # udp, tcp, tls, ws, wss, flow
    bind: str
    state: str  # listening, failed, refused, closed; attached for a listener of another process
    mechanism: str  # kernel, crlf, pjproject, options, outbound, none (keepalive.policy.Mechanism)
    reason: str = ""  # one sentence: why this mechanism
    problem: str = ""  # why it does not listen
    idle: int | None = None  # s before the first probe; None = the kernel's own
    interval: int | None = None  # s between probes; None = the kernel's own
    probes: int | None = None  # unanswered probes until the end; None = the kernel's own
    user_timeout: float | None = None  # s that data may stay unacknowledged; None = left alone
    crlf_interval: int = 0  # s between CRLF pings; 0 = none are sent
    # s until a dead connection is found, predicted; None = never, and of udp, which has no connections
    detection_idle: float | None = None  # nothing outstanding
    detection_busy: float | None = None  # data outstanding; never: not within the kernel's patience
    connections: int = 0
    drifting: int = 0  # connections and listener that lack what the policy says
    keepalive_bytes_per_hour: float = 0.0  # of one idle connection, IP headers included
    qualify_messages_per_hour: float = 0.0  # OPTIONS and answers now, all contacts of this transport
    qualify_bytes_per_hour: float = 0.0
    qualify_messages_per_hour_needed: float = 0.0  # at the frequency that TCP keep-alive allows
    qualify_bytes_per_hour_needed: float = 0.0
    drift: tuple[str, ...] = ()  # the listener's: "idle: wanted 3, found 7200"


@dataclass(frozen=True, slots=True)
class ConnectionRow(Row):
    """One TCP or TLS socket, with what the kernel says of it."""

    serial: int  # unique for the life of the daemon, never reused
    transport: str  # id of the owning object; "" = not assigned (`note` says why)
    protocol: str  # tcp, tls
    direction: str  # incoming, outgoing
    local: str
    peer: str
    state: str  # connecting, established, closing
    age: float  # s since it came up, or since it was first seen (attach)
    mechanism: str  # as in TransportRow
    idle: float | None = None  # s since data went either way
    next_probe: float | None = None  # s until the kernel's next probe, or the next ping
    unacknowledged: int | None = None  # bytes sent and not acknowledged
    retransmits: int | None = None  # of the segment now outstanding
    rtt: float | None = None  # s, the kernel's smoothed round-trip time
    detection: float | None = None  # s, predicted, as the connection is now; None = never
    drift: tuple[str, ...] = ()  # "user_timeout: wanted 8.0, found 0.0"
    request_seen: bool = False  # a SIP request came: the idle kill spares it
    note: str = ""  # why it is unassigned, or why it is not closed though wedged


@dataclass(frozen=True, slots=True)
class DeathRow(Row):
    """One of the last connections that ended."""

    serial: int
    transport: str
    protocol: str
    direction: str
    local: str
    peer: str
    at: float  # s since the epoch
    age: float  # s that it lived
    cause: str  # a Cause
    mechanism: str = "none"
    error: int | None = None  # errno
    silent: float | None = None  # s from the last segment of the peer to the end
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ContactRow(Row):
    """One contact of an AOR and what qualify knows of it."""

    aor: str
    uri: str
    status: str  # Reachable, Unreachable, Unknown, NonQualified, Removed (Asterisk's long labels)
    rtt: float | None = None  # s, of the last answer
    rtt_min: float | None = None
    rtt_avg: float | None = None
    rtt_max: float | None = None
    sent: int = 0  # OPTIONS since the contact is known
    answered: int = 0
    late: int = 0  # answers after the timeout, which changed nothing
    misses: int = 0  # in a row, now
    last: str = ""  # the last result in words: "200 OK", "timeout", "connection refused"
    next_due: float | None = None  # s until the next OPTIONS; None = none is due
    transport: str = ""
    connection: int | None = None  # serial of the connection that carries it
    peer: str = ""  # of that connection
    mechanism: str = ""  # of that connection, beside the OPTIONS
    frequency: int = 0  # s between OPTIONS; 0 = off
    expires: float | None = None  # s left; None = permanent
    user_agent: str = ""
    endpoints: tuple[str, ...] = ()
    detection: float | None = None  # s until a dead peer is noticed, by whichever is first; None = never
    detected_by: str = ""  # by what: a mechanism


@dataclass(frozen=True, slots=True)
class AorRow(Row):
    """An address of record with its qualify settings and the sum of its contacts."""

    id: str
    available: bool
    contacts: int
    reachable: int
    max_contacts: int = 0
    frequency: int = 0  # s between OPTIONS; 0 = off
    timeout: float = 0.0  # s; 0 = none of its own
    down: int = 1  # misses before Unreachable
    up: int = 1  # answers before Reachable
    endpoints: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class EndpointRow(Row):
    """An endpoint and whether any of its AORs is available."""

    id: str
    state: str  # online, offline
    aors: tuple[str, ...] = ()
    transport: str = ""  # "" = chosen by URI
    contacts: int = 0
    reachable: int = 0


@dataclass(frozen=True, slots=True)
class FlowRow(Row):
    """One RFC 5626 flow, ours to a registrar (client) or a phone's to us (server)."""

    role: str  # client, server
    aor: str  # registration id (client) or AOR (server)
    transport: str
    peer: str
    state: str  # connecting, registering, up, suspect, failed, waiting
    connection: int | None = None  # serial
    reg_id: int | None = None
    instance_id: str = ""
    version: str = "rfc5626"  # or draft03
    kept_alive: bool = False
    why_not: str = ""  # why the flow is not kept alive, in words
    flow_timer: int | None = None  # s, from the Flow-Timer header
    next_ping: float | None = None  # s until our ping (client), or until the peer's is overdue (server)
    pong_due: float | None = None  # s until the pong is overdue; None = none is awaited
    pings: int = 0
    pongs: int = 0
    rtt: float | None = None  # s, of the last ping and pong
    rtt_min: float | None = None
    rtt_avg: float | None = None
    rtt_max: float | None = None
    failures: int = 0  # in a row
    retry_in: float | None = None  # s, RFC 5626 4.5
    expires: float | None = None  # s left of the registration


@dataclass(frozen=True, slots=True)
class EngineRow(Row):
    """The daemon and the pjproject it runs on, or the process that it is attached to."""

    mode: str  # run, attach, load
    version: str  # pjka's
    pid: int
    uptime: float  # s
    configuration: str  # path of the pjsip.conf in force
    engine: str = ""  # trial, production; "" = attached
    pjproject: str = ""  # its version
    path: str = ""  # of the pjsua2 module
    ioqueue: str = ""
    tls: str = ""  # the TLS library
    handles: int = 0  # sockets that the engine holds at most
    handles_used: int = 0
    accounts: int = 0
    accounts_used: int = 0
    option_slots: int = 0
    packet: int = 0  # bytes of the largest message
    reactor_delay: float | None = None  # s, the most that a timer was late recently
    defects: tuple[str, ...] = ()  # known ones of this version, worked around
    attached_to: str = ""  # name and pid of the PBX
    reloaded: float | None = None  # s since the epoch, the last reload that took effect


@dataclass(frozen=True, slots=True)
class ChangeRow(Row):
    """What a reload did, or would do, with one object; also said of what it left alone, and why."""

    kind: str  # transport, aor, endpoint, registration, global, ...
    id: str
    change: str  # added, removed, changed, restarted, kept, rejected
    options: tuple[str, ...] = ()  # "tcp_keepalive_idle_time: 30 -> 10"
    reason: str = ""  # why it was kept, restarted or rejected
    connections: int = 0  # existing ones that got the new values
    file: str = ""
    line: int = 0  # from 1; 0 = of no line


#: The subjects of ``pjka show`` and the rows that each consists of.
SHOWS: typing.Final[Mapping[str, type[Row]]] = types.MappingProxyType(
    {
        "transports": TransportRow,
        "connections": ConnectionRow,
        "deaths": DeathRow,
        "contacts": ContactRow,
        "aors": AorRow,
        "endpoints": EndpointRow,
        "flows": FlowRow,
        "engine": EngineRow,
    }
)
