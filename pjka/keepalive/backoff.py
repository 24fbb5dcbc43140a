"""How long to wait before a failed flow is registered again (RFC 5626 4.5)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class BackOff:
    """The three times (s) of RFC 5626 4.5: the bases with all flows of an AOR failed or not, and the cap."""

    base_all_failed: float = 30
    base_not_all_failed: float = 90
    cap: float = 1800

    def ceiling(self, failures: Collection[int], own: int) -> float:
        """min(cap, base x 2^own): ``failures`` are the consecutive ones of every flow, ``own`` this one's."""
        base = self.base_all_failed if all(failures) else self.base_not_all_failed
        return min(self.cap, base * 2.0 ** min(own, 64))

    def wait(
        self, failures: Collection[int], own: int, random: Random, retry_after: float | None = None
    ) -> float:
        """Seconds until the next attempt: 50 to 100 % of the ceiling; ``retry_after`` only lengthens."""
        upper = self.ceiling(failures, own)
        return max(random.uniform(0.5 * upper, upper), retry_after or 0)
