"""What systemd is told of the daemon: sd_notify(3), over the datagram socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from pjka.errors import PjkaError
from pjka.text import printable

_SEND_SECONDS: Final = 1.0


class Notifier:
    """Sends to the socket; to none, as where there is no systemd, it sends nothing."""

    def __init__(self, address: str | None) -> None:
        """``address`` is a path, or ``@`` and a name for an abstract socket; raises PjkaError for others."""
        if address is not None and not address.startswith(("/", "@")):
            raise PjkaError("not a socket", option="NOTIFY_SOCKET", value=address, expected="/path or @name")
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def ready(self) -> None:
        """The daemon serves: after its start, and after a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload began; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """The daemon lives; only who is watched, the reactor, may say so."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={printable(text)}")

    def _send(self, message: str) -> None:
        """Best effort, as in sd_notify(3): a manager that does not listen must not stop the daemon."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.sendto(message.encode(), self._address)
        except OSError:
            pass


def watchdog_period(environment: Mapping[str, str]) -> float | None:
    """Seconds between two calls of ``watchdog``, half of what the manager allows; None = not watched.

    See sd_watchdog_enabled(3). Raises PjkaError for a WATCHDOG_USEC that is no number.
    """
    text = environment.get("WATCHDOG_USEC")
    if text is None or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not text.isdecimal() or int(text) == 0:
        raise PjkaError("not a time", option="WATCHDOG_USEC", value=text, expected="microseconds above 0")
    return int(text) / 2_000_000
