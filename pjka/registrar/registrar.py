"""The registrar at work: REGISTERs come in, and are answered once what they changed is on disk.

Everything runs on the reactor's thread, but for what says otherwise.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from sipmessage import URI

from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor, Endpoint, Transport
from pjka.events import ConnectionDown, ContactStatus, Event
from pjka.flows import Flows
from pjka.keepalive.flow import Version
from pjka.keepalive.policy import Mechanism
from pjka.listeners import Listeners
from pjka.monitors import Connection, Monitors, address
from pjka.pjproject.incoming import Incoming
from pjka.pjproject.messages import Received
from pjka.pjproject.reactor import Reactor, Timer
from pjka.qualify.contact import Status
from pjka.registrar.auth import Doorman, Verdict, logins, stranger
from pjka.registrar.bindings import Limits, Offer, Origin, Outcome, register
from pjka.registrar.request import BadRequest, Register, read, response, with_keep
from pjka.registrar.table import Contacts, Table, owner_of

_BATTERY = 840  # s: the Flow-Timer for devices that save power (RFC 5626 4.4)
_KEPT = 32.0  # s: a datagram that comes again within these is answered again (RFC 3261 timer F)
_SWEEP = 30.0  # s: where contact_expiration_check_interval is 0


@dataclass(frozen=True, slots=True)
class Road:
    """How a request came, and how its answer goes back; ``connection`` is None for a datagram."""

    received: Received
    transport: Transport
    connection: Connection | None


class Registrar:
    """Answers REGISTER; ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        reactor: Reactor,
        monitors: Monitors,
        listeners: Listeners,
        flows: Flows,
        contacts: Contacts,
        incoming: Incoming,
        table: Table,
        clock: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._monitors = monitors
        self._listeners = listeners
        self._flows = flows
        self._contacts = contacts
        self._incoming = incoming
        self._clock = clock
        self._doorman = Doorman(secrets.token_bytes(32))
        self._configuration: Configuration | None = None
        self._answered: OrderedDict[tuple[tuple[str, int], str], tuple[float, bytes]] = OrderedDict()
        self._sweep: Timer | None = None
        self.table = table

    def start(self, configuration: Configuration) -> None:
        """Take up the bindings that are on disk, and answer REGISTER from now on."""
        self.table.restore(configuration.aors.keys())
        self.load(configuration)
        self._incoming.take("REGISTER", self._note)

    def load(self, configuration: Configuration) -> None:
        """Take a configuration, the first or another; AORs that are gone lose their bindings."""
        self._configuration = configuration
        self.table.keep_only(configuration.aors.keys())
        self._expire()

    def stop(self) -> None:
        """Answer nothing any more; what is on disk stays there."""
        self._configuration = None
        if self._sweep is not None:
            self._sweep.cancel()

    def hear(self, event: Event) -> None:
        """Bindings go with their connection, and with a contact that qualify has given up."""
        if self._configuration is None:
            return
        if isinstance(event, ConnectionDown):
            self.table.connection_gone(event.serial)
        elif isinstance(event, ContactStatus) and event.ContactStatus == Status.REMOVED.value:
            self.table.contact_gone(event.AOR, event.URI)

    def _expire(self) -> None:
        assert self._configuration is not None
        if self._sweep is not None:
            self._sweep.cancel()
        self.table.expire()
        seconds = self._configuration.global_.contact_expiration_check_interval or _SWEEP
        self._sweep = self._reactor.call_later(seconds, self._expire)

    # A request

    def _note(self, received: Received) -> None:
        self._reactor.post(lambda: self._receive(received))

    def _receive(self, received: Received) -> None:
        connection = self._monitors.of_pointer(received.transport)
        name = self._listeners.owner(received.transport) if connection is None else connection.transport
        started = self._listeners.all.get(name)
        if started is None or self._configuration is None:
            return  # the connection is gone, or was never ours
        road = Road(received, started.transport, connection)
        try:
            request = read(received.data)
        except BadRequest as error:
            self._answer(road, f"400 {error}", ())
            return
        again = self._answered.get(_retransmission(road, request)) if connection is None else None
        if again is not None:
            self._send(road, again[1])
        else:
            self._judge(road, request)

    def _judge(self, road: Road, request: Register) -> None:
        assert self._configuration is not None
        endpoint = self._endpoint(request)
        refused = self._unauthorized(request, endpoint)
        if refused is not None:
            self._answer(road, "401 Unauthorized", refused)
            return
        aor = self._aor(request, endpoint)
        if endpoint is None or aor is None:
            self._answer(road, "404 Not Found", ())
            return
        outcome = register(
            request,
            self.table.of(aor.id),
            _limits(aor),
            self._offer(road),
            Origin(endpoint.id, rewritten=address(road.received.source) if endpoint.rewrite_contact else ""),
            self._clock(),
            self._unavailable(aor.id),
        )
        outcome = _bound(outcome, road.connection)
        self.table.apply(
            aor.id, outcome, lambda problem: self._complete(road, request, aor.id, outcome, problem)
        )

    def _endpoint(self, request: Register) -> Endpoint | None:
        """Whose REGISTER it is: by the user of From, with or without its host (Asterisk's ``username``)."""
        assert self._configuration is not None
        endpoints = self._configuration.endpoints
        return next((endpoints[name] for name in _names(request.sender) if name in endpoints), None)

    def _aor(self, request: Register, endpoint: Endpoint | None) -> Aor | None:
        """The AOR of To, if it is one of the endpoint's."""
        assert self._configuration is not None
        own = endpoint.aors if endpoint else ()
        name = next((name for name in _names(request.to) if name in own), "")
        return self._configuration.aors.get(name)

    def _unauthorized(self, request: Register, endpoint: Endpoint | None) -> tuple[str, ...] | None:
        """The challenges, or None; an endpoint that is not known is asked like any, and never let in."""
        assert self._configuration is not None
        if endpoint is not None and not endpoint.auth:
            return None
        system, known = self._configuration.global_, self._configuration.auths
        auths = [known[name] for name in (endpoint.auth if endpoint else ()) if name in known]
        defaults = (system.default_realm, system.default_auth_algorithms_uas)
        doors, now = logins(auths, *defaults) or (stranger(*defaults),), self._clock()
        verdict = self._doorman.check(request.authorization, doors, "REGISTER", request.uri, now)
        if verdict is Verdict.GRANTED:
            return None
        return self._doorman.challenges(doors, now, stale=verdict is Verdict.STALE)

    def _offer(self, road: Road) -> Offer:
        """Flows only where they are the transport's one mechanism."""
        policy = self._listeners.policy(road.transport.id)
        if road.connection is None or policy is None or policy.mechanism is not Mechanism.OUTBOUND:
            return Offer()
        if Version(road.transport.outbound_version) is Version.DRAFT03:
            return Offer(outbound=True, require=False)
        timer = road.transport.flow_timer
        return Offer(outbound=True, flow_timer=_BATTERY if timer == "battery" else timer)

    def _unavailable(self, aor: str) -> set[str]:
        found = {each.target: self._contacts.contact((aor, each.target)) for each in self.table.of(aor)}
        return {
            target for target, contact in found.items() if contact and contact.status is Status.UNREACHABLE
        }

    # The answer

    def _complete(self, road: Road, request: Register, aor: str, outcome: Outcome, problem: str) -> None:
        """What the request changed is on disk, or ``problem`` says why not."""
        if problem:
            self._answer(road, "500 Not Stored", ())
            return
        offer, received = self._offer(road), road.received
        if request.keep and offer.flow_timer and outcome.code == 200:
            road = replace(road, received=replace(received, data=with_keep(received.data, offer.flow_timer)))
        self._answer(road, f"{outcome.code} {outcome.phrase}", outcome.lines)
        connection = road.connection
        if connection is None or self._monitors.get(connection.serial) is None:
            return
        for binding in outcome.put:
            if binding.connection is not None:
                timer, version = outcome.flow_timer, Version(road.transport.outbound_version)
                self._flows.registered_with_us(connection, owner_of(aor, binding), timer, version)

    def _answer(self, road: Road, status: str, lines: tuple[str, ...]) -> None:
        try:
            text = response(road.received.data, road.received.source, status, lines, tag=secrets.token_hex(8))
        except BadRequest:
            return  # not even a response can be made of it
        if road.connection is None:
            self._remember(road, text)
        self._send(road, text)

    def _send(self, road: Road, text: bytes) -> None:
        connection = road.connection
        if connection is None:
            self._incoming.answer(road.received, text)
        elif self._monitors.get(connection.serial) is connection:
            self._monitors.send(connection, text)

    def _remember(self, road: Road, text: bytes) -> None:
        try:
            key = _retransmission(road, read(road.received.data))
        except BadRequest:
            return
        now = self._reactor.now()
        self._answered[key] = (now, text)
        while next(iter(self._answered.values()))[0] < now - _KEPT:
            self._answered.popitem(last=False)


