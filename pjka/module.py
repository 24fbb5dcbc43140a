"""Transport management: a configuration's transports on an endpoint, kept alive as their policies say."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from random import Random

from pjka.check.policy import policies
from pjka.conf.loader import Configuration
from pjka.crlf import CrlfTick
from pjka.errors import PjkaError
from pjka.events import Events, Reloaded
from pjka.flows import Flows
from pjka.gate import Gate
from pjka.keepalive.platforms import LINUX, Platform
from pjka.keepalive.policy import Mechanism, Policy
from pjka.linux.system_timers import this_machine
from pjka.listeners import Enforcer, Listeners
from pjka.monitors import Connection, Monitors, address
from pjka.pjproject.callbacks import Callbacks
from pjka.pjproject.endpoint import Endpoint, HostedEndpoint
from pjka.pjproject.engine import Engine
from pjka.reloading import Reload
from pjka.status import Cause, ChangeRow

logger = logging.getLogger(__name__)

# Within these each connection has been looked at again, a part of them at a time.
SWEEP_SECONDS = 300.0
_SWEEP_PARTS = 10


class TransportManagement:
    """Everything that pjka does with an endpoint's transports.

    The methods may be called from any thread but the reactor's callbacks, and wait for the reactor; none is
    to be called with a lock held that a subscriber of ``events`` takes.
    """

    def __init__(self, endpoint: Endpoint | HostedEndpoint, *, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self.endpoint = endpoint
        self.reactor = endpoint.reactor
        self.events = Events()
        self.listeners = Listeners(endpoint, self.events)
        self.gate = Gate(self.reactor, endpoint.engine.limits, self.events)
        self.monitors = Monitors(
            endpoint.native,
            self.reactor,
            self.events,
            self.listeners.owner,
            self._connection_up,
            self.gate,
        )
        self.crlf = CrlfTick(self.reactor, self.monitors, self.listeners.policy)
        self.flows = Flows(self.reactor, self.monitors, Random(), answers=_leaves_pongs(endpoint.engine))
        self.events.subscribe(self.flows.hear)
        self.platform = _platform()
        self.configuration: Configuration | None = None
        self.loaded = 0.0
        self._enforcer = Enforcer(self.events)
        self._callbacks = Callbacks(endpoint.native, self.monitors.notes)
        self._sweep_seconds = sweep_seconds
        self._sweeps = 0

    def load(self, configuration: Configuration) -> None:
        """Start the transports of ``configuration``; what fails is in ``listeners``, with the reason."""
        self.reactor.call(lambda: self._load(configuration))

    def unload(self) -> None:
        """Close the listeners, give the connections back to pjproject, and hear of nothing more."""
        self.reactor.call(self._unload)

    def kill(self, serial: int) -> bool:
        """Close a connection now; False if there is none with this serial."""
        return self.reactor.call(lambda: self.monitors.end(serial, Cause.KILLED))

    def reload(
        self, configuration: Configuration, present: Collection[str], *, dry_run: bool = False
    ) -> tuple[ChangeRow, ...]:
        """Put a new version of the configuration into force, and say what changed, and what did not and why.

        ``present`` are the ids of all transport sections in the file, those too that had to be rejected. No
        connection is closed. With ``dry_run`` the answer is the same and nothing is done.
        """
        reload = Reload(self, configuration, present)
        if dry_run:
            return reload.rows()
        rows = reload.apply()
        self.events.publish(Reloaded(file=configuration.path, changes=rows))
        return rows

    def require_transport(self, transport: str) -> int:
        """What pjsua2 calls a transport of the configuration; PjkaError if it has not started."""
        started = self.listeners.all.get(transport)
        if started is None or started.listener is None:
            raise PjkaError(started.problem if started else f"there is no transport {transport}")
        return started.listener.transport_id

    def _load(self, configuration: Configuration) -> None:
        self._callbacks.install()
        wanted = policies(configuration, self.platform)
        for transport in configuration.transports.values():
            self.listeners.start(transport, wanted[transport.id])
        self.take_settings(configuration)
        self._sweep()

    def take_settings(self, configuration: Configuration) -> None:
        """Go by what is not of one transport: timers, CRLF tick; on the reactor's thread."""
        self.configuration = configuration
        self.loaded = time.time()
        self.monitors.idle_limit = configuration.system.timer_b / 1000
        self.crlf.set(configuration.global_.keep_alive_interval)
        self._guard()

    def _unload(self) -> None:
        if self.configuration is None:
            return
        self.configuration = None
        self.crlf.set(0)
        self.flows.close()
        self.listeners.stop_all("unloaded")
        self._callbacks.remove()
        self.monitors.release_all()

    def _guard(self) -> None:
        """Tell the gate what listens now; one place is the reactor's own."""
        open_now = [each.listener for each in self.listeners.all.values() if each.listener is not None]
        streams = tuple(each.descriptor for each in open_now if each.descriptor is not None)
        self.gate.guard(streams, 1 + len(open_now) - len(streams))

    def _connection_up(self, connection: Connection) -> None:
        policy = self.listeners.policy(connection.transport)
        if policy is None or (policy.mechanism is Mechanism.NONE and not connection.incoming):
            self.monitors.let_go(connection)
        self.enforce(connection)

    def _sweep(self) -> None:
        """Look at a part of the connections again, so that the reactor stays quick; then at the next part."""
        if self.configuration is None:
            return
        self._sweeps += 1
        for connection in self.monitors:
            if connection.serial % _SWEEP_PARTS == self._sweeps % _SWEEP_PARTS:
                self._enforce_again(connection)
        self.reactor.call_later(self._sweep_seconds / _SWEEP_PARTS, self._sweep)

    def enforce(self, connection: Connection) -> None:
        """Bring a connection to its policy, which is new to it; on the reactor's thread."""
        if (found := self._socket_and_policy(connection)) is not None:
            connection.drift = self._enforcer.first(*found)

    def _enforce_again(self, connection: Connection) -> None:
        """Mend a connection that is no longer as its policy says."""
        if (found := self._socket_and_policy(connection)) is not None:
            connection.drift = self._enforcer.again(connection.serial, address(connection.peer), *found)

    def _socket_and_policy(self, connection: Connection) -> tuple[int, Policy] | None:
        policy, descriptor = self.listeners.policy(connection.transport), connection.descriptor
        if policy is None or descriptor is None or not descriptor.valid:
            return None
        return descriptor.fd, policy


def _platform() -> Platform:
    """This machine, with the times of its kernel as far as they can be read."""
    try:
        return this_machine()
    except PjkaError:
        return LINUX


def _leaves_pongs(engine: Engine) -> bool:
    """Whether this pjproject leaves the answer to a ping to others."""
    return any(defect.code == "no-pong" for defect in engine.defects)
