"""Signals as something to wait for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Signals:
    """The signals that came, in order. To be waited for on the main thread."""

    def __init__(self, arriving: socket.socket) -> None:
        self._arriving = arriving

    def wait(self) -> int:
        """The number of the next signal, when it comes."""
        return self._arriving.recv(1)[0]


@contextmanager
def caught(*numbers: signal.Signals) -> Iterator[Signals]:
    """Catch these signals instead of what was done about them before. On the main thread.

    Each is written to a socket by Python's C handler (``signal.set_wakeup_fd``): one that comes just before a
    wait begins ends that wait too, which a handler in Python would not.
    """
    arriving, noted = socket.socketpair()
    noted.setblocking(False)
    with arriving, noted:
        wakeup = signal.set_wakeup_fd(noted.fileno())
        before = {number: signal.signal(number, _nothing) for number in numbers}
        try:
            yield Signals(arriving)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """With a handler, Python's C handler is in place."""
