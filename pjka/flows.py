"""RFC 5626 flows on the wire: pings and pongs on real connections, and the end of those that fail.

What a flow does is decided in :mod:`pjka.keepalive.flow`; here its bytes are sent, its timers run, and its
failed connection is closed. Everything runs on the reactor's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from pjka.events import ConnectionDown, Event
from pjka.keepalive.crlf import PING, PONG
from pjka.keepalive.flow import ClientFlow, ClientSettings, Registered, ServerFlow, Version
from pjka.keepalive.flow import Event as Told
from pjka.monitors import Connection, Monitors
from pjka.pjproject.reactor import Reactor, Timer
from pjka.status import Cause

# Of the newlines of one read, in bytes: nobody has more pings under way, and each costs an answer.
_MOST = 256


@dataclass(frozen=True, slots=True)
class Owner:
    """Who registered over a flow, a registration's id (client) or an AOR (server), and its outbound names."""

    name: str
    reg_id: int | None = None
    instance_id: str = ""


@dataclass(slots=True, eq=False)
class Carried:
    """The flow that a connection carries; ``answers`` are what each registration was told about it."""

    connection: Connection
    engine: ClientFlow | ServerFlow
    owners: list[Owner] = field(default_factory=list)
    version: Version = Version.RFC5626
    answers: dict[Owner, Registered] = field(default_factory=dict)
    tell: dict[Owner, Callable[[Told], object]] = field(default_factory=dict)
    timer: Timer | None = None


class Flows:
    """The flows of all connections; hears the newlines of each, and answers every ping on any of them.

    ``answers`` is False where pjproject answers pings by itself.
    """

    def __init__(self, reactor: Reactor, monitors: Monitors, random: Random, *, answers: bool = True) -> None:
        self._reactor = reactor
        self._monitors = monitors
        self._random = random
        self._answers = answers
        self._flows: dict[int, Carried] = {}
        monitors.crlf_listener = self

    def __iter__(self) -> Iterator[Carried]:
        return iter(tuple(self._flows.values()))

    def get(self, serial: int) -> Carried | None:
        """The flow that the connection with this serial carries."""
        return self._flows.get(serial)

    def close(self) -> None:
        """Send nothing any more, and close nothing."""
        self._monitors.crlf_listener = None
        for flow in self:
            self._forget(flow.connection.serial)

    # From the registrar and the registrations

    def registered_with_us(
        self, connection: Connection, owner: Owner, flow_timer: int | None, version: Version
    ) -> None:
        """A 2xx to REGISTER went out over an accepted connection; ``flow_timer`` as in its header (s)."""
        flow = self._of(connection, lambda: ServerFlow(answers=self._answers))
        if not isinstance(flow.engine, ServerFlow):
            return
        flow.version = version
        _add(flow, owner)
        flow.engine.registered(flow_timer, self._reactor.now())
        self._settle(flow)

    def registered_by_us(
        self,
        connection: Connection,
        owner: Owner,
        settings: ClientSettings,
        answer: Registered,
        tell: Callable[[Told], object],
    ) -> None:
        """A 2xx to our REGISTER came over this connection; ``tell`` is called with what becomes of the flow.

        Several registrations may share a connection: the shortest Flow-Timer counts, and a pong is due if one
        of their answers says so.
        """
        flow = self._of(connection, lambda: ClientFlow(settings, self._random))
        if not isinstance(flow.engine, ClientFlow):
            return
        self._monitors.watch_messages(connection)
        flow.version = settings.version
        _add(flow, owner)
        flow.answers[owner], flow.tell[owner] = answer, tell
        flow.engine.registered(_together(flow), self._reactor.now())
        self._settle(flow)

    def unregistered(self, connection: Connection, owner: Owner) -> None:
        """A registration over this connection ended; with its last one nothing is due on it any more."""
        flow = self._flows.get(connection.serial)
        if flow is None or owner not in flow.owners:
            return
        flow.owners.remove(owner)
        flow.answers.pop(owner, None)
        flow.tell.pop(owner, None)
        if flow.owners:
            return
        if isinstance(flow.engine, ServerFlow):
            flow.engine.registered(None, self._reactor.now())
            self._settle(flow)
        else:
            self._forget(connection.serial)

    # From the connections

    def newlines(self, connection: Connection, data: bytes, now: float) -> None:
        """Bytes between messages: perhaps pings, perhaps pongs, perhaps a part of one."""
        flow = self._of(connection, lambda: ServerFlow(answers=self._answers))
        flow.engine.receive(data[:_MOST], now)
        self._settle(flow)

    def message(self, connection: Connection) -> None:
        """A message came after newlines: half a ping before it is none."""
        flow = self._flows.get(connection.serial)
        if flow is not None:
            flow.engine.received()

    def hear(self, event: Event) -> None:
        """Forget the flow of a connection that is gone."""
        if isinstance(event, ConnectionDown):
            self._forget(event.serial)

    def _of(self, connection: Connection, make: Callable[[], ClientFlow | ServerFlow]) -> Carried:
        """The flow of a connection; one that only answers pings so far becomes a client's on registering."""
        flow = self._flows.get(connection.serial)
        if flow is None:
            flow = self._flows[connection.serial] = Carried(connection, make())
        elif not flow.owners:
            engine = make()
            if type(engine) is not type(flow.engine):
                flow.engine = engine
        return flow

    def _forget(self, serial: int) -> None:
        flow = self._flows.pop(serial, None)
        if flow is None:
            return
        flow.engine.close(self._reactor.now())
        if flow.timer is not None:
            flow.timer.cancel()

    def _settle(self, flow: Carried) -> None:
        """Do what the engine asks for, and have it woken when it wants."""
        events = flow.engine.events()
        pongs = events.count(Told.SEND_PONG) if self._answers else 0
        if pongs:
            self._monitors.send(flow.connection, PONG * pongs)
        for event in events:
            self._do(flow, event)
        due = flow.engine.next_timer()
        if due is None or (flow.timer is not None and flow.timer.when <= due):
            return  # a timer that comes early finds that out by itself
        if flow.timer is not None:
            flow.timer.cancel()
        flow.timer = self._reactor.call_later(due - self._reactor.now(), lambda: self._wake(flow))

    def _wake(self, flow: Carried) -> None:
        flow.timer = None
        if self._flows.get(flow.connection.serial) is not flow:
            return
        now = self._reactor.now()
        engine = flow.engine
        if isinstance(engine, ClientFlow) and engine.pong_due is not None and engine.pong_due <= now:
            since = self._monitors.unfinished_since(flow.connection)
            if since is not None:
                engine.receiving(since)
        engine.handle_timer(now)
        self._settle(flow)

    def _do(self, flow: Carried, event: Told) -> None:
        if event is Told.SEND_PING:
            self._monitors.send(flow.connection, PING)
        elif event is Told.FAILED:
            self._monitors.end(flow.connection.serial, Cause.PONG_MISSED)
        elif event is Told.EXPIRED:
            self._monitors.end(flow.connection.serial, Cause.FLOW_TIMER)
        for tell in tuple(flow.tell.values()):
            tell(event)


def _add(flow: Carried, owner: Owner) -> None:
    if owner not in flow.owners:
        flow.owners.append(owner)


def _together(flow: Carried) -> Registered:
    """What all registrations of one connection were told, as one answer."""
    answers = flow.answers.values()
    supervised = [answer for answer in answers if answer.require_outbound and answer.reg_id]
    best = (supervised or list(answers))[0]
    timers = [answer.flow_timer for answer in answers if answer.flow_timer]
    return Registered(min(timers, default=None), best.require_outbound, best.reg_id)
