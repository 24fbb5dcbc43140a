"""The engine's sockets, counted, and new connections kept waiting before there are more than it holds.

Beyond its limit pjproject refuses, or with assertions compiled in ends the process; without descriptors it
spins on ``accept``. So the listeners are paused before that, in the moment a connection comes up.
"""

from __future__ import annotations

import resource
from collections import deque
from collections.abc import Callable

from pjka.errors import PjkaError
from pjka.events import Events, ListenersPaused, ListenersResumed
from pjka.linux import drop_filter
from pjka.linux.sockopts import borrowed
from pjka.pjproject.descriptors import Descriptor
from pjka.pjproject.engine import Limits
from pjka.pjproject.reactor import Reactor

# A closed socket's place in pjproject's I/O queue is free again after 0.5 s (PJ_IOQUEUE_KEY_FREE_DELAY).
_FREE_DELAY = 0.6
# Connections that the kernel may have accepted, for each listener, before pjproject does (listen(2)): those
# come up even when the listener is paused, and so need places of their own, together one in `_BACKLOG_PART`.
_BACKLOG_LEAST, _BACKLOG_PART = 5, 16
# What pjka needs beside SIP: control socket clients, files, the log.
_DESCRIPTORS_KEPT = 48


def limit_descriptors(limits: Limits) -> None:
    """Set this process's limit of open files to what the engine can use, and to nothing too high for it.

    A descriptor beyond ``limits.descriptor`` would end the process, so the kernel must not give one out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits.descriptor is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits.descriptor, hard), hard))
    elif soft < (wanted := min(limits.handles + 4 * _DESCRIPTORS_KEPT, hard)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Gate:
    """Counts sockets, and pauses the listeners while there is no room.

    ``opened`` may be called in pjproject's callback: it makes system calls only.
    """

    def __init__(self, reactor: Reactor, limits: Limits, events: Events) -> None:
        self._reactor = reactor
        self._limits = limits
        self._events = events
        self._listeners: tuple[Descriptor, ...] = ()
        self._backlog = _BACKLOG_LEAST
        self._others = 1
        self._open = 0
        self._connecting = 0
        self._closing: deque[float] = deque()
        self._paused_at: float | None = None
        self._may_pause = True

    @property
    def in_use(self) -> int:
        """Places in the I/O queue that are taken, or not yet free again."""
        now = self._reactor.now()
        while self._closing and self._closing[0] <= now:
            self._closing.popleft()
        connections = self._open + self._connecting + len(self._closing)
        return connections + len(self._listeners) + self._others

    @property
    def capacity(self) -> int:
        """Places that may be taken: the engine's, and no more than there are descriptors for."""
        return self._places - 1 - (self._backlog + 1) * max(len(self._listeners), 1)

    @property
    def must_refuse(self) -> bool:
        """Whether a connection that came up is to be closed: there was no right to keep it waiting."""
        return self._paused_at is not None and not self._may_pause and self.in_use >= self.capacity

    def guard(self, listeners: tuple[Descriptor, ...], others: int) -> None:
        """These listen now; ``others`` is the number of further sockets that pjproject has."""
        self._listeners, self._others = listeners, others
        self._backlog = max(_BACKLOG_LEAST, self._places // _BACKLOG_PART // max(len(listeners), 1))
        self._each_listener(self._limit_backlog)
        if self._paused_at is not None:
            self._each_listener(drop_filter.attach)

    def require(self, connections: int = 1) -> None:
        """PjkaError unless there is room for so many new outgoing connections."""
        if self.in_use + connections > self.capacity:
            raise PjkaError(
                f"the engine is full: {self.in_use} of its {self._limits.handles} sockets are in use"
            )

    def enter(self) -> Callable[[], None]:
        """Take a place for a connection that is to be made; the function returned gives it back.

        PjkaError if there is no room. A connection that has come up counts by itself.
        """
        self.require()
        self._connecting += 1
        return self._leave

    def _leave(self) -> None:
        self._connecting -= 1
        self._closing.append(self._reactor.now() + _FREE_DELAY)

    def opened(self) -> None:
        """A connection came up."""
        self._open += 1
        if self._paused_at is None and self.in_use >= self.capacity:
            self._paused_at = self._reactor.now()
            self._each_listener(drop_filter.attach)
            self._reactor.post(self._say_paused)

    def closed(self) -> None:
        """A connection is gone."""
        self._open -= 1
        self._closing.append(self._reactor.now() + _FREE_DELAY)

    @property
    def _places(self) -> int:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _DESCRIPTORS_KEPT
        return min(self._limits.handles, descriptors)

    def _limit_backlog(self, fd: int) -> None:
        with borrowed(fd) as listener:
            listener.listen(self._backlog)

    def _say_paused(self) -> None:
        self._events.publish(
            ListenersPaused(handles=self._limits.handles, in_use=self.in_use, refusing=not self._may_pause)
        )
        self._reactor.call_later(_FREE_DELAY, self._resume_if_room)

    def _resume_if_room(self) -> None:
        assert self._paused_at is not None
        if self.in_use >= self.capacity:
            self._reactor.call_later(_FREE_DELAY, self._resume_if_room)
            return
        paused = self._reactor.now() - self._paused_at
        self._paused_at = None
        if self._may_pause:
            self._each_listener(drop_filter.detach)
        self._events.publish(ListenersResumed(paused=paused))

    def _each_listener(self, change: Callable[[int], None]) -> None:
        for descriptor in self._listeners:
            if descriptor.valid:
                try:
                    change(descriptor.fd)
                except PermissionError:
                    self._may_pause = False
