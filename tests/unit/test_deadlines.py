"""Deadlines, on a reactor of the test's own whose clock is a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pjka.pjproject.deadlines import Deadlines


class Clock:
    """What Deadlines needs of a reactor."""

    def __init__(self) -> None:
        self.time = 0.0
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        self.timers.append((self.time + seconds, function))

    def post(self, function: Callable[[], object]) -> None:
        function()

    def run(self, until: float) -> None:
        """Run every timer up to this moment, at its own."""
        while self.timers and min(self.timers, key=lambda timer: timer[0])[0] <= until:
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.time = timer[0]
            timer[1]()
        self.time = until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def missed(clock: Clock) -> list[tuple[int, float]]:
    return []


@pytest.fixture
def deadlines(clock: Clock, missed: list[tuple[int, float]]) -> Deadlines:
    return Deadlines(clock, lambda token: missed.append((token, clock.time)))  # type: ignore[arg-type]


def test_each_is_missed_at_its_own_moment(
    clock: Clock, deadlines: Deadlines, missed: list[tuple[int, float]]
) -> None:
    deadlines.set(1, 3)
    deadlines.set(2, 0.5)
    clock.run(1)
    deadlines.set(3, 3)
    clock.run(10)
    assert missed == [(2, 0.5), (1, 3), (3, 4)]


def test_what_is_lifted_is_never_missed(
    clock: Clock, deadlines: Deadlines, missed: list[tuple[int, float]]
) -> None:
    deadlines.set(1, 3)
    deadlines.set(2, 3)
    deadlines.lift(1, 3)
    clock.run(10)
    deadlines.lift(2, 3)
    deadlines.lift(7, 7)
    assert missed == [(2, 3)]


def test_thousands_with_one_delay_take_one_timer_which_ends_with_them(
    clock: Clock, deadlines: Deadlines, missed: list[tuple[int, float]]
) -> None:
    for token in range(5000):
        clock.run(token / 1000)
        deadlines.set(token, 3)
        deadlines.lift(token, 3)
        assert len(clock.timers) == 1
    clock.run(20)
    assert not clock.timers
    deadlines.set(1, 3)
    clock.run(30)
    assert missed == [(1, 23)]
