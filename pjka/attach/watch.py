"""The loop of `attach`: find the process, look after its sockets, find it again when it was restarted.

One thread does everything. It sleeps until the kernel tells of an end (of the process or of a connection),
until another thread calls, or until half a second has passed; then it asks the counters of the process's
network namespace whether there is anything new to look for.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pjka.attach import rights
from pjka.attach.events import Attached, Detached
from pjka.attach.mailbox import Mailbox
from pjka.attach.session import Session
from pjka.attach.source import Source
from pjka.errors import PjkaError
from pjka.events import Events
from pjka.linux.find import NotFoundError
from pjka.linux.process import Process
from pjka.linux.system_timers import this_machine
from pjka.pbx.client import News
from pjka.pbx.directories import directories

T = TypeVar("T")

_TICK = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """The process to attach to: ``find`` gives its pid or raises NotFoundError.

    ``configuration`` is a path in our own file system; None: the ``pjsip.conf`` of the process, in its own.
    """

    find: Callable[[], int]
    configuration: str | None = None
    default_transport: str = ""


class Watch:
    """Attaches to one target, for as long as it is wanted; ``close`` it in the end."""

    def __init__(self, target: Target, events: Events, alive: Callable[[], None] = lambda: None) -> None:
        self.target = target
        self.events = events
        self.session: Session | None = None
        self.ask_pbx: Callable[[], None] | None = None
        self._alive = alive
        self._mailbox = Mailbox()
        self._stopping = False
        self._program = ""
        self._problem = ""

    def close(self) -> None:
        """Let go of the process; what was set stays set."""
        self._leave()
        self._mailbox.close()

    def attach(self) -> Session:
        """Find the process and get ready, without changing anything.

        Raises PjkaError: NotFoundError, RightsError, ConfigurationError.
        """
        pid = self.target.find()
        try:
            process = Process(pid)
        except PermissionError as error:
            raise rights.denied(pid) from error
        except OSError as error:
            raise NotFoundError(f"there is no process {pid} to attach to: {error.strerror}") from error
        try:
            self.session = self._session(process)
        except (PjkaError, OSError):
            process.close()
            raise
        return self.session

    def run(self) -> None:
        """Look after the process until `stop`; where it ends, wait for the next one."""
        while not self._stopping:
            self._alive()
            try:
                self._look_after(self.session or self.attach())
            except (PjkaError, OSError) as error:
                self._lose(str(error))
                self._wait()

    def stop(self) -> None:
        """End `run`, from any thread or a signal handler."""
        self._stopping = True
        self._mailbox.post(lambda: None)

    def learn(self, news: News) -> None:
        """Hand on what the PBX told, from any thread; forgotten while there is no session."""
        self._mailbox.post(lambda: self.session.learn(news) if self.session is not None else None)

    def call(self, what: Callable[[Session], T], seconds: float = 5.0) -> T:
        """Have something done with the session on the thread of `run`; PjkaError while there is none."""
        return self._mailbox.post(lambda: what(self._require())).result(seconds)

    def _look_after(self, session: Session) -> None:
        session.begin()
        session.settle(_TICK)
        self._problem = ""
        self.events.publish(
            Attached(
                pid=session.process.pid,
                program=self._program,
                configuration=session.source.path,
                may_kill=rights.may_kill(),
            )
        )
        while not self._stopping:
            self._wait()
            self._alive()
            if not session.process.alive():
                raise ProcessLookupError(f"process {session.process.pid} has ended")
            if session.process.replaced():
                raise ProcessLookupError(f"process {session.process.pid} has become another program")
            session.step()

    def _session(self, process: Process) -> Session:
        program = process.program()
        if self._program not in ("", program):
            raise NotFoundError(f"process {process.pid} is {program!r}, no longer {self._program!r}")
        rights.check(process)
        own = self.target.configuration is None
        places = directories(process.root(), process.command())
        source = Source(
            self.target.configuration or f"{places.etc}/pjsip.conf",
            process.root() if own else None,
            process.in_network(this_machine),
            self.target.default_transport,
        )
        session = Session(process, source, f"{places.database}/astdb.sqlite3", self.events, time.monotonic)
        self._program = program
        return session

    def _wait(self) -> None:
        """Wait for a tick; take in what the kernel and other threads have to say meanwhile."""
        deadline = time.monotonic() + _TICK
        while (left := deadline - time.monotonic()) > 0 and not self._stopping:
            waiting = [self._mailbox.fileno()]
            if self.session is not None:
                waiting += [self.session.process.fileno(), self.session.endings.fileno()]
            ready = select.select(waiting, [], [], left)[0]
            self._mailbox.serve()
            if self.session is not None and self.session.endings.fileno() in ready:
                self.session.hear()
            if self.session is not None and self.session.process.fileno() in ready:
                return

    def _lose(self, reason: str) -> None:
        """Tell once why there is no process to look after."""
        session = self._leave()
        if session is not None:
            session.attachment.process_gone(time.monotonic())
        if reason != self._problem or session is not None:
            pid = session.process.pid if session else 0
            self.events.publish(Detached(pid=pid, reason=reason))
        self._problem = reason

    def _leave(self) -> Session | None:
        session, self.session = self.session, None
        if session is not None:
            session.close()
            session.process.close()
        return session

    def _require(self) -> Session:
        if self.session is None:
            raise PjkaError("not attached now: " + self._problem)
        return self.session
