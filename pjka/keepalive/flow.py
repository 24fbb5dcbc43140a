"""The two ends of an RFC 5626 flow: who sends CRLF pings, who answers them, and when the flow has failed.

Each end is a table of transitions, (state, input) -> (state, actions), and nothing outside the table knows
one. An engine is told what happened and at what moment (``now``, seconds from anywhere), and tells what to do
and when it wants to be woken: ``next_timer``, ``handle_timer``, ``events``. Section numbers are RFC 5626's
unless said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from random import Random

from pjka.keepalive.crlf import PONG, CrlfReader


class Version(StrEnum):
    """What a flow's ends have agreed to speak (``@outbound_version``)."""

    RFC5626 = "rfc5626"
    DRAFT03 = "draft03"  # draft-ietf-sip-outbound-03: no CRLF pong, no Flow-Timer


@dataclass(frozen=True, slots=True)
class PingRange:
    """Between which two intervals (s) each ping's own is drawn, uniformly (4.4)."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """The time until the next ping."""
        return random.uniform(self.low, self.high)


def flow_timer_range(flow_timer: int) -> PingRange:
    """80 to 100 % of the ``Flow-Timer`` that the registrar gave, in seconds from 1 (4.4)."""
    return PingRange(0.8 * flow_timer, flow_timer)


DEFAULT_RANGE = PingRange(95, 120)
"""Without Flow-Timer (4.4)."""

BATTERY_RANGE = PingRange(672, 840)
"""Without Flow-Timer, where a ping costs battery (4.4)."""


class Event(StrEnum):
    """What the owner of the connection has to do, or may want to know."""

    SEND_PING = auto()
    SEND_PONG = auto()
    FIRST_PONG = auto()  # from now on the flow counts as successful (4.5)
    FAILED = auto()  # no pong came: close the connection, recover (4.4.1)
    EXPIRED = auto()  # no ping came: close the connection, its bindings are invalid (5.4, 7)


@dataclass(frozen=True, slots=True)
class Registered:
    """What a 2xx to REGISTER says of the flow that carried it.

    ``flow_timer`` is the header's value in seconds, None without one; ``require_outbound`` whether Require
    names ``outbound`` (4.2.1); ``reg_id`` whether the request carried a reg-id with an instance-id.
    """

    flow_timer: int | None
    require_outbound: bool
    reg_id: bool = True


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How our end of a flow to a registrar behaves.

    ``without_flow_timer`` is the range of intervals where the registrar names none; ``pong_timeout`` (s) how
    long a pong may take; with ``verify_first`` no deadline counts before a first pong was seen.
    """

    version: Version = Version.RFC5626
    without_flow_timer: PingRange = DEFAULT_RANGE
    pong_timeout: float = 10
    verify_first: bool = False


class State(StrEnum):
    """Where our end of a flow to a registrar stands."""

    UNREGISTERED = auto()
    PINGING = auto()  # pings go out, no pong is due
    UNPROVEN = auto()  # the same until the first pong
    RESTING = auto()  # between a pong and the next ping
    AWAITING = auto()  # a ping is out, its pong is due
    FAILED = auto()
    CLOSED = auto()


class _Input(StrEnum):
    SUPERVISED = auto()  # registered, pongs are due
    TO_BE_PROVEN = auto()  # registered, pongs are due once one was seen
    UNSUPERVISED = auto()  # registered, no pong is due
    PING_DUE = auto()
    PONG = auto()
    EARLIER_PONG = auto()  # a pong, and a later ping still waits for its own
    PONG_OVERDUE = auto()
    CLOSE = auto()


class _Do(StrEnum):
    SCHEDULE = auto()  # draw the interval until the next ping
    PING = auto()
    FAIL = auto()
    STOP = auto()  # nothing goes out any more


_REGISTERED = (State.PINGING, State.UNPROVEN, State.RESTING)

CLIENT: Mapping[tuple[State, _Input], tuple[State, tuple[_Do, ...]]] = {
    **{
        (state, what): (then, (_Do.SCHEDULE,))
        for state in (State.UNREGISTERED, *_REGISTERED)
        for what, then in (
            (_Input.SUPERVISED, State.RESTING),
            (_Input.TO_BE_PROVEN, State.UNPROVEN),
            (_Input.UNSUPERVISED, State.PINGING),
        )
    },
    # a refresh answers for the registration, not for the ping that is out
    (State.AWAITING, _Input.SUPERVISED): (State.AWAITING, (_Do.SCHEDULE,)),
    (State.AWAITING, _Input.UNSUPERVISED): (State.PINGING, (_Do.SCHEDULE,)),
    (State.PINGING, _Input.PING_DUE): (State.PINGING, (_Do.PING, _Do.SCHEDULE)),
    (State.UNPROVEN, _Input.PING_DUE): (State.UNPROVEN, (_Do.PING, _Do.SCHEDULE)),
    (State.RESTING, _Input.PING_DUE): (State.AWAITING, (_Do.PING, _Do.SCHEDULE)),
    # the pong timeout is above the interval
    (State.AWAITING, _Input.PING_DUE): (State.AWAITING, (_Do.PING, _Do.SCHEDULE)),
    (State.UNPROVEN, _Input.PONG): (State.RESTING, ()),
    (State.UNPROVEN, _Input.EARLIER_PONG): (State.AWAITING, ()),
    (State.AWAITING, _Input.PONG): (State.RESTING, ()),
    (State.AWAITING, _Input.PONG_OVERDUE): (State.FAILED, (_Do.FAIL, _Do.STOP)),
    **{
        (state, _Input.CLOSE): (State.CLOSED, (_Do.STOP,))
        for state in (State.UNREGISTERED, *_REGISTERED, State.AWAITING, State.FAILED)
    },
}
"""What a client does; an input without a row changes nothing."""

