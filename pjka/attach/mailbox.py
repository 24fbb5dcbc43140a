"""Calls from other threads, carried out between two steps of the one that owns the data."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Mailbox:
    """A queue of calls and a descriptor to wait on; any thread may post, and a signal handler too."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()

    def fileno(self) -> int:
        """The descriptor, readable while calls are waiting."""
        return self._wake

    def post(self, call: Callable[[], T]) -> Future[T]:
        """Have ``call`` made by the owner; the future has what came of it."""
        future: Future[T] = Future()
        self._calls.append((call, future))
        os.eventfd_write(self._wake, 1)
        return future

    def serve(self) -> None:
        """Make the calls that are waiting."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return
        for _ in range(len(self._calls)):
            call, future = self._calls.popleft()
            if future.set_running_or_notify_cancel():
                _make(call, future)

    def close(self) -> None:
        """Refuse what is still waiting, and close the descriptor."""
        for _, future in self._calls:
            future.cancel()
        os.close(self._wake)


def _make(call: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(call())
    except Exception as error:  # noqa: BLE001 - it is the caller's, who gets it from the future
        future.set_exception(error)
