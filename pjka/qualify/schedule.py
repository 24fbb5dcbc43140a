"""Which contact is due when: one fixed-rate timer each, spread so that they never come in a burst.

The first OPTIONS goes out at a random moment below min(frequency, max_initial_qualify_time), as in Asterisk
(pjsip_options.c), but each contact has its own moment: successive contacts of one frequency take the golden
ratio's multiples (from one random start), which leave neither gap nor crowd however many there are. All times
are seconds, ``now`` counts from anywhere.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

AT_ONCE = 0.001
"""The least delay, and that of a contact just registered (s)."""

_LONGEST_PAUSE = 0.05  # s
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(slots=True)
class _Entry(Generic[K]):
    key: K
    frequency: float
    due: float
    place: float  # in the period, 0 to 1
    least: (
        float  # s between first and second OPTIONS; less than the frequency until the contact has its phase
    )
    busy: bool = False
    skipped: int = 0


class Schedule(Generic[K]):
    """A heap of contacts by the moment when each is due; every operation is O(log n) (amortized).

    ``max_initial`` (s, 0 = no limit of its own) may be set at any time, and is read when one is scheduled.
    """

    def __init__(self, random: Random, max_initial: float = 0) -> None:
        self.max_initial = max_initial
        self._random = random
        self._rate = 0.0  # per second, of all contacts together
        self._entries: dict[K, _Entry[K]] = {}
        self._heap: list[tuple[float, int, _Entry[K]]] = []
        self._serial = 0
        self._places: dict[float, float] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def add(self, key: K, frequency: float, now: float) -> None:
        """A contact of the configuration: first due at a random moment below min(frequency, max_initial)."""
        place = self._next_place(frequency)
        window = min(frequency, self.max_initial) if self.max_initial > 0 else frequency
        self._put(_Entry(key, frequency, now + max(AT_ONCE, place * window), place, window))

    def add_registered(self, key: K, frequency: float, now: float) -> None:
        """A contact that has just registered: due at once, then within its second half period."""
        place = self._next_place(frequency)
        self._put(_Entry(key, frequency, now + AT_ONCE, place, frequency / 2))

    def change(self, key: K, frequency: float, now: float) -> None:
        """The frequency after a reload: where it differs a new random moment; 0 = not due any more."""
        entry = self._entries.get(key)
        if entry is not None and entry.frequency == frequency:
            return
        self.remove(key)
        if frequency > 0:
            self.add(key, frequency, now)
            self._entries[key].busy = entry is not None and entry.busy

    def remove(self, key: K) -> None:
        """The contact is never due again; one that is not scheduled is no error."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._rate -= 1 / entry.frequency
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._heap = [item for item in self._heap if self._entries.get(item[2].key) is item[2]]
            heapq.heapify(self._heap)

    def due(self, key: K) -> float | None:
        """When the contact is due; None = it is not scheduled."""
        entry = self._entries.get(key)
        return entry.due if entry else None

    def skipped(self, key: K) -> int:
        """How many OPTIONS were left out because the one before was still outstanding."""
        entry = self._entries.get(key)
        return entry.skipped if entry else 0

    def next_timer(self) -> float | None:
        """The moment for which :meth:`handle_timer` waits; None = nothing is scheduled."""
        while self._heap and self._entries.get(self._heap[0][2].key) is not self._heap[0][2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def handle_timer(self, now: float, limit: int) -> list[K]:
        """At most ``limit`` contacts that are due now; each is outstanding until :meth:`done`."""
        ready: list[K] = []
        while len(ready) < limit and (due := self.next_timer()) is not None and due <= now:
            entry = heapq.heappop(self._heap)[2]
            if entry.busy:
                entry.skipped += 1
            else:
                entry.busy = True
                ready.append(entry.key)
            entry.due = _after(entry, now)
            self._push(entry)
        return ready

    def pause(self, count: int) -> float:
        """Seconds to wait after ``count`` sent at once, so that what is overdue comes at twice the mean rate.

        At most 0.05: few contacts make no burst, and one that has just registered is not to wait.
        """
        return min(_LONGEST_PAUSE, count / (2 * self._rate)) if self._rate > 0 else 0.0

    def done(self, key: K) -> None:
        """The contact's OPTIONS has its result, so that the next may go out."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.busy = False

    def _put(self, entry: _Entry[K]) -> None:
        self.remove(entry.key)
        self._entries[entry.key] = entry
        self._rate += 1 / entry.frequency
        self._push(entry)

    def _push(self, entry: _Entry[K]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (entry.due, self._serial, entry))

    def _next_place(self, frequency: float) -> float:
        place = self._places.get(frequency)
        place = self._random.random() if place is None else (place + _GOLDEN) % 1
        self._places[frequency] = place
        return place


def _after(entry: _Entry[K], now: float) -> float:
    """The next moment at the fixed rate, beyond ``now``; the second brings the contact to its own phase."""
    gap = entry.least + entry.place * (entry.frequency - entry.least)
    entry.least = entry.frequency
    behind = max(0.0, now - entry.due - gap)
    return entry.due + gap + entry.frequency * -(-behind // entry.frequency)