_MOST_OUTSTANDING = 8


class ClientFlow:
    """Our end of a flow to a registrar or edge proxy (4.2 to 4.4; R1 to R5 of the Rhino resource adaptor)."""

    def __init__(self, settings: ClientSettings, random: Random) -> None:
        self.settings = settings
        self.state = State.UNREGISTERED
        self.range = settings.without_flow_timer
        self.flow_timer: int | None = None
        self.why_not = "not registered yet"  # why no missing pong fails the flow; "" where one does
        self.pings = 0
        self.pongs = 0
        self.rtt: float | None = None  # s, of the last ping and pong
        self.next_ping: float | None = None
        self._random = random
        self._reader = CrlfReader()
        self._sent: list[float] = []  # pings without their pong, the oldest first
        self._progress: float | None = None  # when bytes of an unfinished message last came
        self._events: list[Event] = []

    @property
    def successful(self) -> bool:
        """Whether the flow ends a recovery: registered, and a pong came where pongs are due (4.5)."""
        if self.state in (State.RESTING, State.AWAITING):
            return self.pongs > 0
        return self.state in (State.PINGING, State.UNPROVEN)

    @property
    def pong_due(self) -> float | None:
        """Until when the oldest pong has to come; None = none is due.

        Bytes of a message being received postpone it for as long as they come (4.4.1).
        """
        if self.state is not State.AWAITING:
            return None
        since = self._sent[0] if self._progress is None else max(self._sent[0], self._progress)
        return since + self.settings.pong_timeout

    def registered(self, answer: Registered, now: float) -> None:
        """A 2xx to the REGISTER, or to its refresh, came over this flow."""
        self.flow_timer = answer.flow_timer if self.settings.version is Version.RFC5626 else None
        self.range = (
            flow_timer_range(self.flow_timer) if self.flow_timer else self.settings.without_flow_timer
        )
        self.why_not = self._unsupervised_because(answer)
        if self.why_not:
            self._input(_Input.UNSUPERVISED, now)
        elif self.settings.verify_first and not self.pongs:
            self.why_not = "no pong has come yet, and the first one is waited for without a deadline"
            self._input(_Input.TO_BE_PROVEN, now)
        else:
            self._input(_Input.SUPERVISED, now)

    def receive(self, data: bytes, now: float) -> None:
        """Bytes between messages."""
        awaiting = len(self._sent) if self.settings.version is Version.RFC5626 else 0
        for token in self._reader.read(data, awaiting):
            if token == PONG:
                self._pong(now)
            else:
                self._events.append(Event.SEND_PONG)

    def receiving(self, now: float) -> None:
        """Bytes of a message that is not complete yet."""
        self._progress = now
        self._reader.message()

    def received(self) -> None:
        """The message is complete."""
        self._progress = None
        self._reader.message()

    def close(self, now: float) -> None:
        """The connection is gone, or was let go."""
        self._input(_Input.CLOSE, now)

    def next_timer(self) -> float | None:
        """When :meth:`handle_timer` wants to be called; None = never."""
        return min((at for at in (self.next_ping, self.pong_due) if at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if self.pong_due is not None and self.pong_due <= now:
            self._input(_Input.PONG_OVERDUE, now)
        if self.next_ping is not None and self.next_ping <= now:
            self._input(_Input.PING_DUE, now)

    def events(self) -> list[Event]:
        """What has to be done; each is told once."""
        events, self._events = self._events, []
        return events

    def _unsupervised_because(self, answer: Registered) -> str:
        if self.settings.version is Version.DRAFT03:
            return "draft03 knows no pong"
        if not answer.reg_id:
            return "the REGISTER carried no reg-id with an instance-id"
        if not answer.require_outbound:
            return "the answer to REGISTER has no Require: outbound"
        return ""

    def _pong(self, now: float) -> None:
        self.pongs += 1
        self.rtt = now - self._sent.pop(0)
        if self.pongs == 1:
            self._events.append(Event.FIRST_PONG)
        if self.state is State.UNPROVEN:
            self.why_not = ""
        self._input(_Input.EARLIER_PONG if self._sent else _Input.PONG, now)

    def _input(self, what: _Input, now: float) -> None:
        self.state, actions = CLIENT.get((self.state, what), (self.state, ()))
        for action in actions:
            self._act(action, now)

    def _act(self, action: _Do, now: float) -> None:
        if action is _Do.SCHEDULE:
            self.next_ping = now + self.range.draw(self._random)
        elif action is _Do.PING:
            self._ping(now)
        elif action is _Do.STOP:
            self.next_ping = None
        else:
            self._events.append(Event.FAILED)

    def _ping(self, now: float) -> None:
        self.pings += 1
        if self.state is not State.AWAITING:
            self._sent.clear()  # pings whose pongs never were due
        self._sent = [*self._sent[: _MOST_OUTSTANDING - 1], now]
        self._events.append(Event.SEND_PING)


class ServerState(StrEnum):
    """Where the flow of a phone to us stands."""

    UNTIMED = auto()  # no Flow-Timer was given: nothing is due (R7)
    TIMED = auto()  # a ping is due
    EXPIRED = auto()
    CLOSED = auto()


class _ServerInput(StrEnum):
    TIMER_GIVEN = auto()
    NO_TIMER = auto()
    PING = auto()
    OVERDUE = auto()
    CLOSE = auto()


class _ServerDo(StrEnum):
    RESTART = auto()
    STOP = auto()
    PONG = auto()
    EXPIRE = auto()


SERVER: Mapping[tuple[ServerState, _ServerInput], tuple[ServerState, tuple[_ServerDo, ...]]] = {
    (ServerState.UNTIMED, _ServerInput.TIMER_GIVEN): (ServerState.TIMED, (_ServerDo.RESTART,)),
    (ServerState.TIMED, _ServerInput.TIMER_GIVEN): (ServerState.TIMED, (_ServerDo.RESTART,)),
    (ServerState.TIMED, _ServerInput.NO_TIMER): (ServerState.UNTIMED, (_ServerDo.STOP,)),
    (ServerState.UNTIMED, _ServerInput.PING): (ServerState.UNTIMED, (_ServerDo.PONG,)),
    (ServerState.TIMED, _ServerInput.PING): (ServerState.TIMED, (_ServerDo.PONG, _ServerDo.RESTART)),
    (ServerState.TIMED, _ServerInput.OVERDUE): (ServerState.EXPIRED, (_ServerDo.STOP, _ServerDo.EXPIRE)),
    **{
        (state, _ServerInput.CLOSE): (ServerState.CLOSED, (_ServerDo.STOP,))
        for state in (ServerState.UNTIMED, ServerState.TIMED, ServerState.EXPIRED)
    },
}
"""What a server does; an input without a row changes nothing."""


class ServerFlow:
    """The flow of a phone that registered with us (5.4, 6; R6 to R8 of the Rhino resource adaptor).

    ``grace`` (s) is what a ping may be later than Flow-Timer, for the network; ``answers`` is False where the
    engine below answers pings by itself, so that none is answered twice.
    """

    def __init__(self, grace: float = 1, *, answers: bool = True) -> None:
        self.grace = grace
        self.state = ServerState.UNTIMED
        self.flow_timer: int | None = None
        self.ping_due: float | None = None  # when the flow expires without a ping
        self.pings = 0
        self._answers = answers
        self._reader = CrlfReader()
        self._events: list[Event] = []

    def registered(self, flow_timer: int | None, now: float) -> None:
        """A 2xx with this Flow-Timer (seconds from 1; None = without one) went out over the flow."""
        self.flow_timer = flow_timer
        self._input(_ServerInput.TIMER_GIVEN if flow_timer else _ServerInput.NO_TIMER, now)

    def receive(self, data: bytes, now: float) -> None:
        """Bytes between messages."""
        for _ping in self._reader.read(data, awaiting=0):
            self.pings += 1
            self._input(_ServerInput.PING, now)

    def received(self) -> None:
        """A message came, or a part of one: half a ping before it is none."""
        self._reader.message()

    def close(self, now: float) -> None:
        """The connection is gone."""
        self._input(_ServerInput.CLOSE, now)

    def next_timer(self) -> float | None:
        """When :meth:`handle_timer` wants to be called; None = never."""
        return self.ping_due

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if self.ping_due is not None and self.ping_due <= now:
            self._input(_ServerInput.OVERDUE, now)

    def events(self) -> list[Event]:
        """What has to be done; each is told once."""
        events, self._events = self._events, []
        return events

    def _input(self, what: _ServerInput, now: float) -> None:
        self.state, actions = SERVER.get((self.state, what), (self.state, ()))
        for action in actions:
            self._act(action, now)

    def _act(self, action: _ServerDo, now: float) -> None:
        if action is _ServerDo.RESTART:
            assert self.flow_timer is not None
            self.ping_due = now + self.flow_timer + self.grace
        elif action is _ServerDo.STOP:
            self.ping_due = None
        elif action is _ServerDo.EXPIRE:
            self._events.append(Event.EXPIRED)
        elif self._answers:
            self._events.append(Event.SEND_PONG)
