"""Host names to addresses, without ever waiting long for a name server."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time


class Names:
    """Looks names up for at most ``seconds`` all together; what has not come by then has no addresses."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._known: dict[str, list[str]] = {}

    def addresses(self, host: str) -> list[str]:
        """The addresses of a host name, none where it has none; an address is its own."""
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        if host not in self._known:
            self._known[host] = self._look_up(host)
        return self._known[host]

    def _look_up(self, host: str) -> list[str]:
        found: list[str] = []
        thread = threading.Thread(target=_ask, args=(host, found), name="pjka-names", daemon=True)
        thread.start()
        thread.join(max(self._deadline - time.monotonic(), 0.0))
        return [] if thread.is_alive() else found


def _ask(host: str, found: list[str]) -> None:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    found.extend(str(entry[4][0]) for entry in entries)
