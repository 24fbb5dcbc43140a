"""What qualify costs on the network."""

from __future__ import annotations

from dataclasses import dataclass

_EXPECTED_BYTES = 900.0  # request and answer, until some were measured


@dataclass(frozen=True, slots=True)
class Cost:
    """Messages and bytes (of SIP, both directions) per hour."""

    messages: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.messages + other.messages, self.bytes + other.bytes)


@dataclass(slots=True)
class Traffic:
    """What the qualifies of one transport have cost so far."""

    qualifies: int = 0
    messages: int = 0
    bytes: int = 0

    def count(self, messages: int, size: int) -> None:
        """One more qualify with all its messages and their bytes."""
        self.qualifies += 1
        self.messages += messages
        self.bytes += size

    def per_hour(self, frequency: float) -> Cost:
        """One contact at this frequency (s, 0 = off), if its qualifies cost what those so far did."""
        if not frequency:
            return Cost()
        if not self.qualifies:
            return Cost(2 * 3600 / frequency, _EXPECTED_BYTES * 3600 / frequency)
        rate = 3600 / frequency / self.qualifies
        return Cost(self.messages * rate, self.bytes * rate)
