"""Phones that register over TCP or TLS, ping, and answer OPTIONS: asyncio, and nothing of pjproject."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
PING, PONG = b"\r\n\r\n", b"\r\n"


class Phone:
    """One connection of one phone; ``answers`` are the responses to its REGISTERs."""

    def __init__(
        self, user: str, port: int, password: str = "", context: ssl.SSLContext | None = None
    ) -> None:
        self.user, self.port, self.password, self.context = user, port, password, context
        self.instance = uuid.uuid5(uuid.NAMESPACE_DNS, user).urn
        self.call_id, self.cseq = uuid.uuid4().hex, 0
        self.pongs = self.options = 0
        self.responses: asyncio.Queue[str] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.mute = False

    async def connect(self) -> Phone:
        host = "localhost" if self.context else None
        self.reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, server_hostname=host), 20
        )
        self.address = self.writer.get_extra_info("sockname")[:2]
        self._reading = asyncio.create_task(self._read())
        return self

    @property
    def contact(self) -> str:
        kind = "tls" if self.context else "tcp"
        return f"sip:{self.user}@{self.address[0]}:{self.address[1]};transport={kind}"

    async def register(self, *lines: str, expires: int = 600, reg_id: int | None = 1, via: str = "") -> str:
        """Register and answer a challenge; the final response."""
        outbound = f';reg-id={reg_id};+sip.instance="<{self.instance}>"' if reg_id else ""
        contact = f"Contact: <{self.contact}>{outbound};expires={expires}"
        answer = await self.request(contact, *lines, via=via)
        if answer.startswith("SIP/2.0 401") and self.password:
            authorization = self._authorization(answer)
            answer = await self.request(contact, *lines, f"Authorization: {authorization}", via=via)
        return answer

    async def request(self, *lines: str, via: str = "") -> str:
        self.cseq += 1
        head = (
            "REGISTER sip:127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/{'TLS' if self.context else 'TCP'} {self.address[0]}:{self.address[1]}"
            f";branch=z9hG4bK{uuid.uuid4().hex};rport{via}",
            f"From: <sip:{self.user}@127.0.0.1>;tag=1",
            f"To: <sip:{self.user}@127.0.0.1>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} REGISTER",
            "Max-Forwards: 70",
            "Supported: path, outbound",
        )
        self.writer.write("\r\n".join([*head, *lines, "Content-Length: 0", "", ""]).encode())
        return await asyncio.wait_for(self.responses.get(), 30)

    async def ping(self) -> None:
        before = self.pongs
        self.writer.write(PING)
        async with asyncio.timeout(10):
            while self.pongs == before:
                await asyncio.sleep(0.01)

    async def ping_every(self, seconds: float) -> None:
        while not self.closed.is_set():
            self.writer.write(PING)
            await asyncio.sleep(seconds)

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        """Close with RST."""
        self.writer.transport.abort()

    async def _read(self) -> None:
        data = b""
        try:
            while part := await self.reader.read(65536):
                data = self._take(data + part)
        except OSError:
            pass
        finally:
            self.abort()
            self.closed.set()

    def _take(self, data: bytes) -> bytes:
        while data:
            if data.startswith(PONG):
                self.pongs += 1
                data = data[2:]
                continue
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                return data
            text, data = (head + end).decode(), rest
            if text.startswith("SIP/2.0"):
                self.responses.put_nowait(text)
            elif text.startswith("OPTIONS"):
                self.options += 1
                if not self.mute:
                    self.writer.write(_ok(text))
        return b""

    def _authorization(self, answer: str) -> str:
        said = dict(re.findall(r'(\w+)="?([^",\r]*)"?', answer.partition("Digest ")[2].partition("\r\n")[0]))

        def h(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        first = h(f"{self.user}:{said['realm']}:{self.password}")
        response = h(f"{first}:{said['nonce']}:00000001:x{self.cseq}:auth:{h('REGISTER:sip:127.0.0.1')}")
        return (
            f'Digest username="{self.user}", realm="{said["realm"]}", nonce="{said["nonce"]}", '
            f'uri="sip:127.0.0.1", algorithm=MD5, qop=auth, nc=00000001, cnonce="x{self.cseq}", '
            f'response="{response}"'
        )


def _ok(request: str) -> bytes:
    same = re.findall(r"(?mi)^((?:Via|From|To|Call-ID|CSeq):.*?)\r?$", request)
    return "\r\n".join(["SIP/2.0 200 OK", *same, "Content-Length: 0", "", ""]).encode()


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(seconds)

    def do(self, function: Callable[[], object]) -> None:
        """Call a function on the loop's thread."""
        self.loop.call_soon_threadsafe(function)

    def close(self) -> None:
        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.05)  # for the transports to close

        self.run(end(), 20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@contextmanager
def phones() -> Iterator[Loop]:
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()
