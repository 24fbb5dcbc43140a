"""``pjka.load``: transport management in a program that has its own ``pjsua2.Endpoint``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from pjka.conf.loader import Configuration
from pjka.conf.loader import load as load_configuration
from pjka.events import ConnectionDown, ConnectionUp, ContactStatus, Drift, Event
from pjka.logs import log_event
from pjka.module import TransportManagement
from pjka.monitors import Connection
from pjka.pjproject.endpoint import HostedEndpoint
from pjka.pjproject.program import ProgramMessages
from pjka.qualifying import Qualifying
from pjka.reloading import transports_in
from pjka.rows import Rows
from pjka.status import ChangeRow, ConnectionRow, ContactRow, TransportRow

E = TypeVar("E", bound=Event)
_LET_GO = 0.01  # s: between two looks whether pjproject has let go of a call or connection


def load(
    path: str,
    *,
    endpoint: Any,
    connection_up: Callable[[ConnectionUp], object] | None = None,
    connection_down: Callable[[ConnectionDown], object] | None = None,
    drift: Callable[[Drift], object] | None = None,
    contact_status: Callable[[ContactStatus], object] | None = None,
) -> Loaded:
    """Start the transports of the ``pjsip.conf`` at ``path`` on the program's own ``pjsua2.Endpoint``.

    To be called after ``libInit`` and before the endpoint's first transport. Its transports keep their
    connections alive and qualify the contacts of its AORs from then on; a transport that does not start is
    among ``transports()`` with its problem. Raises :class:`pjka.PjkaError` if the file is unusable, or the
    endpoint is not one that pjka can be loaded into.

    pjka works on a thread of its own, and calls the callbacks there, one at a time; they must not block, and
    not call the object that is returned. pjproject may be polled by worker threads or by the program. Events
    are logged, too, through ``logging`` under the name ``pjka``.

    Not promised here, other than with ``pjka run``: that nothing deadlocks (a program that holds a lock of
    its own while it calls pjproject, and takes it in a callback, still can), that a dead connection is
    reported at once (it is when the program polls next), and that the engine's limits are kept (transports
    and calls that the program makes by itself are not counted).
    """
    callbacks: tuple[tuple[type[Event], Callable[[Any], object] | None], ...] = (
        (ConnectionUp, connection_up),
        (ConnectionDown, connection_down),
        (Drift, drift),
        (ContactStatus, contact_status),
    )
    configuration = load_configuration(path)
    loaded = Loaded(path, endpoint)
    for kind, callback in callbacks:
        if callback is not None:
            loaded.on(kind, callback)
    loaded._start(configuration)
    return loaded


class Loaded:
    """A configuration in force on a program's endpoint; made by :func:`load`.

    The methods may be called from any thread, but not from callbacks, pjka's or pjproject's. As a context
    manager it unloads at the end.
    """

    def __init__(self, path: str, endpoint: Any) -> None:
        self._path = path
        self._hosted = HostedEndpoint(endpoint)
        self._module = TransportManagement(self._hosted)
        self._module.events.subscribe(log_event)
        self._program = ProgramMessages(self._hosted.native)
        self._qualifying = Qualifying(self._module, Random(), self.calls)
        self._rows = Rows(self._module, "load", self._module.reactor.now())
        self._undo = ExitStack()
        self._changing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unload()

    def on(self, kind: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call ``callback`` with each event of this kind; the function returned ends that."""
        return self._module.events.subscribe(
            lambda event: callback(event) if isinstance(event, kind) else None
        )

    def reload(self, *, dry_run: bool = False) -> tuple[ChangeRow, ...]:
        """Read the file again and put it into force; PjkaError if it is unusable, and nothing is changed.

        No connection is closed. With ``dry_run`` only say what would change.
        """
        with self._changing:
            new = load_configuration(self._path)
            rows = self._module.reload(new, transports_in(self._path), dry_run=dry_run)
            if not dry_run:
                self._qualifying.load(new)
            return rows

    def unload(self) -> None:
        """Close the transports and leave the endpoint to the program; harmless when that is done.

        To be called before ``libDestroy``. Connections that are up go on under pjproject's own idle timers.
        """
        with self._changing:
            self._undo.close()

    def transport_id(self, transport: str) -> int:
        """What pjsua2 calls a transport of the file, as for ``AccountConfig.sipConfig.transportId``.

        PjkaError if it has not started.
        """
        return self._module.require_transport(transport)

    def calls(self, serial: int) -> int:
        """How many of the program's calls were last heard of on the connection with this serial."""
        connection = self._module.monitors.get(serial)
        return self._program.calls(connection.pointer) if connection else 0

    def connection_of(self, call_id: str) -> Connection | None:
        """The connection on which this call was last heard of; on pjka's thread only, see :meth:`later`."""
        return self._module.monitors.of_pointer(self._program.carrier(call_id))

    def later(self, work: Callable[[], object]) -> None:
        """Run ``work`` soon on pjka's thread, where nothing of pjproject is locked; from callbacks, too."""
        self._module.reactor.post(work)

    def when_over(self, call_id: str, work: Callable[[], object]) -> None:
        """Run ``work`` on pjka's thread when pjsua has let go of the call with this Call-ID."""

        def look() -> None:
            if self._program.has(call_id):
                self._module.reactor.call_later(_LET_GO, look)
            else:
                work()

        self.later(look)

    def when_aside(self, connection: Connection, work: Callable[[], object]) -> None:
        """Run ``work`` on pjka's thread when no new request can get onto a connection found dead.

        pjproject reports the end of a connection before it puts it aside. To be called by who is told of the
        end, before pjka gives up its own reference.
        """
        native, pointer = self._hosted.native, connection.pointer
        native.hold(pointer)

        def look() -> None:
            if native.is_shut_down(pointer):
                native.release(pointer)
                work()
            else:
                self._module.reactor.call_later(_LET_GO, look)

        self.later(look)

    def transports(self) -> list[TransportRow]:
        """The transports of the file, those too that have not started."""
        return self._rows.transports()

    def connections(self) -> list[ConnectionRow]:
        """The connections that are up, with what the kernel says of them."""
        return self._rows.connections()

    def contacts(self) -> list[ContactRow]:
        """The contacts of the file, and what qualify knows of them."""
        return self._qualifying.contacts()

    def _start(self, configuration: Configuration) -> None:
        with ExitStack() as undo:
            undo.callback(self._hosted.forget)
            self._hosted.start()
            undo.callback(self._hosted.stop)
            call = self._module.reactor.call
            undo.callback(self._module.unload)
            self._module.load(configuration)
            call(self._program.install)
            undo.callback(lambda: call(self._program.remove))
            self._qualifying.start()
            undo.callback(self._qualifying.stop)
            self._qualifying.load(configuration)
            self._undo = undo.pop_all()
