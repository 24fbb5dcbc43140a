"""The registrations of a configuration at work: REGISTER out, refresh over the same flow, recover.

What happens next is decided in :mod:`pjka.registration.machine`; everything here runs on the reactor's
thread.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from pjka.admission import Admission
from pjka.conf.loader import Configuration
from pjka.conf.objects import Registration, Transport
from pjka.errors import PjkaError
from pjka.events import ConnectionDown, Event
from pjka.exits import ListenerExits
from pjka.flows import Flows, Owner
from pjka.keepalive.flow import (
    BATTERY_RANGE,
    DEFAULT_RANGE,
    ClientFlow,
    ClientSettings,
    Registered,
    Version,
    flow_timer_range,
)
from pjka.keepalive.flow import Event as Told
from pjka.keepalive.policy import Mechanism
from pjka.listeners import Listeners
from pjka.logs import fields
from pjka.monitors import Connection, Monitors
from pjka.pjproject.layouts import Selector
from pjka.pjproject.native import TPSELECTOR_TRANSPORT
from pjka.pjproject.reactor import Reactor, Timer
from pjka.pjproject.requests import Cause, Destination, Request, Result
from pjka.pjproject.transports import TPSELECTOR_LISTENER
from pjka.qualify_request import Exit, Hop, credentials, hop
from pjka.registration.answer import Said, read
from pjka.registration.machine import Answer, Client, Do, Rules, State
from pjka.status import Cause as End

_log = logging.getLogger(__name__)
_DEFAULT_FLOW_TIMER = 120


@dataclass(slots=True, eq=False)
class Leg:
    """One registration over one flow: to one outbound proxy, or straight to the server."""

    registration: Registration
    proxy: str
    owner: Owner
    client: Client
    exit: Exit
    hop: Hop
    transport: Transport
    outbound: bool  # flows are the transport's mechanism
    call_id: str
    cseq: int = 1
    serial: int | None = None  # of the connection that carries it
    timer: Timer | None = None

    @property
    def contact(self) -> str:
        """Our URI, without header parameters."""
        leave = self.exit
        host = f"[{leave.host}]" if ":" in leave.host else leave.host
        uri = f"sip:{self.registration.contact_user or 's'}@{host}:{leave.port}"
        return uri if leave.protocol == "udp" else f"{uri};transport={leave.protocol}"

    @property
    def header(self) -> str:
        """The Contact header, with reg-id and instance-id where flows are kept (4.2.1)."""
        text = f"<{self.contact}>"
        if self.client.outbound:
            text += f';reg-id={self.owner.reg_id};+sip.instance="<{self.owner.instance_id}>"'
        more = self.registration.contact_header_params
        return f"{text};{more}" if more else text


class Registrations:
    """Keeps every ``type=registration`` of a configuration registered."""

    def __init__(
        self,
        reactor: Reactor,
        requests: Admission,
        listeners: Listeners,
        monitors: Monitors,
        flows: Flows,
        instance_id: str,
        random: Random,
    ) -> None:
        self._reactor = reactor
        self._requests = requests
        self._listeners = listeners
        self._monitors = monitors
        self._flows = flows
        self._instance_id = instance_id
        self._random = random
        self._exits = ListenerExits(listeners.all)
        self._configuration: Configuration | None = None
        self._under_way = 0
        self.problems: dict[str, str] = {}
        self.legs: dict[str, tuple[Leg, ...]] = {}

    def load(self, configuration: Configuration) -> None:
        """Take a configuration, the first or another; registrations that are as before go on."""
        wanted = configuration.registrations
        for name, legs in tuple(self.legs.items()):
            if wanted.get(name) != legs[0].registration:
                self._end(self.legs.pop(name))
        self._configuration = configuration
        self.problems.clear()
        for name, registration in wanted.items():
            if name not in self.legs:
                self._begin(registration)

    def stop(self, done: Callable[[], object]) -> None:
        """Take every registration back, and call ``done`` when all are answered, or have failed."""
        legs = [leg for each in self.legs.values() for leg in each]
        self.legs.clear()
        self._end(tuple(legs), done)

    def hear(self, event: Event) -> None:
        """Register again when the connection is lost."""
        if not isinstance(event, ConnectionDown):
            return
        for leg in [leg for legs in self.legs.values() for leg in legs if leg.serial == event.serial]:
            leg.serial = None
            leg.client.connection_lost(self._reactor.now())
            self._settle(leg)

    # Begin and end

    def _begin(self, registration: Registration) -> None:
        given = (registration.outbound_proxy, *registration.outbound_proxies)
        proxies = [proxy for proxy in given if proxy] or [""]
        try:
            legs = tuple(self._leg(registration, proxy, number) for number, proxy in enumerate(proxies, 1))
        except PjkaError as error:
            self.problems[registration.id] = str(error)
            _log.error("registration-failed", extra=fields(registration=registration.id, problem=str(error)))
            return
        self.legs[registration.id] = legs
        for leg in legs:
            leg.client.start(self._reactor.now())
            self._settle(leg)

    def _leg(self, registration: Registration, proxy: str, reg_id: int) -> Leg:
        bare = proxy.removeprefix("<").removesuffix(">")
        first = hop(bare or registration.server_uri)
        leave = self._exits.named(registration.transport, first.host) if registration.transport else None
        leave = leave or self._exits.any_of(first.protocol, first.host)
        if leave is None:
            raise PjkaError(f"no {first.protocol} transport leads to {first.host}", option="transport")
        policy = self._listeners.policy(leave.transport)
        outbound = policy is not None and policy.mechanism is Mechanism.OUTBOUND
        rules = _rules(registration, outbound)
        client = Client(rules, self._random, partial(self._failures, registration.id))
        owner = Owner(registration.id, reg_id, self._instance_id)
        transport = self._listeners.all[leave.transport].transport
        call_id = secrets.token_hex(16)
        return Leg(registration, bare, owner, client, leave, first, transport, outbound, call_id)

    def _failures(self, name: str) -> list[int]:
        return [leg.client.failures for leg in self.legs.get(name, ())]

    def _end(self, legs: tuple[Leg, ...], done: Callable[[], object] = lambda: None) -> None:
        ending = [leg for leg in legs if leg.client.stop()]
        for leg in legs:
            if leg.timer is not None:
                leg.timer.cancel()
        waiting = len(ending)

        def ended(_: Result) -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                done()

        for leg in ending:
            connection = self._monitors.get(leg.serial) if leg.serial is not None else None
            if connection is not None:
                self._flows.unregistered(connection, leg.owner)
            self._send(leg, 0, ended)
        if not ending:
            done()

    # Register and be answered

    def _settle(self, leg: Leg) -> None:
        for action in leg.client.actions():
            if action is Do.CLOSE:
                self._close(leg)
            else:
                self._send(leg, leg.client.expiration, partial(self._answered, leg))
        due = leg.client.next_timer()
        if leg.timer is not None:
            leg.timer.cancel()
            leg.timer = None
        if due is not None:
            leg.timer = self._reactor.call_later(due - self._reactor.now(), partial(self._wake, leg))

    def _wake(self, leg: Leg) -> None:
        leg.timer = None
        leg.client.handle_timer(self._reactor.now())
        self._settle(leg)

    def _close(self, leg: Leg) -> None:
        serial, leg.serial = leg.serial, None
        if serial is not None:
            self._monitors.end(serial, End.CLOSED)

    def _send(self, leg: Leg, expires: int, done: Callable[[Result], None]) -> None:
        assert self._configuration is not None
        registration, system = leg.registration, self._configuration
        agent = registration.user_agent or system.global_.user_agent or "pjka"
        supported = [*(["path"] if registration.support_path or leg.client.outbound else [])]
        supported += ["outbound"] if leg.client.outbound or registration.support_outbound else []
        headers = [("Contact", leg.header), ("Expires", str(expires)), ("User-Agent", agent)]
        headers += [("Supported", ", ".join(supported))] if supported else []
        request = Request(
            "REGISTER",
            registration.server_uri,
            registration.client_uri,
            registration.client_uri,
            routes=(leg.proxy,) if leg.proxy else (),
            headers=tuple(headers),
            credentials=credentials(registration, system.auths),
            call_id=leg.call_id,
            cseq=leg.cseq,
            via=";keep" if leg.outbound else "",
        )
        self._requests.send(request, self._destination(leg), system.system.timer_b / 1000, done)

    def _destination(self, leg: Leg) -> Destination:
        """Over the same flow (4.2.2); the first time over a connection of its own, where flows are kept."""
        sent_by = (leg.exit.host, leg.exit.port)
        connection = self._monitors.get(leg.serial) if leg.serial is not None else None
        if connection is not None:
            selector = Selector(TPSELECTOR_TRANSPORT, 0, connection.pointer)
            return Destination(connection.protocol, *connection.peer, selector, sent_by)
        usual = self._exits.selector(leg.exit.transport)
        if leg.outbound and usual is not None and usual.type == TPSELECTOR_LISTENER:
            usual = Selector(TPSELECTOR_LISTENER, 1, usual.pointer)
        return Destination(leg.hop.protocol, leg.hop.host, leg.hop.port, usual, sent_by)

    def _answered(self, leg: Leg, result: Result) -> None:
        leg.cseq += max(result.rounds, 1)
        now = self._reactor.now()
        if result.cause is not Cause.ANSWER or result.received is None:
            self._end_attempt(leg, result)
            leg.client.unanswered(result.reason, now)
            self._say(leg)
            self._settle(leg)
            return
        connection = self._monitors.of_pointer(result.received.transport)
        leg.serial = connection.serial if connection is not None else None
        used = leg.client.outbound
        said = read(result.received.data, leg.contact, leg.owner.instance_id, leg.owner.reg_id)
        told = _told(said, used)
        supervised = leg.outbound and told.require_outbound and used and _version(leg) is Version.RFC5626
        leg.client.answered(
            Answer(result.status, said.expires, said.min_expires, said.retry_after, supervised), now
        )
        if connection is not None and leg.client.state is State.REGISTERED:
            self._keep(leg, connection, told)
        self._say(leg)
        self._settle(leg)

    def _keep(self, leg: Leg, connection: Connection, told: Registered) -> None:
        """The connection is the registration's flow from now on."""
        self._monitors.hold(connection)
        if not leg.outbound:
            return
        self._flows.registered_by_us(
            connection, leg.owner, settings_of(leg.transport), told, partial(self._hear_flow, leg)
        )
        flow = self._flows.get(connection.serial)
        if flow is not None and isinstance(flow.engine, ClientFlow) and flow.engine.pongs:
            leg.client.pong()

    def _hear_flow(self, leg: Leg, event: Told) -> None:
        if event is Told.FIRST_PONG:
            leg.client.pong()

    def _end_attempt(self, leg: Leg, result: Result) -> None:
        """A connection that was opened for nothing is not to be found by the next attempt."""
        for connection in self._monitors:
            unused = self._flows.get(connection.serial) is None and not connection.incoming
            if leg.outbound and unused and connection.peer == result.address:
                self._monitors.end(connection.serial, End.CLOSED)

    def _say(self, leg: Leg) -> None:
        client = leg.client
        _log.log(
            logging.INFO if client.state is State.REGISTERED else logging.WARNING,
            "registration",
            extra=fields(
                registration=leg.registration.id,
                reg_id=leg.owner.reg_id,
                state=client.state.value,
                problem=client.problem,
                retry_in=None if client.due is None else round(client.due - self._reactor.now(), 1),
            ),
        )


def settings_of(transport: Transport) -> ClientSettings:
    """How our end of a flow over this transport behaves."""
    timer = transport.flow_timer
    if timer == "battery":
        without = BATTERY_RANGE
    else:
        without = DEFAULT_RANGE if timer == _DEFAULT_FLOW_TIMER else flow_timer_range(timer)
    return ClientSettings(Version(transport.outbound_version), without, transport.pong_timeout)


def _told(said: Said, reg_id: bool) -> Registered:
    """Flow-Timer counts before RFC 6223's ``keep``, which is to say the same (RFC 6223 4.3)."""
    timer = said.flow_timer if said.flow_timer is not None else said.keep
    return Registered(timer or None, said.require_outbound, reg_id)


def _version(leg: Leg) -> Version:
    return Version(leg.transport.outbound_version)


def _rules(registration: Registration, outbound: bool) -> Rules:
    return Rules(
        registration.expiration,
        registration.max_random_initial_delay,
        registration.retry_interval,
        registration.forbidden_retry_interval,
        registration.fatal_retry_interval,
        registration.max_retries,
        registration.auth_rejection_permanent,
        outbound,
    )
