"""The reactor without pjproject: mailbox, calls, timers, start and stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from pjka.errors import PjkaError
from pjka.pjproject.reactor import Reactor


class Waiting:
    """A poller that only waits."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.opened = self.closed = 0
        self.longest = 0.0

    def open(self) -> None:
        self.opened += 1

    def poll(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        self.woken.wait(seconds)
        self.woken.clear()

    def wake(self) -> None:
        self.woken.set()

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def poller() -> Waiting:
    return Waiting()


@pytest.fixture
def reactor(poller: Waiting) -> Iterator[Reactor]:
    made = Reactor(poller)
    made.start()
    yield made
    made.stop()


def test_call_runs_on_the_thread_and_returns(reactor: Reactor) -> None:
    assert reactor.call(lambda: reactor.on_thread)
    assert not reactor.on_thread


def test_call_raises_what_the_function_raises(reactor: Reactor) -> None:
    with pytest.raises(ZeroDivisionError):
        reactor.call(lambda: 1 // 0)
    assert reactor.call(lambda: "alive") == "alive"


def test_call_from_the_thread_itself_does_not_deadlock(reactor: Reactor) -> None:
    assert reactor.call(lambda: reactor.call(lambda: 7)) == 7


def test_call_that_takes_too_long(reactor: Reactor) -> None:
    held = threading.Event()
    reactor.post(lambda: held.wait(5))
    with pytest.raises(TimeoutError):
        reactor.call(lambda: None, timeout=0.05)
    held.set()


def test_posted_functions_keep_their_order(reactor: Reactor) -> None:
    seen: list[int] = []
    for number in range(100):
        reactor.post(lambda number=number: seen.append(number))
    reactor.call(lambda: None)
    assert seen == list(range(100))


def test_exception_of_a_posted_function_is_logged(reactor: Reactor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reactor.post(lambda: 1 // 0)
        reactor.call(lambda: None)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


def test_post_ends_a_wait(reactor: Reactor, poller: Waiting) -> None:
    reactor.call(lambda: None)
    before = time.monotonic()
    reactor.call(lambda: None)
    assert time.monotonic() - before < 1.0
    assert poller.longest > 1.0


def test_timers_run_when_due_in_order_of_time(reactor: Reactor) -> None:
    seen: list[tuple[str, float]] = []
    done = threading.Event()
    start = reactor.now()
    reactor.call_later(0.10, lambda: (seen.append(("late", reactor.now() - start)), done.set()))
    reactor.call_later(0.05, lambda: seen.append(("early", reactor.now() - start)))
    assert done.wait(5)
    assert [name for name, _ in seen] == ["early", "late"]
    assert seen[0][1] >= 0.05
    assert seen[1][1] >= 0.10


def test_cancelled_timer_does_not_run(reactor: Reactor) -> None:
    seen: list[str] = []
    done = threading.Event()
    reactor.call_later(0.02, lambda: seen.append("cancelled")).cancel()
    reactor.call_later(0.04, done.set)
    assert done.wait(5)
    assert seen == []


def test_exception_of_a_timer_does_not_stop_the_next(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()
    with caplog.at_level(logging.ERROR):
        reactor.call_later(0, lambda: 1 // 0)
        reactor.call_later(0.01, done.set)
        assert done.wait(5)
    assert any(record.exc_info for record in caplog.records)


def test_stop_runs_what_was_posted_before_and_closes(poller: Waiting) -> None:
    reactor = Reactor(poller)
    reactor.start()
    seen: list[str] = []
    reactor.post(lambda: seen.append("posted"))
    reactor.stop()
    assert seen == ["posted"]
    assert (poller.opened, poller.closed) == (1, 1)
    reactor.stop()
    with pytest.raises(PjkaError, match="not running"):
        reactor.call(lambda: None)


def test_failed_open_is_raised_and_closed(poller: Waiting) -> None:
    def fail() -> None:
        raise PjkaError("no engine")

    poller.open = fail  # type: ignore[method-assign]
    reactor = Reactor(poller)
    with pytest.raises(PjkaError, match="no engine"):
        reactor.start()
    reactor.stop()
    assert poller.closed == 1


def test_stop_of_a_busy_reactor_has_a_deadline(poller: Waiting) -> None:
    reactor = Reactor(poller)
    reactor.start()
    held = threading.Event()
    reactor.post(lambda: held.wait(5))
    with pytest.raises(TimeoutError):
        reactor.stop(timeout=0.05)
    held.set()
    reactor.stop()


def test_delay_is_what_a_busy_turn_costs_the_timers(reactor: Reactor) -> None:
    done = threading.Event()
    assert reactor.delay < 0.2
    reactor.post(lambda: time.sleep(0.3))
    reactor.call_later(0.01, done.set)
    assert done.wait(10)
    assert 0.2 < reactor.delay < 5
