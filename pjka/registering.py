"""The registrar on top of transport management and qualify."""

from __future__ import annotations

import time
from pathlib import Path

from pjka.conf.loader import Configuration
from pjka.flow_rows import server_rows, unused_rows
from pjka.module import TransportManagement
from pjka.qualify.contact import Contact
from pjka.qualify.registry import Key, Registered
from pjka.qualifying import Qualifying
from pjka.registrar.registrar import Registrar
from pjka.registrar.store import Store
from pjka.registrar.table import Table
from pjka.status import FlowRow

DATABASE = "registrations.sqlite"
IN_MEMORY = ":memory:"


class Registering:
    """Lets phones register with the AORs of a configuration that have ``max_contacts``.

    ``state`` is the directory of the database, None to keep it in memory only. The methods may be called
    from any thread but the reactor's callbacks.
    """

    def __init__(self, management: TransportManagement, qualifying: Qualifying, state: Path | None) -> None:
        self._management = management
        self._qualifying = qualifying
        self._path = IN_MEMORY if state is None else state / DATABASE
        self._reactor = management.reactor

    def start(self, configuration: Configuration) -> None:
        """Take up what is on disk, and answer REGISTER. PjkaError if the database cannot be used."""
        self._store = Store(self._path)
        self._reactor.call(lambda: self._start(configuration))

    def load(self, configuration: Configuration) -> None:
        """Take another configuration."""
        self._reactor.call(lambda: self.registrar.load(configuration))

    def stop(self) -> None:
        """Answer nothing any more; what is on disk stays there."""
        self._reactor.call(self.registrar.stop)
        self._unsubscribe()
        self._store.close()

    def flows(self) -> list[FlowRow]:
        """The flows of those who registered, and the connections that should carry one and do not."""
        management = self._management
        policy = management.listeners.policy
        now = self._reactor.now()
        return self._reactor.call(
            lambda: [
                *server_rows(management.flows, now),
                *unused_rows(management.flows, management.monitors, policy),
            ]
        )

    def _start(self, configuration: Configuration) -> None:
        management, contacts = self._management, _Contacts(self._qualifying)
        reactor, monitors, flows = self._reactor, management.monitors, management.flows
        table = Table(reactor, monitors, flows, contacts, self._store, time.time)
        self.registrar = Registrar(
            reactor,
            monitors,
            management.listeners,
            flows,
            contacts,
            self._qualifying.incoming,
            table,
            time.time,
        )
        self._unsubscribe = management.events.subscribe(self.registrar.hear)
        self.registrar.start(configuration)


class _Contacts:
    """Registered contacts as qualify takes them, on the reactor's thread."""

    def __init__(self, qualifying: Qualifying) -> None:
        self._qualifier = qualifying.qualifier

    def register(self, key: Key, registered: Registered) -> None:
        self._qualifier.register(key, registered)

    def unregister(self, key: Key) -> None:
        self._qualifier.unregister(key)

    def contact(self, key: Key) -> Contact | None:
        return self._qualifier.registry.contact(key)
