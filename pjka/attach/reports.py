"""What `attach` tells: one value for the log, for the subscribers of events, and for tests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pjka.logs import fields


@dataclass(frozen=True, slots=True)
class Report:
    """Something that happened: its name in kebab case, how serious it is (a level of `logging`), particulars.

    ``at`` is in seconds since the epoch.
    """

    event: str
    at: float
    level: int
    members: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """The members of the event, as the control socket sends it."""
        return {"event": self.event, "at": self.at, **self.members}


Deliver = Callable[[Report], None]


class Reporter:
    """Writes reports to the log and hands them to whoever subscribed (`pjka.surface.control.EventSource`)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._log = logging.getLogger("pjka.attach")
        self._subscribers: list[Deliver] = []

    def subscribe(self, deliver: Deliver) -> Callable[[], None]:
        """Call ``deliver`` with each report from now on; the function returned ends that."""
        self._subscribers.append(deliver)
        return lambda: self._subscribers.remove(deliver)

    def tell(self, event: str, level: int = logging.INFO, /, **members: object) -> None:
        """Report an event."""
        report = Report(event, self._clock(), level, members)
        self._log.log(level, event, extra=fields(**members))
        for deliver in tuple(self._subscribers):
            deliver(report)
