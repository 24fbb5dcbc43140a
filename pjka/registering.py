"""Registrar and registrations on top of transport management and qualify."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random

from pjka.conf.loader import Configuration
from pjka.flow_rows import registration_rows, server_rows, unused_rows
from pjka.module import TransportManagement
from pjka.qualify.contact import Contact
from pjka.qualify.registry import Key, Registered
from pjka.qualifying import Qualifying
from pjka.registrar.registrar import Registrar
from pjka.registrar.store import Store
from pjka.registrar.table import Table
from pjka.registration.instance import instance_id
from pjka.registration.registrations import Registrations
from pjka.status import FlowRow

DATABASE = "registrations.sqlite"
IN_MEMORY = ":memory:"
_FAREWELL = 2.0  # s that the answers to our last REGISTERs may take


class Registering:
    """Lets phones register with the AORs of a configuration, and registers with others as it says.

    ``state`` is the directory of database and instance-id, None to keep them in memory only. The methods may
    be called from any thread but the reactor's callbacks.
    """

    def __init__(self, management: TransportManagement, qualifying: Qualifying, state: Path | None) -> None:
        self._management = management
        self._qualifying = qualifying
        self._state = state
        self._path = IN_MEMORY if state is None else state / DATABASE
        self._reactor = management.reactor

    def start(self, configuration: Configuration) -> None:
        """Take up what is on disk, answer REGISTER and register. PjkaError if the disk cannot be used."""
        self._instance_id = instance_id(self._state)
        self._store = Store(self._path)
        self._reactor.call(lambda: self._start(configuration))

    def load(self, configuration: Configuration) -> None:
        """Take another configuration."""
        self._reactor.call(lambda: self._load(configuration))

    def stop(self) -> None:
        """Take our registrations back, and answer nothing any more; what is on disk stays there."""
        finished = threading.Event()
        self._reactor.call(lambda: self.registrations.stop(finished.set))
        finished.wait(_FAREWELL)
        self._reactor.call(self.registrar.stop)
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._store.close()

    def flows(self) -> list[FlowRow]:
        """The flows of those who registered, and the connections that should carry one and do not."""
        management = self._management
        policy = management.listeners.policy
        now = self._reactor.now()
        return self._reactor.call(
            lambda: [
                *registration_rows(self.registrations, management.flows, now),
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
        self.registrations = Registrations(
            reactor,
            self._qualifying.admission,
            management.listeners,
            monitors,
            flows,
            self._instance_id,
            Random(),
        )
        heard = (self.registrar.hear, self.registrations.hear)
        self._unsubscribe = [management.events.subscribe(hear) for hear in heard]
        self.registrar.start(configuration)
        self.registrations.load(configuration)

    def _load(self, configuration: Configuration) -> None:
        self.registrar.load(configuration)
        self.registrations.load(configuration)


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