def _retransmission(road: Road, request: Register) -> tuple[tuple[str, int], str]:
    """What a datagram sent again has in common with its original."""
    return road.received.source, f"{request.call_id} {request.cseq} {''.join(request.vias[:1])}"


def _names(uri: URI) -> tuple[str, ...]:
    return (f"{uri.user}@{uri.host}", uri.user) if uri.user else ()


def _limits(aor: Aor) -> Limits:
    return Limits(
        aor.max_contacts,
        aor.minimum_expiration,
        aor.maximum_expiration,
        aor.default_expiration,
        aor.remove_existing,
        aor.remove_unavailable,
        aor.support_path,
    )


def _bound(outcome: Outcome, connection: Connection | None) -> Outcome:
    """The outcome with those bindings bound to the connection that would be lost without it.

    Those are flows, and contacts at the address that the connection itself has: nobody could connect to it
    (Asterisk does so with rewritten contacts).
    """
    if connection is None:
        return outcome
    put = tuple(
        replace(binding, connection=connection.serial)
        if binding.flow or _place(binding.target) == connection.peer
        else binding
        for binding in outcome.put
    )
    return replace(outcome, put=put)


def _place(target: str) -> tuple[str, int]:
    uri = URI.parse(target.partition("?")[0])
    return uri.host.strip("[]"), uri.port or 0
