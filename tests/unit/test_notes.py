"""Notes of callbacks that come on several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from pjka.notes import Notes


class Native:
    def is_reliable(self, _: int) -> bool:
        return True


class Mailbox:
    """A reactor that has yet to run what was posted."""

    def __init__(self) -> None:
        self.posted: list[Any] = []

    def post(self, function: Any) -> None:
        self.posted.append(function)

    def run(self) -> None:
        while self.posted:
            self.posted.pop(0)()

    def now(self) -> float:
        return 1.0


class Interrupted(deque[Any]):
    """What is appended first is followed at once by what another thread leaves."""

    def __init__(self, other: Callable[[], None]) -> None:
        super().__init__()
        self.other: Callable[[], None] | None = other

    def append(self, note: Any) -> None:
        super().append(note)
        other, self.other = self.other, None
        if other is not None:
            other()


def test_two_threads_at_once_leave_no_note_lying() -> None:
    mailbox, worked = Mailbox(), []
    notes = Notes(Native(), mailbox, None, worked.append)  # type: ignore[arg-type]
    notes._notes = Interrupted(lambda: notes.on_request(2))
    notes.on_request(1)
    mailbox.run()
    assert worked == [1, 2]


def test_a_note_that_fails_does_not_keep_the_others() -> None:
    mailbox, worked = Mailbox(), []

    def work(note: Any) -> None:
        worked.append(note)
        if note == 1:
            raise ZeroDivisionError

    notes = Notes(Native(), mailbox, None, work)  # type: ignore[arg-type]
    notes.on_request(1)
    notes.on_request(2)
    with pytest.raises(ZeroDivisionError):
        mailbox.run()
    mailbox.run()
    assert worked == [1, 2]
