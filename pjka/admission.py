"""Requests that need a new connection, let through only while the engine has room for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pjka.errors import PjkaError
from pjka.gate import Gate
from pjka.pjproject.reactor import Reactor
from pjka.pjproject.requests import Cause, Destination, Request, Requests, Result


class Connected(Protocol):
    """Who knows the connections that are up."""

    def serial(self, protocol: str, peer: tuple[str, int]) -> int | None:
        """The connection to this peer; None if there is none."""


class Admission:
    """Sends as :class:`Requests` does; on the reactor's thread.

    A request without a connection to go over takes a place of the engine's until it ends: connecting sockets
    are in its I/O queue too, and failed ones for a while after. Without room it fails as one that cannot be
    sent.
    """

    def __init__(self, requests: Requests, reactor: Reactor, gate: Gate, connected: Connected) -> None:
        self._requests = requests
        self._reactor = reactor
        self._gate = gate
        self._connected = connected

    def send(
        self,
        request: Request,
        destination: Destination,
        timeout: float,
        done: Callable[[Result], None],
        late: Callable[[], None] = lambda: None,
    ) -> None:
        """Send, and call ``done`` once, whatever happens; see :meth:`Requests.send`."""
        peer = destination.host, destination.port
        if destination.protocol == "udp" or self._connected.serial(destination.protocol, peer) is not None:
            self._requests.send(request, destination, timeout, done, late)
            return
        try:
            leave = self._gate.enter()
        except PjkaError as error:
            refused = Result(Cause.SEND, reason=str(error))
            self._reactor.post(lambda: done(refused))
            return

        def ended(result: Result) -> None:
            leave()
            done(result)

        self._requests.send(request, destination, timeout, ended, late)
