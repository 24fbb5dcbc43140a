"""What qualify knows of a contact: a status that answers and misses move, as in Asterisk's pjsip_options.c.

A contact begins as NonQualified even if its AOR is qualified; ``Rules.up`` answers in a row make it
Reachable, ``Rules.down`` misses in a row Unreachable. Times are microseconds, passed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The label of a contact in Asterisk's events and logs; ``short`` is the one of its CLI."""

    UNREACHABLE = "Unreachable"
    REACHABLE = "Reachable"
    UNKNOWN = "Unknown"
    NON_QUALIFIED = "NonQualified"
    REMOVED = "Removed"

    @property
    def short(self) -> str:
        """Unavail, Avail, Unknown, NonQual or Removed."""
        return _SHORT.get(self, self.value)


_SHORT = {Status.UNREACHABLE: "Unavail", Status.REACHABLE: "Avail", Status.NON_QUALIFIED: "NonQual"}


@dataclass(frozen=True, slots=True)
class Rules:
    """How an AOR's contacts are qualified (Asterisk's location.c, and the ``@`` options).

    ``frequency`` in seconds (0 = off), ``timeout`` in seconds for one attempt with all that it resends (0 or
    less = only the transaction's own), ``only_2xx`` counts another final answer as a miss, ``down`` and
    ``up`` are misses before Unreachable and answers before Reachable (from 1).
    """

    frequency: int = 0
    timeout: float = 3.0
    only_2xx: bool = False
    down: int = 1
    up: int = 1

    def accepts(self, code: int) -> bool:
        """Whether a final answer with this code counts as one."""
        return not self.only_2xx or 200 <= code < 300


@dataclass(slots=True)
class Contact:
    """The status of one contact and the round-trip times (microseconds) of its answers; 0 = none yet.

    ``misses`` and ``hits`` count in a row: one of them is always 0. Nothing but the methods changes it.
    """

    status: Status = Status.NON_QUALIFIED
    misses: int = 0
    hits: int = 0
    sent: int = 0
    answered: int = 0
    late: int = 0
    rtt: int = 0
    rtt_min: int = 0
    rtt_max: int = 0
    rtt_sum: int = 0
    last: str = ""

    def answer(self, code: int, rtt: int, rules: Rules) -> Status:
        """A final answer in time; returns the status that it leaves."""
        self.sent += 1
        self.answered += 1
        self._measure(rtt)
        if not rules.accepts(code):
            return self._missed(rules)
        self.misses = 0
        self.hits += 1
        if self.hits >= rules.up:
            self.status = Status.REACHABLE
        return self.status

    def miss(self, rules: Rules) -> Status:
        """No answer in time, a transport error, or a send that failed; returns the status that it leaves."""
        self.sent += 1
        return self._missed(rules)

    def late_answer(self) -> None:
        """An answer after the timeout: counted, and nothing else changes."""
        self.late += 1

    def switch_off(self) -> None:
        """The frequency became 0: nothing is known of the contact any more."""
        self.status = Status.NON_QUALIFIED
        self.misses = self.hits = 0

    def switch_on(self) -> None:
        """The frequency is no longer 0: what was Reachable has to prove it, as in Asterisk."""
        self.misses = self.hits = 0
        if self.status is Status.REACHABLE:
            self.status = Status.UNREACHABLE

    def remove(self) -> None:
        """The contact is deleted; Removed is the last label that it shows."""
        self.status = Status.REMOVED

    @property
    def rtt_avg(self) -> int:
        """The mean of all round-trip times, in microseconds; 0 = none yet."""
        return self.rtt_sum // self.answered if self.answered else 0

    @property
    def round_trip(self) -> int:
        """The last round-trip time while Reachable, else 0 (RoundtripUsec of Asterisk's ContactStatus)."""
        return self.rtt if self.status is Status.REACHABLE else 0

    def _missed(self, rules: Rules) -> Status:
        self.hits = 0
        self.misses += 1
        if self.misses >= rules.down:
            self.status = Status.UNREACHABLE
        return self.status

    def _measure(self, rtt: int) -> None:
        self.rtt = rtt
        self.rtt_sum += rtt
        self.rtt_min = min(self.rtt_min, rtt) if self.answered > 1 else rtt
        self.rtt_max = max(self.rtt_max, rtt)


def available(contacts: Iterable[Contact], rules: Rules) -> int:
    """How many contacts of an AOR count as available: the Reachable ones, or all where qualify is off."""
    if not rules.frequency:
        return sum(1 for _ in contacts)
    return sum(contact.status is Status.REACHABLE for contact in contacts)


def endpoint_online(aors: Iterable[int]) -> bool | None:
    """Whether any AOR of an endpoint has an available contact; None without AORs, then it is not judged."""
    counts = list(aors)
    return any(counts) if counts else None
