"""What to do with lines that repeat: let the first ones of a window through and count the rest. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

#: Lines of one kind that a window lets through, its length (s), and how many kinds are remembered.
LIMIT: Final = 20
WINDOW: Final = 10.0
_KINDS: Final = 1000

Kind = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """How many lines of a kind were held back."""

    kind: Kind
    count: int


class Repeats:
    """Counts lines by kind; the first of a kind opens a window, and a new one opens after it is over."""

    def __init__(self, limit: int = LIMIT, window: float = WINDOW) -> None:
        self.window = window
        self._limit = limit
        self._seen: OrderedDict[Kind, list[float]] = (
            OrderedDict()
        )  # kind -> [start, lines], oldest start first

    @property
    def holding(self) -> bool:
        """Whether lines are held back now."""
        return any(lines > self._limit for _, lines in self._seen.values())

    def admit(self, kind: Kind, now: float) -> bool:
        """Whether a line of this kind may pass; ``now`` in seconds. Ask ``due`` first."""
        entry = self._seen.setdefault(kind, [now, 0])
        entry[1] += 1
        return entry[1] <= self._limit

    def due(self, now: float) -> list[Held]:
        """The counts of the windows that are over, or that must make room for others."""
        counts = []
        while self._seen:
            kind, (start, lines) = next(iter(self._seen.items()))
            if now - start < self.window and len(self._seen) <= _KINDS:
                break
            del self._seen[kind]
            if lines > self._limit:
                counts.append(Held(kind, int(lines) - self._limit))
        return counts
