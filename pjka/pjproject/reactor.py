"""The one thread that owns pjproject.

Every call into pjproject is made here, others post to the mailbox, and no lock of ours is held while
pjproject runs: that is what makes a deadlock with pjproject's own locks impossible. The reactor itself knows
nothing of pjproject; what it waits on is a ``Poller``.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from pjka.errors import PjkaError

T = TypeVar("T")
logger = logging.getLogger(__name__)

LONGEST_WAIT = 10.0
_RECENT = 60.0


class Poller(Protocol):
    """What the reactor waits on."""

    def open(self) -> None:
        """Make ready, on the reactor's thread, before the first poll."""

    def poll(self, seconds: float) -> None:
        """Handle what is due, and wait for up to ``seconds`` for something to handle."""

    def wake(self) -> None:
        """End the poll that runs, or else let the next return at once; from any thread, never blocking."""

    def close(self) -> None:
        """Let go of everything, on the reactor's thread, after the last poll."""


class Timer:
    """A function that is due at ``when`` on the reactor's clock."""

    __slots__ = ("function", "when")

    def __init__(self, when: float, function: Callable[[], object]) -> None:
        self.when = when
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """Never run the function; harmless when it ran already. From any thread."""
        self.function = None


class Reactor:
    """A thread that polls, and between two polls runs what was posted and what is due."""

    def __init__(self, poller: Poller, *, name: str = "pjka-reactor") -> None:
        self._poller = poller
        self._mailbox: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._scheduled = 0
        self._running = False
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.turns = 0
        self._late = (0.0, 0.0)  # in this minute, and in the one before
        self._minute = 0.0

    # From any thread

    @staticmethod
    def now() -> float:
        """The reactor's clock: monotonic seconds."""
        return time.monotonic()

    @property
    def on_thread(self) -> bool:
        """Whether the caller is on the reactor's thread."""
        return threading.current_thread() is self._thread

    @property
    def delay(self) -> float:
        """The most that a timer was late in the last one to two minutes, in seconds."""
        return max(self._late)

    @property
    def running(self) -> bool:
        """Whether the thread takes what is posted."""
        return self._running

    def start(self, timeout: float = 30.0) -> None:
        """Start the thread and wait until its poller is open; whatever opening raised is raised here."""
        self._thread.start()
        self._ready.result(timeout)

    def post(self, function: Callable[[], object]) -> None:
        """Run ``function`` on the reactor soon. Never blocks; an exception of the function is logged."""
        self._mailbox.append(function)
        if not self.on_thread:
            self._poller.wake()

    def call(self, function: Callable[[], T], timeout: float = 10.0) -> T:
        """Run ``function`` on the reactor and return what it returns, or raise what it raises.

        TimeoutError after ``timeout`` seconds; the function may then still run. PjkaError if the thread
        does not run.
        """
        if self.on_thread:
            return function()
        if not self._running:
            raise PjkaError("the reactor is not running")
        outcome: Future[T] = Future()
        self.post(lambda: _settle(outcome, function))
        return outcome.result(timeout)

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        """Run ``function`` on the reactor in ``seconds``; an exception of the function is logged."""
        timer = Timer(self.now() + seconds, function)
        if self.on_thread:
            self._schedule(timer)
        else:
            self.post(lambda: self._schedule(timer))
        return timer

    def stop(self, timeout: float = 10.0) -> None:
        """Run what was posted before, close the poller and end the thread; harmless when it has ended.

        TimeoutError if the thread is still busy after ``timeout`` seconds.
        """
        self.post(self._finish)
        if self._thread.ident is None or self.on_thread:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the reactor did not stop within {timeout:g} s")

    # On the reactor's thread

    def _run(self) -> None:
        self._running = True
        try:
            _settle(self._ready, self._poller.open)
            if self._ready.exception() is not None:
                return
            while self._running:
                self._poller.poll(self._wait())
                self.turns += 1
                self._run_posted()
                self._run_due()
        finally:
            self._running = False
            self._poller.close()

    def _finish(self) -> None:
        self._running = False

    def _schedule(self, timer: Timer) -> None:
        self._scheduled += 1
        heapq.heappush(self._timers, (timer.when, self._scheduled, timer))

    def _wait(self) -> float:
        if self._mailbox:
            return 0.0
        while self._timers and self._timers[0][2].function is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return LONGEST_WAIT
        return min(max(self._timers[0][0] - self.now(), 0.0), LONGEST_WAIT)

    def _run_posted(self) -> None:
        for _ in range(len(self._mailbox)):
            _run_logged(self._mailbox.popleft())

    def _run_due(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            due, _, timer = heapq.heappop(self._timers)
            self._note_delay(now, now - due)
            function = timer.function
            if function is not None:
                _run_logged(function)

    def _note_delay(self, now: float, late: float) -> None:
        if now > self._minute + _RECENT:
            self._minute, self._late = now, (late, self._late[0])
        elif late > self._late[0]:
            self._late = (late, self._late[1])


def _run_logged(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:  # the thread must outlive any one task; the traceback is kept in the log
        logger.exception("a task on the reactor failed")


def _settle(outcome: Future[T], function: Callable[[], T]) -> None:
    try:
        outcome.set_result(function())
    except Exception as error:  # noqa: BLE001 - nothing is swallowed: the waiting caller gets it
        outcome.set_exception(error)
