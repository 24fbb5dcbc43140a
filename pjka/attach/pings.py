"""CRLF pings as the wire shows them: small sends on a timer, on connections that are silent otherwise. Pure.

What a PBX says of its settings is not what it does: Asterisk's `keep_alive_interval` becomes 0 at a reload,
and the thread that sends goes on until the PBX ends ("can not be disabled once activated").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_PLAIN = (4,)
#: A double CRLF in one record: TLS 1.3, TLS 1.2 with GCM, and with CBC and SHA-1 or SHA-256.
_SEALED = (26, 33, 53, 69)
_MOST = 20
_MISSED = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """A connection at one moment: octets so far, and seconds since it last sent."""

    cookie: int
    transport: str
    protocol: str
    sent: int
    received: int
    last_sent: float


@dataclass(slots=True)
class _Seen:
    sent: int
    received: int
    ping: float | None = None


class Pings:
    """Which transports' connections get pings, and every how many seconds; ``now`` as in `look`."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._found: dict[str, tuple[float, float]] = {}

    def look(self, samples: Iterable[Sample], now: float) -> dict[str, float]:
        """Take samples of the same connections as before, and tell the intervals that are in force now."""
        taken = {sample.cookie: sample for sample in samples}
        self._seen = {cookie: seen for cookie, seen in self._seen.items() if cookie in taken}
        for sample in taken.values():
            self._take(sample, now)
        self._found = {
            name: (interval, last)
            for name, (interval, last) in self._found.items()
            if now - last < _MISSED * interval
        }
        return {name: interval for name, (interval, _) in self._found.items()}

    def _take(self, sample: Sample, now: float) -> None:
        seen = self._seen.setdefault(sample.cookie, _Seen(sample.sent, sample.received))
        grown = sample.sent - seen.sent
        count = 0 if sample.received != seen.received else _pings_in(grown, sample.protocol)
        if count:
            moment = now - sample.last_sent
            if seen.ping is not None:
                self._found[sample.transport] = (moment - seen.ping) / count, moment
            seen.ping = moment
        elif grown or sample.received != seen.received:
            seen.ping = None
        seen.sent, seen.received = sample.sent, sample.received


def _pings_in(size: int, protocol: str) -> int:
    """How many pings these octets are; 0 where they are something else."""
    units = _SEALED if protocol == "tls" else _PLAIN
    counts = (size // unit for unit in units if size and size % unit == 0)
    return next((count for count in counts if count <= _MOST), 0)
