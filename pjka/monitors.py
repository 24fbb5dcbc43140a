"""Every connection from its first to its last moment (Asterisk's ``pjsip_transport_management.c``).

The table is kept on the reactor's thread. pjproject's callbacks only leave notes, in order; the table works
them off when pjproject's call has returned. A connection has a serial number that is never used again,
because pjproject's pointers and names are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pjka.causes import cause_of, cause_of_attempt, errno_of
from pjka.events import ConnectionDown, ConnectionUp, Events
from pjka.gate import Gate
from pjka.linux import tcp_info
from pjka.linux.tcp_info import TcpInfo
from pjka.notes import Between, Note, Notes
from pjka.pjproject.callbacks import TransportState
from pjka.pjproject.descriptors import Descriptor, describe, find_connection
from pjka.pjproject.native import Native
from pjka.pjproject.reactor import Reactor
from pjka.status import Cause

DEATHS_KEPT = 200
_INCOMING = 2
_CLOCK_TICK = 0.05  # s: what the kernel's time of the last byte may be off, with a poll in between


@dataclass(slots=True)
class Connection:
    """One TCP or TLS connection, up ``since`` (the reactor's clock); ``transport`` "": not one of ours."""

    serial: int
    pointer: int
    transport: str
    protocol: str
    incoming: bool
    local: tuple[str, int]
    peer: tuple[str, int]
    since: float
    descriptor: Descriptor | None = None
    held: bool = True
    request_seen: bool = False
    ending: Cause | None = None
    drift: tuple[str, ...] = ()

    @property
    def direction(self) -> str:
        """``incoming`` or ``outgoing``."""
        return "incoming" if self.incoming else "outgoing"


class CrlfListener(Protocol):
    """Who wants to know of newlines between messages (RFC 5626 4.4.1); on the reactor's thread."""

    def newlines(self, connection: Connection, data: bytes, now: float) -> None:
        """These came, at this moment."""

    def message(self, connection: Connection) -> None:
        """A message followed newlines."""


class Monitors:
    """The table of connections, kept from the ``notes`` of pjproject's callbacks.

    ``owner`` gives the id of the transport that a factory belongs to, "" for none of ours. ``on_up`` is
    called with each connection before its event is published.
    """

    def __init__(
        self,
        native: Native,
        reactor: Reactor,
        events: Events,
        owner: Callable[[int], str],
        on_up: Callable[[Connection], object],
        gate: Gate,
    ) -> None:
        self._native = native
        self._reactor = reactor
        self._events = events
        self._owner = owner
        self._on_up = on_up
        self._gate = gate
        self.notes = Notes(native, reactor, gate, self._work)
        self._by_pointer: dict[int, Connection] = {}
        self._by_serial: dict[int, Connection] = {}
        self._last_serial = 0
        self.deaths: deque[ConnectionDown] = deque(maxlen=DEATHS_KEPT)
        self.idle_limit = 32.0
        self.crlf_listener: CrlfListener | None = None

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_serial.values()))

    def __len__(self) -> int:
        return len(self._by_serial)

    def get(self, serial: int) -> Connection | None:
        """The connection with this serial, or None if it is gone."""
        return self._by_serial.get(serial)

    def of_pointer(self, pointer: int) -> Connection | None:
        """The connection that pjproject knows by this pointer now."""
        return self._by_pointer.get(pointer)

    # On the reactor's thread, with no lock of pjproject held

    def _work(self, note: Note | Between | int) -> None:
        if isinstance(note, int):
            self._request_seen(note)
        elif isinstance(note, Between):
            self._between(note)
        elif note.state is TransportState.CONNECTED:
            self._up(note)
        else:
            self._gone(note)

    def _request_seen(self, pointer: int) -> None:
        connection = self._by_pointer.get(pointer)
        if connection is None:
            self.notes.forget(pointer)
        else:
            connection.request_seen = True

    def _between(self, note: Between) -> None:
        connection = self._by_pointer.get(note.pointer)
        if connection is None or self.crlf_listener is None:
            return
        if note.pointer in self.notes.completed:
            self.notes.completed[note.pointer] = max(note.at, self.notes.completed[note.pointer])
        if note.data:
            self.crlf_listener.newlines(connection, note.data, note.at)
        else:
            self.crlf_listener.message(connection)

    def _up(self, note: Note) -> None:
        self._last_serial += 1
        connection = Connection(
            serial=self._last_serial,
            pointer=note.pointer,
            transport=self._owner(note.factory),
            protocol=note.protocol,
            incoming=note.direction == _INCOMING,
            local=note.local,
            peer=note.peer,
            since=note.at,
            descriptor=self._descriptor(note),
        )
        self._by_pointer[note.pointer] = connection
        self._by_serial[connection.serial] = connection
        self._on_up(connection)
        if connection.incoming and self._gate.must_refuse:
            self.end(connection.serial, Cause.ENGINE_FULL)
        elif connection.incoming:
            self._reactor.call_later(self.idle_limit, lambda: self._kill_if_idle(connection.serial))
        self._events.publish(
            ConnectionUp(
                serial=connection.serial,
                transport=connection.transport,
                protocol=connection.protocol,
                direction=connection.direction,
                local=address(connection.local),
                peer=address(connection.peer),
            )
        )

    def _descriptor(self, note: Note) -> Descriptor | None:
        if note.protocol == "tcp":
            return describe(self._native.tcp_socket(note.pointer))
        known = {each.descriptor.fd for each in self._by_serial.values() if each.descriptor is not None}
        return find_connection(note.local, note.peer, known)

    def _gone(self, note: Note) -> None:
        connection = self._by_pointer.pop(note.pointer, None)
        self.notes.forget(note.pointer)
        if connection is None:
            if note.factory:
                self._attempt_failed(note)
            return
        del self._by_serial[connection.serial]
        self._gate.closed()
        info = last_words(connection)
        cause = connection.ending or cause_of(note.status, info)
        self._bury(connection, note, cause, info)
        if connection.held and note.state is not TransportState.DESTROY:
            self._release(connection)

    def _attempt_failed(self, note: Note) -> None:
        self._last_serial += 1
        attempt = Connection(
            self._last_serial,
            note.pointer,
            self._owner(note.factory),
            note.protocol,
            note.direction == _INCOMING,
            note.local,
            note.peer,
            note.at,
        )
        self._bury(attempt, note, cause_of_attempt(note.status), None)

    def _bury(self, connection: Connection, note: Note, cause: Cause, info: TcpInfo | None) -> None:
        death = ConnectionDown(
            serial=connection.serial,
            transport=connection.transport,
            protocol=connection.protocol,
            direction=connection.direction,
            local=address(connection.local),
            peer=address(connection.peer),
            cause=cause,
            age=note.at - connection.since,
            error=errno_of(note.status),
            silent=silence(info),
            detail="" if connection.ending else self._native.error_text(note.status),
        )
        self.deaths.append(death)
        self._events.publish(death)

    # What may be done with a connection

    def let_go(self, connection: Connection) -> None:
        """Leave the connection to pjproject's own idle timers from now on."""
        if connection.held:
            self._release(connection)

    def hold(self, connection: Connection) -> None:
        """Keep the connection from pjproject's own idle timers, if it was let go."""
        if not connection.held:
            connection.held = True
            self.notes.held.add(connection.pointer)
            self._native.hold(connection.pointer)

    def end(self, serial: int, cause: Cause) -> bool:
        """Close a connection now; whoever waits for an answer on it is told. False if there is none such."""
        connection = self._by_serial.get(serial)
        if connection is None:
            return False
        connection.ending = connection.ending or cause
        self._native.abort(connection.pointer)
        return True

    def watch_messages(self, connection: Connection) -> None:
        """Remember from now on when a message on this connection was last complete."""
        self.notes.completed.setdefault(connection.pointer, self._reactor.now())

    def unfinished_since(self, connection: Connection) -> float | None:
        """When bytes of a message that is not complete yet last came on a watched connection, or None.

        pjproject does not tell of unfinished messages; but the kernel knows when the last bytes came.
        """
        info, completed = last_words(connection), self.notes.completed.get(connection.pointer)
        if info is None or completed is None:
            return None
        at = self._reactor.now() - info.last_data_received / 1000
        return at if at > completed + _CLOCK_TICK else None

    def send(self, connection: Connection, data: bytes) -> None:
        """Send ``data`` as it is on this very connection; its failure shows as the connection's end."""
        self._native.send_raw(connection.pointer, data)

    def release_all(self) -> None:
        """Give all references back, before pjproject is stopped or left alone."""
        for connection in self:
            self.let_go(connection)

    def _release(self, connection: Connection) -> None:
        connection.held = False
        self.notes.held.discard(connection.pointer)
        self._native.release(connection.pointer)

    def _kill_if_idle(self, serial: int) -> None:
        connection = self._by_serial.get(serial)
        if connection is None or connection.request_seen or connection.ending:
            return
        connection.ending = Cause.IDLE_KILL
        self._native.shut_down(connection.pointer)


def address(pair: tuple[str, int]) -> str:
    """Host and port as SIP writes them, with brackets around an IPv6 address."""
    host, port = pair
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def last_words(connection: Connection) -> TcpInfo | None:
    """What the kernel has to say of the connection, or None if its socket is closed."""
    descriptor = connection.descriptor
    if descriptor is None or not descriptor.valid:
        return None
    try:
        return tcp_info.read(descriptor.fd)
    except OSError:
        return None


def silence(info: TcpInfo | None) -> float | None:
    """Seconds since anything at all was received from the peer."""
    if info is None:
        return None
    return min(info.last_data_received, info.last_ack_received) / 1000
