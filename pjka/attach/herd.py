"""Keeps thousands of connections that got their keep-alive at the same moment from probing at the same
moment.

The policy is applied to connections that were silent for long, so each is probed at once, answers, and is
due again one idle time later. The kernel rounds long timers (by up to 2 s where they are 16 s to 2
minutes, at 250 Hz), so thousands of probes leave in one tick. More than a queue on the way holds (1,000
packets per processor on loopback and veth, `net.core.netdev_max_backlog`) are lost, and so are their
repetitions: live connections end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

HARMLESS = 500


class Herd:
    """Connections whose idle times are to start anew one after the other, evenly over one idle time."""

    def __init__(self, cookies: Sequence[int], idle: float) -> None:
        self._waiting = deque(cookies)
        self._pace = len(cookies) / max(idle, 1.0)
        self._owed = 0.0

    def due(self, elapsed: float) -> list[int]:
        """Those whose turn it is after another ``elapsed`` seconds."""
        self._owed += self._pace * elapsed
        count = min(math.floor(self._owed), len(self._waiting))
        self._owed -= count
        return [self._waiting.popleft() for _ in range(count)]

    def __bool__(self) -> bool:
        return bool(self._waiting)
