"""Deadlines of which nearly all are lifted again: one timer for all with the same delay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import takewhile

from pjka.pjproject.reactor import Reactor


class Deadlines:
    """Calls ``missed`` with each token whose deadline was not lifted; on the reactor's thread only.

    With a timer of its own for each token, those that were cancelled would fill the reactor's heap.
    """

    def __init__(self, reactor: Reactor, missed: Callable[[int], object]) -> None:
        self._reactor = reactor
        self._missed = missed
        self._queues: dict[float, dict[int, float]] = {}  # by delay, each in the order of its deadlines

    def set(self, token: int, delay: float) -> None:
        """The token has ``delay`` seconds from now."""
        queue = self._queues.get(delay)
        if queue is None:
            queue = self._queues[delay] = {}
            self._wait(delay, delay)
        queue[token] = self._reactor.now() + delay

    def lift(self, token: int, delay: float) -> None:
        """The token that was set with this delay is in time; harmless if it is not set."""
        queue = self._queues.get(delay)
        if queue is not None:
            queue.pop(token, None)

    def _wait(self, delay: float, seconds: float) -> None:
        self._reactor.call_later(seconds, lambda: self._look(delay))

    def _look(self, delay: float) -> None:
        queue, now = self._queues[delay], self._reactor.now()
        missed = [token for token, _ in takewhile(lambda item: item[1] <= now, queue.items())]
        for token in missed:
            del queue[token]
        first = next(iter(queue.values()), None)
        if first is None:
            del self._queues[delay]
        else:
            self._wait(delay, first - now)
        for token in missed:
            self._reactor.post(partial(self._missed, token))
