"""The double CRLF of ``[global] keep_alive_interval``, on one global tick (Asterisk's keep-alive thread).

Asterisk sends it on every reliable connection. Here only those get it whose one mechanism it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pjka.keepalive.crlf import PING
from pjka.keepalive.policy import Mechanism, Policy
from pjka.monitors import Connection, Monitors
from pjka.pjproject.reactor import Reactor, Timer


class CrlfTick:
    """Sends on all connections at once every ``interval`` seconds, whatever was sent in between.

    A connection's first one comes anywhere within the interval after it came up. Unlike Asterisk's thread,
    the tick does not drift, and 0 ends it.
    """

    def __init__(self, reactor: Reactor, monitors: Monitors, policy: Callable[[str], Policy | None]) -> None:
        self._reactor = reactor
        self._monitors = monitors
        self._policy = policy
        self._interval = 0.0
        self._timer: Timer | None = None
        self.due: float | None = None

    def set(self, interval: float) -> None:
        """Tick every ``interval`` seconds from now on, 0 for never; the same value again changes nothing."""
        if interval == self._interval:
            return
        self._interval = interval
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.due = None, None
        if interval:
            self._wait_until(self._reactor.now() + interval)

    def _wait_until(self, due: float) -> None:
        self.due = due
        self._timer = self._reactor.call_later(due - self._reactor.now(), self._tick)

    def _tick(self) -> None:
        assert self.due is not None
        for connection in self._receivers():
            self._monitors.send(connection, PING)
        missed = (self._reactor.now() - self.due) // self._interval
        self._wait_until(self.due + self._interval * (1 + missed))

    def _receivers(self) -> Iterable[Connection]:
        for connection in self._monitors:
            policy = self._policy(connection.transport)
            if policy is not None and policy.mechanism is Mechanism.CRLF and connection.held:
                yield connection
