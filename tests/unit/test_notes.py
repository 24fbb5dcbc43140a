"""Notes of callbacks that come on several threads."""

from __future__ import annotations

import sys
import threading
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


@pytest.fixture
def quick_switches() -> Any:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_no_note_of_any_thread_is_left_lying(quick_switches: None) -> None:
    mailbox, worked = Mailbox(), []
    notes = Notes(Native(), mailbox, None, worked.append)  # type: ignore[arg-type]
    threads = [
        threading.Thread(target=lambda first=first: [notes.on_request(first + n) for n in range(500)])
        for first in (1000, 2000, 3000)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        mailbox.run()
    mailbox.run()
    assert sorted(worked) == [first + n for first in (1000, 2000, 3000) for n in range(500)]


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
