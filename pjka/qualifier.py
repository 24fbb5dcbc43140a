"""Qualify at work: what the schedule says is due is sent, and what comes back moves the contacts.

Everything here runs on the reactor's thread, but for what says otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from pjka.admission import Admission
from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor
from pjka.errors import PjkaError
from pjka.keepalive.recovery import Recover
from pjka.pjproject.layouts import Selector
from pjka.pjproject.reactor import Reactor, Timer
from pjka.pjproject.requests import Cause, Destination, Requests, Result
from pjka.qualify.contact import Contact, Rules, Status
from pjka.qualify.cost import Cost, Traffic
from pjka.qualify.registry import AorSettings, Change, ContactChange, Key, Registered, Registry
from pjka.qualify.wedged import Carrier, why_not
from pjka.qualify_request import Exits, Plan, plan
from pjka.status import Cause as End

_log = logging.getLogger(__name__)
_AGENT = "pjka"
_BATCH = 16  # sent between two polls of pjproject, so that answers are not kept waiting


class Ways(Exits, Protocol):
    """The transports that requests leave by."""

    def selector(self, transport: str) -> Selector | None:
        """What makes a request leave through this transport; None if it is not running."""


class Connections(Protocol):
    """The connections that carry contacts."""

    def serial(self, protocol: str, peer: tuple[str, int]) -> int | None:
        """The connection to this peer; None if there is none."""

    def carrier(self, serial: int) -> Carrier | None:
        """What the connection carries, as the kernel and the calls have it; None if it is not up."""

    def close(self, serial: int, cause: End) -> None:
        """Close the connection for this reason."""

    def over(self, serial: int, sent_by: tuple[str, int]) -> Destination | None:
        """The peer of this connection, over this very connection; None if it is gone."""


@dataclass(slots=True)
class Side:
    """What is known of a contact beside its status; made when it is first sent to."""

    transport: str = ""
    protocol: str = ""
    peer: tuple[str, int] | None = None
    closed_at: int = 0  # misses in a row when its connection was closed as wedged
    note: str = ""


@dataclass(slots=True)
class _Round:
    """One ``qualify_now``: the contacts whose result is awaited."""

    awaited: set[Key]
    results: dict[Key, Result]
    done: Callable[[Mapping[Key, Result]], None]


class Qualifier:
    """Qualifies the contacts of a configuration; ``sink`` gets every change, in order."""

    def __init__(
        self,
        reactor: Reactor,
        requests: Requests | Admission,
        ways: Ways,
        connections: Connections,
        sink: Callable[[Change], None],
        random: Random,
    ) -> None:
        self.registry = Registry(random)
        self.sides: dict[Key, Side] = {}
        self.configuration: Configuration | None = None
        self._reactor = reactor
        self._requests = requests
        self._ways = ways
        self._connections = connections
        self._sink = sink
        self._plans: dict[Key, Plan] = {}
        self._outstanding: set[Key] = set()
        self._rounds: list[_Round] = []
        self._traffic: dict[str, Traffic] = {}
        self._timer: Timer | None = None
        self._sweep: Timer | None = None

    def load(self, configuration: Configuration) -> None:
        """Take a configuration, the first or another; and again after a transport has been started anew."""
        self.configuration = configuration
        self._plans.clear()
        users: dict[str, list[str]] = {}
        for endpoint in configuration.endpoints.values():
            for name in endpoint.aors:
                users.setdefault(name, []).append(endpoint.id)
        aors = {
            name: AorSettings(_rules(aor), tuple(map(_bare, aor.contact)), tuple(sorted(users.get(name, ()))))
            for name, aor in configuration.aors.items()
        }
        endpoints = {name: endpoint.aors for name, endpoint in configuration.endpoints.items()}
        cap = configuration.global_.max_initial_qualify_time
        self._emit(self.registry.load(aors, endpoints, cap, self._reactor.now()))
        self._arm()
        self._expire()

    def register(self, key: Key, registered: Registered) -> None:
        """A contact has registered or refreshed its registration."""
        self._emit(self.registry.register(key, registered, self._reactor.now()))
        self._arm()

    def unregister(self, key: Key) -> None:
        """A registration has ended, whatever ended it."""
        self._emit(self.registry.unregister(key))

    def qualify_now(self, aor: str, done: Callable[[Mapping[Key, Result]], None]) -> None:
        """Send to every contact of the AOR at once, and call ``done`` with the results when all are there.

        Also where its frequency is 0; then the statuses stay as they are. A contact that no endpoint can be
        found for has no result. PjkaError if the AOR is not known or has no contact.
        """
        found = self.registry.aors.get(aor)
        if found is None:
            raise PjkaError("no such AOR", value=aor)
        if not found.contacts:
            raise PjkaError("the AOR has no contact", value=aor)
        keys = {(aor, uri) for uri in found.contacts}
        self._rounds.append(_Round(set(keys), {}, done))
        for key in keys:
            self._send(key)

    def stop(self) -> None:
        """Send nothing any more."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._disarm()

    def cost(self, transport: str, least: int = 0) -> Cost:
        """What the contacts on a transport cost, if none has less than ``least`` seconds between two."""
        total, traffic = Cost(), self._traffic.get(transport, Traffic())
        for key, side in self.sides.items():
            aor = self.registry.aors.get(key[0])
            if side.transport == transport and aor is not None and key[1] in aor.contacts:
                frequency = aor.rules.frequency
                total += traffic.per_hour(max(frequency, least) if frequency else 0)
        return total

    def connection(self, side: Side) -> int | None:
        """The serial of the connection that carries a contact; None without one."""
        return self._connections.serial(side.protocol, side.peer) if side.peer else None

    def _arm(self) -> None:
        due = self.registry.schedule.next_timer()
        if self._timer is not None and due is not None and self._timer.when <= due:
            return  # it finds out by itself
        self._disarm()
        if due is not None:
            self._timer = self._reactor.call_later(max(0.0, due - self._reactor.now()), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        """Look for registrations that have run out, every contact_expiration_check_interval."""
        assert self.configuration is not None
        self._emit(self.registry.expire(self._reactor.now()))
        if self._sweep is not None:
            self._sweep.cancel()
        interval = self.configuration.global_.contact_expiration_check_interval
        self._sweep = self._reactor.call_later(interval, self._expire) if interval else None

    def _tick(self) -> None:
        self._timer = None
        schedule = self.registry.schedule
        ready = schedule.handle_timer(self._reactor.now(), _BATCH)
        for key in ready:
            self._send(key)
        if len(ready) < _BATCH:
            self._arm()
        else:  # the reactor was kept from it: what is overdue is not to come in a burst
            self._timer = self._reactor.call_later(schedule.pause(_BATCH), self._tick)

    def _send(self, key: Key) -> None:
        if key in self._outstanding:
            return
        self._outstanding.add(key)
        try:
            planned = self._plan(key)
        except PjkaError as error:
            self._done(key, Result(Cause.SEND, reason=str(error)))
            return
        if planned is None:  # in nobody's name: Asterisk sends nothing either, and the status stays
            self._outstanding.discard(key)
            self.registry.schedule.done(key)
            self._finish_rounds(key, None)
            return
        rules = self.registry.aors[key[0]].rules
        destination = self._destination(key, planned)
        self._requests.send(
            planned.request, destination, rules.timeout, partial(self._done, key), partial(self._late, key)
        )

    def _destination(self, key: Key, planned: Plan) -> Destination:
        """Over the flow that the contact registered by (RFC 5626 5.3), else where its URI leads."""
        registered = self.registry.aors[key[0]].registered.get(key[1])
        if registered is not None and registered.connection is not None:
            flow = self._connections.over(registered.connection, planned.sent_by)
            if flow is not None:
                return flow
        assert self.configuration is not None
        selector = self._ways.selector(planned.transport)
        transport = self.configuration.transports.get(planned.transport)
        recover = Recover(transport.recover) if transport and planned.protocol != "udp" else Recover.NO
        return Destination(planned.protocol, planned.host, planned.port, selector, planned.sent_by, recover)

    def _plan(self, key: Key) -> Plan | None:
        planned = self._plans.get(key)
        if planned is None:
            assert self.configuration is not None
            name = self.registry.aors[key[0]].endpoint_of(key[1])
            endpoint = self.configuration.endpoints.get(name or "")
            if endpoint is None:
                return None
            aor, auths = self.configuration.aors[key[0]], self.configuration.auths
            agent = self.configuration.global_.user_agent
            planned = plan(key[1], aor, endpoint, auths, self._ways, _AGENT if agent is None else agent)
            self._plans[key] = planned
            side = self.sides.setdefault(key, Side())
            side.transport, side.protocol = planned.transport, planned.protocol
        return planned

    def _done(self, key: Key, result: Result) -> None:
        self._outstanding.discard(key)
        contact, side = self.registry.contact(key), self.sides.get(key) or self.sides.setdefault(key, Side())
        side.peer = result.address or side.peer
        if result.rounds:
            messages = result.rounds + (result.rounds if result.cause is Cause.ANSWER else 0)
            size = result.sent_bytes + result.received_bytes
            self._traffic.setdefault(side.transport, Traffic()).count(messages, size)
        if contact is not None:
            contact.last = f"{result.status} {result.reason}".strip() if result.status else result.reason
        if result.cause is Cause.ANSWER:
            self._emit(self.registry.answer(key, result.status, result.rtt))
        else:
            self._emit(self.registry.miss(key))
        if contact is None:
            self._forget(key)
        elif contact.misses:
            self._missed(key, contact, side)
        else:
            side.closed_at, side.note = 0, ""
        self._finish_rounds(key, result)

    def _late(self, key: Key) -> None:
        contact = self.registry.contact(key)
        if contact is not None:
            contact.late_answer()

    def _missed(self, key: Key, contact: Contact, side: Side) -> None:
        """What an AOR asks to be done when a contact is Unreachable."""
        assert self.configuration is not None
        aor = self.configuration.aors[key[0]]
        serial = self.connection(side)
        if contact.status is not Status.UNREACHABLE:
            return
        if aor.remove_unreachable and key[1] in self.registry.aors[key[0]].registered:
            if serial is not None:
                self._connections.close(serial, End.UNREACHABLE)
            self.unregister(key)
        elif aor.close_wedged and serial is not None:
            self._close_wedged(serial, contact, aor.qualify_down, side)

    def _close_wedged(self, serial: int, contact: Contact, down: int, side: Side) -> None:
        carrier = self._connections.carrier(serial)
        if carrier is None:
            return
        side.note = why_not(contact.misses - side.closed_at, down, carrier)
        if not side.note:
            side.closed_at = contact.misses
            self._connections.close(serial, End.WEDGED)

    def _emit(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, ContactChange) and change.status is Status.REMOVED:
                self._forget((change.aor, change.uri))
            _log.info("%s", change)
            self._sink(change)

    def _forget(self, key: Key) -> None:
        self._plans.pop(key, None)
        self.sides.pop(key, None)

    def _finish_rounds(self, key: Key, result: Result | None) -> None:
        for waiting in [waiting for waiting in self._rounds if key in waiting.awaited]:
            waiting.awaited.remove(key)
            if result is not None:
                waiting.results[key] = result
            if not waiting.awaited:
                self._rounds.remove(waiting)
                waiting.done(waiting.results)


def _rules(aor: Aor) -> Rules:
    return Rules(
        aor.qualify_frequency, aor.qualify_timeout, aor.qualify_2xx_only, aor.qualify_down, aor.qualify_up
    )


def _bare(uri: str) -> str:
    return uri.removeprefix("<").removesuffix(">")
