"""Qualify on top of transport management: its requests, its connections, its events, its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random

from pjka.admission import Admission
from pjka.conf.loader import Configuration
from pjka.events import ConnectionDown, ConnectionUp, ContactStatus, Event, PeerStatus
from pjka.exits import ListenerExits
from pjka.keepalive.competing import QUALIFY_BESIDE_TCP
from pjka.keepalive.platforms import Platform
from pjka.keepalive.policy import NEVER, Mechanism, Policy
from pjka.linux.tcp_info import TcpState
from pjka.module import TransportManagement
from pjka.monitors import Monitors, address, last_words
from pjka.pjproject.incoming import Incoming
from pjka.pjproject.layouts import Selector
from pjka.pjproject.names import Names
from pjka.pjproject.native import TPSELECTOR_TRANSPORT
from pjka.pjproject.requests import Destination, Requests
from pjka.qualifier import Qualifier
from pjka.qualifier_rows import aor_rows, contact_rows, endpoint_rows, qualify_command
from pjka.qualify.cost import Cost
from pjka.qualify.registry import Change, ContactChange, Key, Registered
from pjka.qualify.wedged import Carrier
from pjka.status import AorRow, Cause, ContactRow, EndpointRow, TransportRow


class Qualifying:
    """Qualifies the contacts of a configuration over the transports of ``management``.

    ``calls`` tells how many calls a connection (its serial) carries. The methods may be called from any
    thread but the reactor's callbacks.
    """

    def __init__(
        self, management: TransportManagement, random: Random, calls: Callable[[int], int] = lambda _: 0
    ) -> None:
        self._management = management
        self._random = random
        self._calls = calls
        self._reactor = management.reactor

    def start(self) -> None:
        """Make ready; the endpoint is running. PjkaError if it takes no more modules."""
        self._reactor.call(self._start)

    def load(self, configuration: Configuration) -> None:
        """Take a configuration whose transports have been started, the first or another."""
        self._reactor.call(lambda: self.qualifier.load(configuration))

    def stop(self) -> None:
        """Send nothing any more, and hear of nothing."""
        self._reactor.call(self._stop)

    def refuse_options(self) -> None:
        """Answer incoming OPTIONS with 503 from now on."""
        self._reactor.call(self.incoming.refuse_options)

    def register(self, key: Key, registered: Registered) -> None:
        """A contact has registered or refreshed its registration."""
        self._reactor.call(lambda: self.qualifier.register(key, registered))

    def unregister(self, key: Key) -> None:
        """A registration has ended."""
        self._reactor.call(lambda: self.qualifier.unregister(key))

    def contacts(self) -> list[ContactRow]:
        """All contacts, with the mechanism of the connection that carries each."""
        rows = self._reactor.call(lambda: contact_rows(self.qualifier, self._reactor.now()))
        policy, platform = self._management.listeners.policy, self._management.platform
        return [_with_mechanism(row, policy(row.transport), platform) for row in rows]

    def aors(self) -> list[AorRow]:
        """All AORs."""
        return self._reactor.call(lambda: aor_rows(self.qualifier))

    def endpoints(self) -> list[EndpointRow]:
        """All endpoints."""
        return self._reactor.call(lambda: endpoint_rows(self.qualifier))

    def command(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """``qualify`` of the control socket."""
        return qualify_command(self.qualifier, self._reactor, arguments)

    def costs(self, transport: str) -> tuple[Cost, Cost]:
        """What qualify costs on a transport now, and at the frequency that its TCP keep-alive allows."""
        policy = self._management.listeners.policy(transport)
        kept = policy is not None and policy.mechanism is Mechanism.KERNEL
        least = QUALIFY_BESIDE_TCP if kept else 0
        cost = self.qualifier.cost
        return self._reactor.call(lambda: (cost(transport), cost(transport, least)))

    def with_costs(self, rows: Iterable[TransportRow]) -> list[TransportRow]:
        """The rows with what qualify costs on each transport."""
        return [_with_costs(row, *self.costs(row.id)) for row in rows]

    def _start(self) -> None:
        management, native = self._management, self._management.endpoint.native
        self.names = Names(self._reactor)
        self.requests = Requests(native, self._reactor, self.names)
        self.incoming = Incoming(native, self.requests.stray_response)
        self.incoming.install()
        self._carriers = Carriers(management.monitors, self._calls)
        self._unsubscribe = management.events.subscribe(self._carriers.hear)
        self.admission = Admission(self.requests, self._reactor, management.gate, self._carriers)
        self.qualifier = Qualifier(
            self._reactor,
            self.admission,
            ListenerExits(management.listeners.all),
            self._carriers,
            self._publish,
            self._random,
        )

    def _stop(self) -> None:
        self.qualifier.stop()
        self.requests.close()
        self.names.close()
        self.incoming.remove()
        self._unsubscribe()

    def _publish(self, change: Change) -> None:
        for event in change.events():
            self._management.events.publish(_event(change, event))


class Carriers:
    """The connections that carry contacts, found by their peer; on the reactor's thread."""

    def __init__(self, monitors: Monitors, calls: Callable[[int], int]) -> None:
        self._monitors = monitors
        self._calls = calls
        self._serials = {(each.protocol, address(each.peer)): each.serial for each in monitors}

    def hear(self, event: Event) -> None:
        """Keep the index of connections up to date."""
        if isinstance(event, ConnectionUp):
            self._serials[event.protocol, event.peer] = event.serial
        elif (
            isinstance(event, ConnectionDown)
            and self._serials.get((event.protocol, event.peer)) == event.serial
        ):
            del self._serials[event.protocol, event.peer]

    def serial(self, protocol: str, peer: tuple[str, int]) -> int | None:
        """The connection to this peer; None if there is none."""
        return self._serials.get((protocol, address(peer)))

    def carrier(self, serial: int) -> Carrier | None:
        """What the connection carries; None if the kernel does not call it established."""
        connection = self._monitors.get(serial)
        info = last_words(connection) if connection else None
        if info is None or info.state is not TcpState.ESTABLISHED:
            return None
        return Carrier(info.unacked, self._calls(serial))

    def close(self, serial: int, cause: Cause) -> None:
        """Close the connection for this reason."""
        self._monitors.end(serial, cause)

    def over(self, serial: int, sent_by: tuple[str, int]) -> Destination | None:
        """The peer of this connection, over this very connection; None if it is gone."""
        connection = self._monitors.get(serial)
        if connection is None:
            return None
        selector = Selector(TPSELECTOR_TRANSPORT, 0, connection.pointer)
        return Destination(connection.protocol, *connection.peer, selector, sent_by)


