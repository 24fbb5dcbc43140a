"""The bytes of RFC 5626 4.4.1: a ping is CRLF CRLF, a pong CRLF, both between messages only.

Only bytes between messages are fed to the reader: whoever frames messages knows that a CRLFCRLF inside a body
is no ping.
"""

from __future__ import annotations

PING = b"\r\n\r\n"
PONG = b"\r\n"


class CrlfReader:
    """Tells pings and pongs apart in the bytes between messages, however the reads have split them.

    A CRLF is the pong where one is awaited, otherwise half a ping; so a pong and a ping read the same in
    either order.
    """

    def __init__(self) -> None:
        self._seen = b""

    def read(self, data: bytes, awaiting: int) -> list[bytes]:
        """The pings and pongs that ``data`` completes, with ``awaiting`` pongs still to come."""
        found: list[bytes] = []
        for byte in data:
            self._seen += bytes((byte,))
            if not PING.startswith(self._seen):
                self._seen = b"\r" if byte == 0x0D else b""
            elif self._seen == PONG and awaiting > 0:
                awaiting -= 1
                found.append(PONG)
                self._seen = b""
            elif self._seen == PING:
                found.append(PING)
                self._seen = b""
        return found

    def message(self) -> None:
        """A message began: half a ping before it is none."""
        self._seen = b""
