"""What happens to transports and connections, as values, and how to hear of it.

Events are published on the reactor's thread, after pjproject's call has returned and with no lock held. A
subscriber must not block; what it raises is logged and concerns nobody else.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields

from pjka.status import Cause, ChangeRow, Row

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at ``at``, in seconds since the epoch."""

    at: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """The event's name in kebab case, as in the log: ``connection-up``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    def to_json(self) -> dict[str, object]:
        """The event as members of a JSON object: ``event`` is its name, the others are its fields."""
        return {"event": self.name, **{each.name: _plain(getattr(self, each.name)) for each in fields(self)}}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.to_json() if isinstance(value, Row) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportUp(Event):
    """A transport listens."""

    transport: str
    protocol: str
    bind: str
    mechanism: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFailed(Event):
    """A transport could not be started, or is not as its policy says."""

    transport: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportDown(Event):
    """A transport no longer listens."""

    transport: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionUp(Event):
    """A connection was accepted, or one of ours was answered."""

    serial: int
    transport: str
    protocol: str
    direction: str
    local: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDown(Event):
    """A connection ended, after ``age`` seconds.

    ``error`` is the errno if there was one, ``silent`` the seconds since the peer was last heard of.
    """

    serial: int
    transport: str
    protocol: str
    direction: str
    local: str
    peer: str
    cause: Cause
    age: float
    error: int | None = None
    silent: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Event):
    """A socket was not as its policy says; ``mended``: it is now. ``serial`` 0 is the listener's."""

    serial: int
    transport: str
    peer: str
    drift: tuple[str, ...]
    mended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenersPaused(Event):
    """New connections are kept waiting, because ``in_use`` of the engine's ``handles`` sockets are in use.

    ``refusing``: there is no right to keep them waiting, so they are closed.
    """

    handles: int
    in_use: int = 0
    refusing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenersResumed(Event):
    """New connections are accepted again; ``paused`` is for how many seconds they were not."""

    paused: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded(Event):
    """A configuration was read again and put into force."""

    file: str
    changes: tuple[ChangeRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactStatus(Event):
    """A contact's status changed; one for each endpoint of its AOR, with the members of Asterisk's event.

    ``RoundtripUsec`` is microseconds, 0 unless Reachable.
    """

    aor: str  # the same as AOR: what `events --aor` looks at
    URI: str
    ContactStatus: str
    AOR: str
    EndpointName: str
    RoundtripUsec: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus(Event):
    """An endpoint went online (Reachable) or offline (Unreachable), with the members of Asterisk's event."""

    ChannelType: str
    Peer: str
    PeerStatus: str


Subscriber = Callable[[Event], object]


class Events:
    """Hands each event to everyone who subscribed."""

    def __init__(self) -> None:
        self._subscribers: tuple[Subscriber, ...] = ()
        self._changing = threading.Lock()

    def subscribe(self, deliver: Subscriber) -> Callable[[], None]:
        """Call ``deliver`` with each event from now on; the function returned ends that. From any thread."""
        with self._changing:
            self._subscribers = (*self._subscribers, deliver)
        return lambda: self._unsubscribe(deliver)

    def publish(self, event: Event) -> None:
        """Tell everyone."""
        for deliver in self._subscribers:
            try:
                deliver(event)
            except Exception:  # a subscriber's fault is its own; the others are told all the same
                logger.exception("a subscriber failed on %s", event.name)

    def _unsubscribe(self, deliver: Subscriber) -> None:
        with self._changing:
            self._subscribers = tuple(each for each in self._subscribers if each is not deliver)
