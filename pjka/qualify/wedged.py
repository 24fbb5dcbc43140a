"""Whether to close a connection whose peer's TCP answers and whose SIP does not (``@close_wedged``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Carrier:
    """The connection that carries a contact: ``unacknowledged`` bytes, and the calls on it."""

    unacknowledged: int
    calls: int


def why_not(misses: int, down: int, carrier: Carrier) -> str:
    """Why the connection is not closed now; ``""`` = it is to be closed.

    ``misses`` are those in a row, and since the last connection was closed: its successor gets as many.
    """
    if misses < down:
        return f"{misses} of {down} misses"
    if carrier.unacknowledged:
        return "unacknowledged data: the path may be dead, which the kernel finds out"
    if carrier.calls:
        return f"wedged, closed when its {carrier.calls} call(s) end"
    return ""
