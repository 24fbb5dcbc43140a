"""``pjka run``: an endpoint of our own, transport management on it, and the surfaces that show it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from pjka.conf.loader import Configuration, load
from pjka.conf.settings import Settings
from pjka.errors import PjkaError
from pjka.gate import limit_descriptors
from pjka.logs import fields, log_event
from pjka.module import TransportManagement
from pjka.pjproject.endpoint import Endpoint, EndpointSettings
from pjka.qualifying import Qualifying
from pjka.registering import Registering
from pjka.reloading import transports_in
from pjka.rows import Rows
from pjka.signals import caught
from pjka.status import ChangeRow, ConnectionRow, Row
from pjka.surface.control import ControlServer
from pjka.surface.notify import Notifier, watchdog_period
from pjka.surface.pages import pages
from pjka.surface.protocol import check_arguments, flag_argument, integer_argument
from pjka.surface.shows import Command, show_commands

logger = logging.getLogger(__name__)

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What ``pjka run`` was called with.

    ``control`` is the control socket, None for none; ``state`` the directory in which registrations outlive a
    restart, None for none. Of ``own``, pjka's own settings, only metrics and web are looked at.
    """

    path: str
    control: Path | None = None
    trial_reachable: bool = False
    state: Path | None = None
    own: Settings = field(default_factory=Settings)


class Daemon:
    """Transport management for one ``pjsip.conf``, from start to stop. One at a time in a process."""

    def __init__(self, settings: DaemonSettings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._notifier = Notifier(environment.get("NOTIFY_SOCKET"))
        self._watchdog = watchdog_period(environment)
        self._configuration = load(settings.path)
        self.endpoint = Endpoint(
            replace(endpoint_settings(self._configuration), trial_reachable=settings.trial_reachable)
        )
        self.module = TransportManagement(self.endpoint)
        self.module.events.subscribe(log_event)
        self.qualifying = Qualifying(self.module, Random())
        self.registering = Registering(self.module, self.qualifying, settings.state)
        self.rows = Rows(self.module, "run", self.module.reactor.now())
        self._undo = ExitStack()
        self._reloading = threading.Lock()

    def start(self) -> None:
        """Start everything; PjkaError if there is nothing left to run, with all stopped again."""
        with ExitStack() as undo:
            limit_descriptors(self.endpoint.engine.limits)
            self.endpoint.start()
            undo.callback(self.endpoint.stop)
            undo.callback(self.module.unload)
            self.module.load(self._configuration)
            self._require_a_transport()
            self.qualifying.start()
            undo.callback(self.qualifying.stop)
            self.qualifying.load(self._configuration)
            self.registering.start(self._configuration)
            undo.callback(self.registering.stop)
            undo.callback(self.qualifying.refuse_options)
            commands = self.commands()
            if self._settings.control is not None:
                server = ControlServer(self._settings.control, commands, self.module.events)
                server.start()
                undo.callback(server.stop)
            undo.enter_context(pages(self._settings.own, commands, self.module.events))
            undo.callback(self._notifier.stopping)
            self._feed_watchdog()
            self._notifier.ready()
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Stop everything, in the opposite order; harmless when it is stopped."""
        self._undo.close()

    def run(self) -> None:
        """Start, and stop at SIGINT or SIGTERM. To be called on the main thread."""
        with caught(*_STOPPING, signal.SIGHUP) as signals:
            self.start()
            try:
                while signals.wait() not in _STOPPING:
                    self._reload_or_say_why_not()
            finally:
                self.stop()

    def commands(self) -> dict[str, Command]:
        """What the control socket can be asked."""
        sources: dict[str, Callable[[], Iterable[Row]]] = {
            "transports": lambda: self.qualifying.with_costs(self.rows.transports()),
            "connections": self.rows.connections,
            "deaths": self.rows.deaths,
            "engine": self.rows.engine,
            "contacts": self.qualifying.contacts,
            "aors": self.qualifying.aors,
            "endpoints": self.qualifying.endpoints,
            "flows": self.registering.flows,
        }
        return {
            **show_commands(sources),
            "kill": self._kill,
            "qualify": self.qualifying.command,
            "reload": self._reload,
        }

    def _kill(self, arguments: Mapping[str, object]) -> ConnectionRow:
        check_arguments(arguments, frozenset({"connection", "force"}))
        serial = integer_argument(arguments, "connection")
        row = self.rows.connection(serial)
        if row is None or not self.module.kill(serial):
            raise PjkaError(f"there is no connection {serial}")
        return row

    def reload(self, *, dry_run: bool = False) -> tuple[ChangeRow, ...]:
        """Read the file again and put it into force; PjkaError if it is unusable, and nothing is changed.

        With ``dry_run`` only say what would change.
        """
        with self._reloading:
            new = load(self._settings.path)
            present = transports_in(self._settings.path)
            if dry_run:
                return self.module.reload(new, present, dry_run=True)
            self._notifier.reloading()
            try:
                rows = self.module.reload(new, present)
                self.qualifying.load(new)
                self.registering.load(new)
            finally:
                self._notifier.ready()
        for row in rows:
            logger.info("reload", extra=fields(**row.to_json()))
        return rows

    def _reload(self, arguments: Mapping[str, object]) -> object:
        check_arguments(arguments, frozenset({"dry_run"}))
        dry_run = flag_argument(arguments, "dry_run")
        return {"dry_run": dry_run, "rows": self.reload(dry_run=dry_run)}

    def _reload_or_say_why_not(self) -> None:
        try:
            self.reload()
        except PjkaError as error:
            logger.error("reload-failed", extra=fields(problem=str(error)))

    def _require_a_transport(self) -> None:
        problems = [each.problem for each in self.module.listeners.all.values() if each.listener is None]
        if len(problems) == len(self.module.listeners.all):
            raise PjkaError("\n".join(problems) or f"{self._settings.path}: no transport")

    def _feed_watchdog(self) -> None:
        if self._watchdog is None:
            return
        self._notifier.watchdog()
        self.module.reactor.call_later(self._watchdog, self._feed_watchdog)


def endpoint_settings(configuration: Configuration) -> EndpointSettings:
    """What the configuration says about the endpoint as a whole."""
    system = configuration.system
    return EndpointSettings(configuration.global_.user_agent or "pjka", system.timer_t1, system.timer_b)