def _with_mechanism(row: ContactRow, policy: Policy | None, platform: Platform) -> ContactRow:
    """The row with what finds a dead peer first: the mechanism of its connection, or the OPTIONS."""
    if policy is None or row.connection is None:
        return row
    row = replace(row, mechanism=policy.mechanism.value)
    seconds = policy.detection_idle(platform)
    if seconds is None or seconds >= (NEVER if row.detection is None else row.detection):
        return row
    return replace(row, detection=seconds, detected_by=policy.mechanism.value)


def _with_costs(row: TransportRow, now: Cost, needed: Cost) -> TransportRow:
    return replace(
        row,
        qualify_messages_per_hour=now.messages,
        qualify_bytes_per_hour=now.bytes,
        qualify_messages_per_hour_needed=needed.messages,
        qualify_bytes_per_hour_needed=needed.bytes,
    )


def _event(change: Change, event: Mapping[str, str]) -> Event:
    if isinstance(change, ContactChange):
        return ContactStatus(
            aor=change.aor,
            URI=event["URI"],
            ContactStatus=event["ContactStatus"],
            AOR=event["AOR"],
            EndpointName=event["EndpointName"],
            RoundtripUsec=int(event["RoundtripUsec"]),
        )
    return PeerStatus(ChannelType=event["ChannelType"], Peer=event["Peer"], PeerStatus=event["PeerStatus"])
