"""Every AOR with its contacts and endpoints: what a reload, a registration or a result changes.

Endpoints get their state from their AORs, AORs from their contacts (Asterisk's pjsip_options.c). Each method
returns what changed, in order; an unchanged status is no change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from pjka.qualify.contact import Contact, Rules, Status, available, endpoint_online
from pjka.qualify.schedule import Schedule

Key = tuple[str, str]
"""A contact: its AOR's id and its URI."""


@dataclass(frozen=True, slots=True)
class AorSettings:
    """An AOR as the configuration has it: rules, permanent contacts, and the endpoints that use it."""

    rules: Rules
    contacts: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registration says of its contact; ``expires`` on the clock of the calls, None = not known.

    ``connection`` is the serial of the connection that requests to the contact take; None = any by its URI.
    """

    endpoint: str = ""
    expires: float | None = None
    user_agent: str = ""
    connection: int | None = None


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A contact has a new status; ``round_trip`` in microseconds, 0 unless Reachable."""

    aor: str
    uri: str
    status: Status
    round_trip: int
    endpoints: tuple[str, ...]

    def __str__(self) -> str:
        """The words of Asterisk's log."""
        if self.status is Status.REMOVED:
            return f"Contact {self.aor}/{self.uri} has been deleted"
        text = f"Contact {self.aor}/{self.uri} is now {self.status}."
        if self.status is Status.NON_QUALIFIED:
            return text
        return f"{text}  RTT: {self.round_trip / 1000:.3f} msec"

    def events(self) -> list[dict[str, str]]:
        """The fields of Asterisk's ContactStatus event, one event for each endpoint that uses the AOR."""
        return [
            {
                "URI": self.uri,
                "ContactStatus": self.status.value,
                "AOR": self.aor,
                "EndpointName": endpoint,
                "RoundtripUsec": str(self.round_trip),
            }
            for endpoint in self.endpoints
        ]


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """An endpoint went online or offline."""

    endpoint: str
    online: bool

    def __str__(self) -> str:
        """The words of Asterisk's log."""
        return f"Endpoint {self.endpoint} is now {self._status}"

    def events(self) -> list[dict[str, str]]:
        """The fields of Asterisk's PeerStatus event."""
        return [
            {"ChannelType": "PJSIP", "Peer": f"PJSIP/{self.endpoint}", "PeerStatus": self._status},
        ]

    @property
    def _status(self) -> str:
        return "Reachable" if self.online else "Unreachable"


Change = ContactChange | EndpointChange


class Aor:
    """An AOR in force: its settings, its contacts by URI, and how many of them are available."""

    __slots__ = ("available", "contacts", "registered", "settings")

    def __init__(self, settings: AorSettings) -> None:
        self.settings = settings
        self.contacts: dict[str, Contact] = {}
        self.registered: dict[str, Registered] = {}
        self.available = 0

    @property
    def rules(self) -> Rules:
        """How its contacts are qualified."""
        return self.settings.rules

    def endpoint_of(self, uri: str) -> str | None:
        """In whose name the contact is qualified: who registered it, else the lowest id; or nobody's."""
        registered = self.registered.get(uri)
        if registered is not None and registered.endpoint:
            return registered.endpoint
        return min(self.settings.endpoints, default=None)


