"""One client of the control socket: reads with a limit and a deadline, writes that do not wait for ever."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pjka.surface.protocol import LINE_LIMIT, Code, RequestError, encode_lost
from pjka.surface.shows import Filter

_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid (unix(7))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the control server takes from its clients before it turns them away."""

    clients: int = 256
    commands: int = 16  # carried out at the same time
    queue: int = 1000  # events kept for a client that reads slowly
    unread: int = 64 * 2**20  # bytes of answers that clients have not read yet, all together
    silence: float = 300.0  # s without a whole request until a client is turned away
    patience: float = 15.0  # s that a client may leave an answer unread


class EventQueue:
    """The events that wait for one client: those it asked for, up to a limit; the rest are counted."""

    def __init__(self, wanted: Filter, limit: int) -> None:
        self._wanted = wanted
        self._limit = limit
        self._lines: deque[bytes] = deque()
        self._lost = 0
        self._ready = asyncio.Event()

    def put(self, members: Mapping[str, object], line: bytes) -> None:
        """Keep the event, whose members and line these are, if it is wanted and there is room."""
        if not self._wanted.admits(members):
            return
        if len(self._lines) < self._limit:
            self._lines.append(line)
        else:
            self._lost += 1
        self._ready.set()

    async def take(self) -> bytes:
        """Wait for events and return all that are kept; a count of the lost ones follows them."""
        await self._ready.wait()
        self._ready.clear()
        lines = b"".join(self._lines)
        self._lines.clear()
        if self._lost:
            lines += encode_lost(self._lost)
            self._lost = 0
        return lines


class ClientConnection:
    """The two ends of a client's stream, with the limits that it is held to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        # With a mark of 0, drain() waits until the client has taken everything.
        writer.transport.set_write_buffer_limits(high=0)
        ends = writer.get_extra_info("socket")
        self.pid, self.uid, _ = _CREDENTIALS.unpack(
            ends.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )

    @property
    def unread(self) -> int:
        """Bytes that wait for the client to read."""
        return self._writer.transport.get_write_buffer_size()

    async def read(self) -> bytes:
        """The next line, empty at the end; raises RequestError for one that is too long or too late."""
        try:
            async with asyncio.timeout(self._limits.silence):
                return await self._line()
        except TimeoutError as error:
            message = f"no whole request within {self._limits.silence:g} s"
            raise RequestError(Code.IDLE, message) from error

    async def send(self, data: bytes) -> None:
        """Write, and wait until it is read; raises TimeoutError or ConnectionError if it will not be."""
        self._writer.write(data)
        async with asyncio.timeout(self._limits.patience):
            await self._writer.drain()

    async def stream(self, queue: EventQueue) -> None:
        """Send what comes into the queue until the client sends a line, or ends.

        Raises TimeoutError or ConnectionError when it no longer reads.
        """
        tasks = {asyncio.create_task(self._pump(queue)), asyncio.create_task(self._line())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done:
            task.result()

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError as error:
            raise RequestError(Code.TOO_LONG, f"a request is longer than {LINE_LIMIT} bytes") from error

    async def _pump(self, queue: EventQueue) -> bytes:
        while True:
            await self.send(await queue.take())

    def abort(self) -> None:
        """Close at once; what was not read is lost."""
        self._writer.transport.abort()
