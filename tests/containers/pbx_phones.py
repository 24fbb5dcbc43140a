"""SIP phones without a SIP stack, on TCP and TLS: they stay connected, register and make a call."""

from __future__ import annotations

import re
import resource
import socket
import ssl
import struct
import uuid
from contextlib import suppress

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
)


def allow_many_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Phone:
    """One phone of the user ``name``, with a connection of its own."""

    def __init__(self, address: str, *, tls: bool = False, name: str = "alice") -> None:
        plain = socket.create_connection((address, 5061 if tls else 5060), timeout=100)
        self.host, self.port = plain.getsockname()
        self.socket = insecure().wrap_socket(plain) if tls else plain
        self._stream = self.socket.makefile("rb")
        self._protocol, self._address, self._name = ("TLS" if tls else "TCP"), address, name
        self._call_id, self._count = uuid.uuid4().hex, 0

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        self.socket.close()

    def ask(self, method: str, user: str = "", more: str = "", body: str = "", to: str = "") -> str:
        """Send a request and wait for its final response."""
        self.send(method, user, more, body, to)
        while (response := self.response()).startswith("SIP/2.0 1"):
            pass
        return response

    def send(self, method: str, user: str = "", more: str = "", body: str = "", to: str = "") -> None:
        self._count += method != "ACK"
        target = f"sip:{user}@{self._address}" if user else f"sip:{self._address}"
        contact = f"<sip:{self._name}@{self.host}:{self.port};transport={self._protocol.lower()}>"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/{self._protocol} {self.host}:{self.port};branch=z9hG4bK{uuid.uuid4().hex};rport",
            f"From: <sip:{self._name}@{self._address}>;tag=t",
            to or f"To: <{target}>",
            f"Call-ID: {self._call_id}",
            f"CSeq: {self._count} {method}",
            f"Contact: {contact}",
            f"Max-Forwards: 70\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}",
        ]
        self.socket.sendall("\r\n".join(lines).encode())

    def response(self) -> str:
        """The next response; requests of the PBX before it are passed over."""
        while not (message := self._message()).startswith("SIP/2.0"):
            pass
        return message

    def register(self) -> None:
        to = f"To: <sip:{self._name}@{self._address}>"
        assert self.ask("REGISTER", more="Expires: 300\r\n", to=to).startswith("SIP/2.0 200")

    def answer_until_closed(self) -> None:
        """Answer every request with 200, until the connection ends."""
        while True:
            try:
                request = self._message()
            except (OSError, ValueError, AssertionError):
                return
            kept = re.findall(r"(?im)^(?:via|from|to|call-id|cseq):.*\r\n", request)
            self.socket.sendall(f"SIP/2.0 200 OK\r\n{''.join(kept)}Content-Length: 0\r\n\r\n".encode())

    def call(self) -> Call:
        return Call(self)

    def _message(self) -> str:
        lines: list[bytes] = []
        while (line := self._stream.readline()) != b"\r\n" or not lines:
            assert line, "the PBX closed the connection"
            lines += [line] if line != b"\r\n" else []
        head = b"".join(lines).decode()
        length = re.search(r"(?im)^content-length: *(\d+)", head)
        assert length, head
        return head + "\r\n" + self._stream.read(int(length[1])).decode()


class Call:
    """A call to the extension that echoes."""

    def __init__(self, phone: Phone) -> None:
        self._audio = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._audio.bind((phone.host, 0))
        self._audio.settimeout(0.2)
        self._sequence = 0
        sdp = _SDP.format(host=phone.host, port=self._audio.getsockname()[1])
        answer = phone.ask("INVITE", "echo", "Content-Type: application/sdp\r\n", sdp)
        assert answer.startswith("SIP/2.0 200"), answer
        found = [
            re.search(pattern, answer) for pattern in (r"(?m)^To: .*", r"c=IN IP4 (\S+)", r"m=audio (\d+)")
        ]
        to, host, port = (one[one.lastindex or 0].strip() for one in found if one)
        self._target = host, int(port)
        phone.send("ACK", "echo", to=to)

    def echoes(self) -> bool:
        """Whether what is said now is heard."""
        for _ in range(50):
            self._sequence += 1
            mark = struct.pack("!I", self._sequence) * 40
            packet = struct.pack("!BBHII", 0x80, 0, self._sequence, self._sequence * 160, 7) + mark
            self._audio.sendto(packet, self._target)
            try:
                if self._audio.recv(2048)[12:] == mark:
                    return True
            except TimeoutError:
                pass
        return False

    def close(self) -> None:
        self._audio.close()


def insecure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
