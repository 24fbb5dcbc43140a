"""SIP peers on raw sockets, so that what pjka sends is seen by something that is not pjproject."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable

Answer = Callable[[str, int], str | None]
"""What a peer says to a request (its text, how many came before it); None = nothing."""


def header(message: str, name: str) -> str:
    """The value of the first header of this name."""
    return headers(message, name)[0]


def headers(message: str, name: str) -> list[str]:
    """The values of all headers of this name, in order."""
    return re.findall(rf"(?mi)^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r?$", message)


def names(message: str) -> list[str]:
    """The names of all headers, in order."""
    return [line.partition(":")[0].strip() for line in message.partition("\r\n\r\n")[0].split("\r\n")[1:]]


def response(request: str, status: str = "200 OK", *extra: str) -> str:
    """A response to the request: its Via, From, To, Call-ID and CSeq, and ``extra`` header lines."""
    same = [
        f"{name}: {value}" for name in ("Via", "From", "Call-ID", "CSeq") for value in headers(request, name)
    ]
    lines = [f"SIP/2.0 {status}", *same, f"To: {header(request, 'To')};tag=peer", *extra, "Content-Length: 0"]
    return "\r\n".join([*lines, "", ""])


def ok(request: str, _: int) -> str:
    """200 OK."""
    return response(request)


def says(status: str, *extra: str) -> Answer:
    """A peer that answers everything with one status."""
    return lambda request, _: response(request, status, *extra)


def silent(_request: str, _: int) -> None:
    """No answer."""


class Digest:
    """A peer that asks for credentials, and checks them by RFC 2617/7616 itself."""

    def __init__(
        self, user: str, password: str, realm: str = "pbx", algorithm: str = "MD5", proxy: bool = False
    ) -> None:
        self.secret = (user, realm, password)
        self.algorithm = algorithm
        self.status = "407 Proxy Authentication Required" if proxy else "401 Unauthorized"
        self.asks = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        self.told = "Proxy-Authorization" if proxy else "Authorization"
        self.refused = 0

    def __call__(self, request: str, _: int) -> str:
        given = headers(request, self.told)
        if given and self._right(request, given[0]):
            return response(request)
        self.refused += bool(given)
        realm, nonce = f'realm="{self.secret[1]}"', f'nonce="n{self.refused}"'
        ask = f'Digest {realm}, {nonce}, algorithm={self.algorithm}, qop="auth,auth-int"'
        return response(request, self.status, f"{self.asks}: {ask}")

    def _right(self, request: str, given: str) -> bool:
        value = dict(re.findall(r'(\w+)="?([^",]*)"?', given))
        method, uri = request.split(" ", 2)[:2]
        first = self._hash(":".join(self.secret))
        middle = f"{value['nonce']}:{value['nc']}:{value['cnonce']}:{value['qop']}"
        second = self._hash(f"{method}:{uri}")
        return value["uri"] == uri and value["response"] == self._hash(f"{first}:{middle}:{second}")

    def _hash(self, text: str) -> str:
        return hashlib.new({"MD5": "md5", "SHA-256": "sha256"}[self.algorithm], text.encode()).hexdigest()


class Peer:
    """A peer over udp, tcp or tls on loopback; ``answer`` may be replaced, ``received`` has every request.

    ``delay`` is seconds before an answer. ``close`` ends it, with its connections.
    """

    def __init__(
        self,
        protocol: str,
        answer: Answer = ok,
        *,
        context: ssl.SSLContext | None = None,
        port: int = 0,
        delay: float = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self.protocol, self.answer, self.delay, self.context = protocol, answer, delay, context
        self.received: list[str] = []
        self.connections: list[socket.socket] = []
        self._changed = threading.Condition()
        self._open = True
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        self.host = f"[{host}]" if ":" in host else host
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.port: int = self._socket.getsockname()[1]
        if protocol != "udp":
            self._socket.listen(64)
        threading.Thread(target=self._datagrams if protocol == "udp" else self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        """A contact that leads here."""
        return f"sip:bob@{self.host}:{self.port}" + (
            "" if self.protocol == "udp" else f";transport={self.protocol}"
        )

    def wait(self, count: int, seconds: float = 10) -> list[str]:
        """The requests, once ``count`` of them have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, seconds), self.received
        return self.received

    def close(self) -> None:
        """End the peer: nobody listens any more."""
        self._open = False
        for opened in [self._socket, *self.connections]:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def _datagrams(self) -> None:
        while self._open:
            try:
                data, source = self._socket.recvfrom(65535)
            except OSError:
                return
            if data:  # nothing comes where the socket was shut down
                self._take(
                    data.decode(), lambda text, source=source: self._socket.sendto(text.encode(), source)
                )

    def _accept(self) -> None:
        while self._open:
            try:
                accepted = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._stream, args=(accepted,), daemon=True).start()

    def _stream(self, accepted: socket.socket) -> None:
        try:
            if self.context is not None:
                accepted = self.context.wrap_socket(accepted, server_side=True)
            self.connections.append(accepted)
            text = ""
            while data := accepted.recv(65535):
                text += data.decode()
                while "\r\n\r\n" in text:
                    head, _, text = text.partition("\r\n\r\n")
                    if head.strip():
                        self._take(head + "\r\n\r\n", lambda answer: accepted.sendall(answer.encode()))
        except OSError:
            return

    def _take(self, request: str, send: Callable[[str], object]) -> None:
        with self._changed:
            self.received.append(request)
            count = len(self.received) - 1
            self._changed.notify_all()
        if self.delay:
            time.sleep(self.delay)
        said = self.answer(request, count)
        if said is not None:
            with contextlib.suppress(OSError):  # the test has closed the socket meanwhile
                send(said)
