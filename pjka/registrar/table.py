"""All bindings in force: by AOR, by connection, on disk, and as contacts that are qualified.

Everything runs on the reactor's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from pjka.flows import Flows, Owner
from pjka.monitors import Monitors
from pjka.pjproject.reactor import Reactor
from pjka.qualify.contact import Contact
from pjka.qualify.registry import Key, Registered
from pjka.registrar.bindings import Binding, Outcome, Why
from pjka.registrar.store import Change, Delete, Put, Store

_log = logging.getLogger(__name__)


class Contacts(Protocol):
    """Where registered contacts are qualified."""

    def register(self, key: Key, registered: Registered) -> None:
        """A contact has registered or refreshed its registration."""

    def unregister(self, key: Key) -> None:
        """A registration has ended."""

    def contact(self, key: Key) -> Contact | None:
        """What is known of the contact; None if it is not known."""


class Table:
    """The bindings; ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        reactor: Reactor,
        monitors: Monitors,
        flows: Flows,
        contacts: Contacts,
        store: Store,
        clock: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._monitors = monitors
        self._flows = flows
        self._contacts = contacts
        self._store = store
        self._clock = clock
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._carried: dict[int, set[tuple[str, str]]] = {}

    def __len__(self) -> int:
        """How many bindings there are."""
        return sum(map(len, self._bindings.values()))

    def of(self, aor: str) -> tuple[Binding, ...]:
        """The bindings of an AOR."""
        return tuple(self._bindings.get(aor, {}).values())

    def restore(self, aors: Collection[str]) -> None:
        """Take up what is on disk for these AORs; the contacts are to be qualified anew."""
        for aor, binding in self._store.read(self._clock()):
            if aor in aors:
                self._put(aor, binding)

    def apply(self, aor: str, outcome: Outcome, done: Callable[[str], object]) -> None:
        """Put the outcome of a REGISTER into force; ``done`` when it is on disk, with what went wrong.

        ``done`` is called on the reactor.
        """
        changes: list[Change] = []
        for binding, why in outcome.removed:
            self._remove(aor, binding, why)
            changes.append(Delete(aor, binding.key))
        for binding in outcome.put:
            self._say_put(aor, binding)
            self._put(aor, binding)
            changes.append(Put(aor, binding))
        if not changes:
            done("")
            return
        self._store.write(changes, lambda problem: self._reactor.post(lambda: done(problem)))

    def connection_gone(self, serial: int) -> None:
        """Remove every binding that lived with this connection (RFC 5626 7)."""
        for aor, key in sorted(self._carried.pop(serial, ())):
            self._drop(aor, [self._bindings[aor][key]], Why.SHUTDOWN)

    def contact_gone(self, aor: str, target: str) -> None:
        """Remove every binding of an AOR that leads to a contact that was given up."""
        self._drop(aor, [each for each in self.of(aor) if each.target == target], Why.UNREACHABLE)

    def expire(self) -> None:
        """Remove what has expired."""
        now = self._clock()
        for aor in tuple(self._bindings):
            self._drop(aor, [each for each in self.of(aor) if each.expires <= now], Why.EXPIRATION)

    def keep_only(self, aors: Collection[str]) -> None:
        """Remove the bindings of all other AORs: they are not configured any more."""
        for aor in tuple(self._bindings):
            if aor not in aors:
                self._drop(aor, self.of(aor), Why.REQUEST)

    def _drop(self, aor: str, bindings: Iterable[Binding], why: Why) -> None:
        changes = []
        for binding in bindings:
            self._remove(aor, binding, why)
            changes.append(Delete(aor, binding.key))
        if changes:
            self._store.write(changes, lambda _: None)

    def _put(self, aor: str, binding: Binding) -> None:
        bindings = self._bindings.setdefault(aor, {})
        before = bindings.get(binding.key)
        bindings[binding.key] = binding
        if binding.connection is not None:
            self._carried.setdefault(binding.connection, set()).add((aor, binding.key))
        if before is not None:
            if before.connection != binding.connection:
                self._loosen(aor, before)
            if before.target != binding.target:
                self._untell(aor, before)
        self._tell(aor, binding)

    def _remove(self, aor: str, binding: Binding, why: Why) -> None:
        self._bindings[aor].pop(binding.key, None)
        if not self._bindings[aor]:
            del self._bindings[aor]
        self._loosen(aor, binding)
        _log.info("Removed contact '%s' from AOR '%s' due to %s", binding.target, aor, why)
        self._untell(aor, binding)

    def _loosen(self, aor: str, binding: Binding) -> None:
        """The binding does not live with its connection any more."""
        if binding.connection is None:
            return
        carried = self._carried.get(binding.connection)
        if carried is not None:
            carried.discard((aor, binding.key))
            if not carried:
                del self._carried[binding.connection]
        connection = self._monitors.get(binding.connection)
        if connection is not None:
            self._flows.unregistered(connection, owner_of(aor, binding))

    def _tell(self, aor: str, binding: Binding) -> None:
        left = binding.expires - self._clock()
        expires = self._reactor.now() + left
        registered = Registered(binding.endpoint, expires, binding.user_agent, binding.connection)
        self._contacts.register((aor, binding.target), registered)

    def _untell(self, aor: str, binding: Binding) -> None:
        """Another flow may lead to the same URI: then that is how the contact is reached from now on."""
        other = next((each for each in self.of(aor) if each.target == binding.target), None)
        if other is None:
            self._contacts.unregister((aor, binding.target))
        else:
            self._tell(aor, other)

    def _say_put(self, aor: str, binding: Binding) -> None:
        known = binding.key in self._bindings.get(aor, {})
        text = (
            "Refreshed contact '%s' on AOR '%s'" if known else "Added contact '%s' to AOR '%s'"
        ) + " with expiration of %d seconds"
        _log.info(text, binding.target, aor, round(binding.expires - self._clock()))


def owner_of(aor: str, binding: Binding) -> Owner:
    """What the flow of a binding is called."""
    return Owner(aor, binding.reg_id, binding.instance_id)