class Registry:
    """All AORs, with the schedule of their contacts. ``now`` is seconds on any one clock."""

    def __init__(self, random: Random) -> None:
        self.aors: dict[str, Aor] = {}
        self.schedule: Schedule[Key] = Schedule(random)
        self._endpoints: dict[str, tuple[str, ...]] = {}
        self._online: dict[str, bool | None] = {}

    def load(
        self,
        aors: Mapping[str, AorSettings],
        endpoints: Mapping[str, tuple[str, ...]],
        max_initial: float,
        now: float,
    ) -> list[Change]:
        """Take a configuration, the first or another: ``endpoints`` are their AORs by id.

        What is not in it any more is removed, contacts with their event; what is as before is left alone.
        """
        self.schedule.max_initial = max_initial
        changes: list[Change] = []
        for name in [name for name in self.aors if name not in aors]:
            aor = self.aors[name]
            changes += self._delete(name, list(aor.contacts))
            del self.aors[name]
        for name, settings in aors.items():
            changes += self._load_aor(name, settings, now)
        self._endpoints = dict(endpoints)
        self._online = {name: state for name, state in self._online.items() if name in endpoints}
        return changes + self._judge(endpoints)

    def register(self, key: Key, registered: Registered, now: float) -> list[Change]:
        """A contact registered or refreshed; a new one is qualified at once. An unknown AOR: nothing."""
        name, uri = key
        aor = self.aors.get(name)
        if aor is None:
            return []
        aor.registered[uri] = registered
        if uri in aor.contacts:
            return []
        self._add(key)
        if aor.rules.frequency:
            self.schedule.add_registered(key, aor.rules.frequency, now)
        change = ContactChange(name, uri, Status.NON_QUALIFIED, 0, aor.settings.endpoints)
        return [change, *self._judge(aor.settings.endpoints)]

    def unregister(self, key: Key) -> list[Change]:
        """A registered contact is gone; a permanent one of the same URI stays."""
        name, uri = key
        aor = self.aors.get(name)
        if aor is None or aor.registered.pop(uri, None) is None or uri in aor.settings.contacts:
            return []
        return [*self._delete(name, [uri]), *self._judge(aor.settings.endpoints)]

    def expire(self, now: float) -> list[Change]:
        """End every registration that has run out."""
        over = [
            (name, uri)
            for name, aor in self.aors.items()
            for uri, registered in aor.registered.items()
            if registered.expires is not None and registered.expires <= now
        ]
        return [change for key in over for change in self.unregister(key)]

    def answer(self, key: Key, code: int, rtt: int) -> list[Change]:
        """The contact answered in time with a final response; ``rtt`` in microseconds."""
        return self._result(key, lambda contact, rules: contact.answer(code, rtt, rules))

    def miss(self, key: Key) -> list[Change]:
        """The contact did not answer in time, or could not be sent to."""
        return self._result(key, lambda contact, rules: contact.miss(rules))

    def contact(self, key: Key) -> Contact | None:
        """The contact, unless it is gone."""
        aor = self.aors.get(key[0])
        return aor.contacts.get(key[1]) if aor else None

    def online(self, endpoint: str) -> bool | None:
        """Whether the endpoint has an available contact; None = it has no AOR."""
        return self._online.get(endpoint)

    def _load_aor(self, name: str, settings: AorSettings, now: float) -> list[Change]:
        aor = self.aors.setdefault(name, Aor(settings))
        before, aor.settings = aor.settings, settings
        kept = {*settings.contacts, *aor.registered}
        changes = self._delete(name, [uri for uri in aor.contacts if uri not in kept])
        if before.rules.frequency != settings.rules.frequency:
            changes += self._switch(name, aor, before.rules.frequency, now)
        for uri in settings.contacts:
            if uri not in aor.contacts:
                self._add((name, uri))
                if settings.rules.frequency:
                    self.schedule.add((name, uri), settings.rules.frequency, now)
        aor.available = available(aor.contacts.values(), aor.rules)
        return changes

    def _switch(self, name: str, aor: Aor, before: int, now: float) -> list[Change]:
        """The frequency of an AOR changed: from or to 0 its contacts' statuses change with it."""
        changes: list[Change] = []
        for uri, contact in aor.contacts.items():
            self.schedule.change((name, uri), aor.rules.frequency, now)
            status = contact.status
            if not aor.rules.frequency:
                contact.switch_off()
            elif not before:
                contact.switch_on()
            if contact.status is not status:
                changes.append(self._changed(aor, (name, uri), contact))
        return changes

    def _add(self, key: Key) -> None:
        aor = self.aors[key[0]]
        aor.contacts[key[1]] = Contact()
        aor.available += not aor.rules.frequency

    def _delete(self, name: str, uris: Iterable[str]) -> list[Change]:
        aor, changes = self.aors[name], list[Change]()
        for uri in uris:
            contact = aor.contacts.pop(uri)
            aor.registered.pop(uri, None)
            self.schedule.remove((name, uri))
            aor.available -= not aor.rules.frequency or contact.status is Status.REACHABLE
            contact.remove()
            changes.append(self._changed(aor, (name, uri), contact))
        return changes

    def _result(self, key: Key, move: Callable[[Contact, Rules], Status]) -> list[Change]:
        """What a result changes: nothing if by now qualify is off or the contact is gone."""
        self.schedule.done(key)
        aor, contact = self.aors.get(key[0]), self.contact(key)
        if aor is None or contact is None or not aor.rules.frequency:
            return []
        before = contact.status
        after = move(contact, aor.rules)
        if after is before:
            return []
        aor.available += (after is Status.REACHABLE) - (before is Status.REACHABLE)
        return [self._changed(aor, key, contact), *self._judge(aor.settings.endpoints)]

    def _changed(self, aor: Aor, key: Key, contact: Contact) -> ContactChange:
        return ContactChange(*key, contact.status, contact.round_trip, aor.settings.endpoints)

    def _judge(self, endpoints: Iterable[str]) -> list[Change]:
        """The state of these endpoints anew. One that was never online goes offline without a word."""
        changes: list[Change] = []
        for name in endpoints:
            aors = (self.aors.get(aor) for aor in self._endpoints.get(name, ()))
            online = endpoint_online(aor.available if aor else 0 for aor in aors)
            before = self._online.get(name)
            self._online[name] = online
            if online is not None and bool(before) is not online:
                changes.append(EndpointChange(name, online))
        return changes
