"""What pjproject's callbacks tell of connections, noted down in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pjka.gate import Gate
from pjka.pjproject.callbacks import TransportState
from pjka.pjproject.native import Native
from pjka.pjproject.reactor import Reactor

_IGNORED = 70020  # PJ_EIGNORED: newlines between messages


@dataclass(frozen=True, slots=True)
class Note:
    """What pjproject said of a transport, with all that must be read before it may be gone."""

    pointer: int
    state: TransportState
    status: int
    at: float
    factory: int = 0
    direction: int = 0
    protocol: str = ""
    local: tuple[str, int] = ("", 0)
    peer: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class Between:
    """What came between messages: newlines, or (``data`` empty) the message that ended them."""

    pointer: int
    data: bytes
    at: float


class Notes:
    """A sink of pjproject's callbacks, on whichever threads poll, with pjproject's locks held: it only notes.

    ``work`` is called with each note on the reactor's thread, with no lock held. A note that is a number says
    that SIP came on that transport. ``held`` are the transports to which a reference was taken, and
    ``completed`` when a message was last complete on those that are watched.
    """

    def __init__(
        self, native: Native, reactor: Reactor, gate: Gate, work: Callable[[Note | Between | int], None]
    ) -> None:
        self._native = native
        self._reactor = reactor
        self._gate = gate
        self._work = work
        self._notes: deque[Note | Between | int] = deque()
        self._posted = False
        self._spoken: set[int] = set()
        self._after_newlines: set[int] = set()
        self.held: set[int] = set()
        self.completed: dict[int, float] = {}

    def forget(self, transport: int) -> None:
        """The transport is gone; another one may get its address."""
        self._spoken.discard(transport)
        self._after_newlines.discard(transport)
        self.completed.pop(transport, None)

    def on_state(self, transport: int, state: TransportState, status: int) -> None:
        """Note the state; a new connection is held at once, or it could be gone before it is looked at."""
        native = self._native
        if not native.is_reliable(transport):
            return
        known = transport in self.held
        if state is TransportState.CONNECTED and not known:
            native.hold(transport)
            self.held.add(transport)
            self._gate.opened()
        elif known or state is not TransportState.DISCONNECTED:
            self._leave(Note(transport, state, status, self._reactor.now()))
            return
        self._leave(
            Note(
                transport,
                state,
                status,
                self._reactor.now(),
                native.factory(transport),
                native.direction(transport),
                "tls" if native.type_name(transport).startswith("TLS") else "tcp",
                native.local_address(transport),
                native.remote_address(transport),
            )
        )

    def on_request(self, transport: int) -> None:
        """Note that SIP came, the first time."""
        if transport not in self._spoken and self._native.is_reliable(transport):
            self._spoken.add(transport)
            self._leave(transport)
        self.on_response(transport)

    def on_response(self, transport: int) -> None:
        """Note that a message came, where newlines came before it."""
        if transport in self.completed:
            self.completed[transport] = self._reactor.now()
        if transport in self._after_newlines:
            self._after_newlines.discard(transport)
            self._leave(Between(transport, b"", self._reactor.now()))

    def on_dropped(self, transport: int, data: bytes, status: int) -> None:
        """CRLF and garbage: neither makes a connection one that speaks SIP; CRLF may be a ping or a pong."""
        if status == _IGNORED and self._native.is_reliable(transport):
            self._after_newlines.add(transport)
            self._leave(Between(transport, data, self._reactor.now()))

    def _leave(self, note: Note | Between | int) -> None:
        """Two threads at once may both post; that neither does must not happen."""
        self._notes.append(note)
        if not self._posted:
            self._posted = True
            self._reactor.post(self._work_off)

    def _work_off(self) -> None:
        self._posted = False
        try:
            while self._notes:
                self._work(self._notes.popleft())
        finally:
            if self._notes:
                self._posted = True
                self._reactor.post(self._work_off)
