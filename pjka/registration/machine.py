"""What a registration does next: a state machine without clock or network.

Retries are Asterisk's (``res_pjsip_outbound_registration.c``), but for flows of RFC 5626: these are recovered
by its section 4.5, for ever. ``now`` is seconds from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum, auto
from random import Random

from pjka.keepalive.backoff import BackOff

_EARLY = 10.0  # s: a refresh goes out so long before the registration expires (Asterisk)
_TEMPORARY = frozenset({408, 500, 502, 503, 504})


class State(StrEnum):
    """Where a registration stands."""

    WAITING = auto()  # for its first moment, or for a retry
    REGISTERING = auto()
    REGISTERED = auto()
    REJECTED = auto()  # it is not tried again
    STOPPED = auto()


class Do(StrEnum):
    """What the owner has to do."""

    REGISTER = auto()
    CLOSE = auto()  # the flow has failed: its connection is not to be used again


@dataclass(frozen=True, slots=True)
class Rules:
    """The options of a registration, in seconds; ``outbound``: it keeps flows of RFC 5626."""

    expiration: int = 3600
    initial_delay: int = 10
    retry_interval: int = 60
    forbidden_retry_interval: int = 0
    fatal_retry_interval: int = 0
    max_retries: int = 10
    auth_rejection_permanent: bool = True
    outbound: bool = False
    back_off: BackOff = field(default_factory=BackOff)


@dataclass(frozen=True, slots=True)
class Answer:
    """The final response to a REGISTER; times in seconds, None = not said.

    ``supervised``: pongs are due, so the registration is successful only with the first of them (4.5).
    """

    status: int
    expires: int | None = None
    min_expires: int | None = None
    retry_after: int | None = None
    supervised: bool = False


class Client:
    """One registration over one flow. ``failures`` gives those in a row of all flows of the registration."""

    def __init__(self, rules: Rules, random: Random, failures: Callable[[], Collection[int]]) -> None:
        self.rules = rules
        self.state = State.WAITING
        self.outbound = rules.outbound
        self.expiration = rules.expiration
        self.failures = 0  # in a row, of the flow
        self.retries = 0  # in a row, of Asterisk's kind
        self.due: float | None = None
        self.expires_at: float | None = None
        self.problem = ""
        self._random = random
        self._failures = failures
        self._proven = False
        self._todo: list[Do] = []

    def start(self, now: float) -> None:
        """Wait for the first moment: up to ``initial_delay`` and one second."""
        delay = self.rules.initial_delay
        self.due = now + (self._random.randrange(delay) + 1 if delay else 0)

    def next_timer(self) -> float | None:
        """When :meth:`handle_timer` wants to be called; None = never."""
        return self.due

    def handle_timer(self, now: float) -> None:
        """Register, or refresh."""
        if self.due is not None and self.due <= now:
            self._register()

    def answered(self, answer: Answer, now: float) -> None:
        """A final response came."""
        if self.state in (State.STOPPED, State.REJECTED):
            return
        if 200 <= answer.status < 300:
            self._accepted(answer, now)
        elif answer.status == 423 and (answer.min_expires or 0) > self.expiration:
            self.expiration = answer.min_expires or 0
            self._register()
        elif answer.status == 439 and self.outbound:
            self.outbound = False  # 4.2.1: may be tried without
            self._register()
        else:
            self._refused(answer, now)

    def unanswered(self, reason: str, now: float) -> None:
        """No answer came, or the request could not be sent: the connection is not to be trusted."""
        if self.state is not State.REGISTERING:
            return
        self.problem, self.expires_at = reason, None
        self._todo.append(Do.CLOSE)
        if self._proven:  # a flow that worked until now is formed anew at once
            self._proven = False
            self._register()
        else:
            self._retry(None, now)

    def pong(self) -> None:
        """A first pong came over the flow: now it counts as successful (4.5)."""
        if self.state in (State.REGISTERED, State.REGISTERING):
            self._proven, self.failures = True, 0

    def connection_lost(self, now: float) -> None:
        """The connection that carries the registration is gone, or its flow failed.

        A flow that had been successful is registered again at once; one that never was counts as a failure,
        so that a server that accepts and closes is not asked without pause.
        """
        if self.state not in (State.REGISTERED, State.REGISTERING):
            return
        self.expires_at = None
        if self._proven and self.state is State.REGISTERED:
            self._proven = False
            self._register()
        elif self.state is State.REGISTERED:
            self.problem = "the connection was lost before a first pong"
            self._retry(None, now)

    def stop(self) -> bool:
        """End; whether there is a registration to take back."""
        registered = self.expires_at is not None
        self.state, self.due = State.STOPPED, None
        return registered

    def actions(self) -> list[Do]:
        """What has to be done; each is told once."""
        todo, self._todo = self._todo, []
        return todo

    def _register(self) -> None:
        self.state, self.due = State.REGISTERING, None
        self._todo.append(Do.REGISTER)

    def _accepted(self, answer: Answer, now: float) -> None:
        granted = self.expiration if answer.expires is None else answer.expires
        self.state, self.problem, self.retries = State.REGISTERED, "", 0
        self.expires_at = now + granted
        self.due = now + max(granted - _EARLY, granted / 2, 1)
        if not answer.supervised:
            self.pong()

    def _refused(self, answer: Answer, now: float) -> None:
        """4.2.2: an error that passes does not end a flow, so its connection stays."""
        status, rules = answer.status, self.rules
        self.problem = f"refused with {status}"
        temporary = status in _TEMPORARY or status >= 600 or (self.outbound and status == 430)
        if status in (401, 407) and not rules.auth_rejection_permanent:
            temporary = True
        if temporary:
            if status == 430:
                self._todo.append(Do.CLOSE)
            self._retry(answer.retry_after, now)
        else:
            interval = rules.forbidden_retry_interval if status == 403 else rules.fatal_retry_interval
            self._wait_or_give_up(interval, now)

    def _retry(self, retry_after: int | None, now: float) -> None:
        if self.rules.outbound:
            self.failures += 1
            wait = self.rules.back_off.wait(self._failures(), self.failures, self._random, retry_after)
            self.state, self.due, self._proven = State.WAITING, now + wait, False
        else:
            self._wait_or_give_up(max(self.rules.retry_interval, retry_after or 0), now)

    def _wait_or_give_up(self, interval: float, now: float) -> None:
        self.retries += 1
        if interval and self.retries <= self.rules.max_retries:
            self.state, self.due = State.WAITING, now + interval
        else:
            self.state, self.due, self.expires_at = State.REJECTED, None, None
