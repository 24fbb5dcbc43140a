"""A SIP phone or PBX without a SIP stack, as a process: obeys lines on its input, says what happens and when.

Arguments: ``--tls FILE`` (certificate, key), ``--listen HOST:PORT``, ``--beat SECONDS crlf|METHOD``.
Orders: ``connect HOST PORT OWN_PORT``, ``send crlf|METHOD``, ``half-close``.
Answers every request with 200. Says ``listening``, ``up``, ``got FIRST-LINE``, ``closed``, ``error ERRNO``.
"""

from __future__ import annotations

import argparse
import select
import socket
import ssl
import sys
import time

REQUEST = (
    "{method} sip:peer@{host} SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} {host}:{port};rport;branch=z9hG4bK{number}\r\n"
    "From: <sip:me@{host}>;tag={number}\r\nTo: <sip:peer@{host}>\r\nCall-ID: {number}@{host}\r\n"
    "CSeq: {number} {method}\r\nContact: <sip:me@{host}:{port};transport={transport}>\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
KEPT = ("via", "from", "call-id", "cseq")


def say(*words: object) -> None:
    print(f"{time.time():.4f}", *words, flush=True)


class StandIn:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.tls = arguments.tls
        self.beat = arguments.beat
        self.due = time.monotonic() + float(self.beat[0]) if self.beat else None
        self.connections: dict[socket.socket, bytes] = {}
        self.number = 0
        self.listener = None
        if arguments.listen:
            host, port = arguments.listen.split(":")
            self.listener = socket.create_server((host, int(port)))
            say("listening")

    def run(self) -> None:
        while True:
            watched = [sys.stdin, *self.connections, *([self.listener] if self.listener else [])]
            wait = None if self.due is None else max(0.0, self.due - time.monotonic())
            for ready in select.select(watched, [], [], wait)[0]:
                if ready is sys.stdin:
                    if not (line := sys.stdin.readline()):
                        return
                    self.obey(*line.split())
                elif ready is self.listener:
                    self.up(ready.accept()[0], server_side=True)
                elif ready in self.connections:
                    self.read(ready)
            if self.due is not None and time.monotonic() >= self.due:
                self.due += float(self.beat[0])
                self.obey("send", self.beat[1])

    def obey(self, order: str, *words: str) -> None:
        if order == "connect":
            host, port, own = words
            one = socket.create_connection((host, int(port)), 10, source_address=("", int(own)))
            self.up(one, server_side=False)
        for one in tuple(self.connections):
            if order == "send":
                self.write(one, "\r\n\r\n" if words[0] == "crlf" else self.request(words[0], one))
            elif order == "half-close":
                one.shutdown(socket.SHUT_WR)

    def up(self, one: socket.socket, *, server_side: bool) -> None:
        one.settimeout(10)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
            if server_side:
                context.load_cert_chain(self.tls)
            else:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            one = context.wrap_socket(one, server_side=server_side)
        one.setblocking(False)
        self.connections[one] = b""
        say("up")

    def request(self, method: str, one: socket.socket) -> str:
        self.number += 1
        host, port = one.getsockname()
        transport = "TLS" if self.tls else "TCP"
        return REQUEST.format(
            method=method.upper(), host=host, port=port, transport=transport, number=self.number
        )

    def write(self, one: socket.socket, text: str) -> None:
        try:
            one.sendall(text.encode())
        except OSError as error:
            self.lost(one, "error", error.errno)

    def read(self, one: socket.socket) -> None:
        try:
            data = one.recv(65536)
            while isinstance(one, ssl.SSLSocket) and one.pending():
                data += one.recv(65536)
        except ssl.SSLWantReadError:  # what TLS says to itself, session tickets above all
            return
        except OSError as error:
            self.lost(one, "error", error.errno)
            return
        if not data:
            self.lost(one, "closed")
            return
        *messages, self.connections[one] = (self.connections[one] + data).split(b"\r\n\r\n")
        for message in filter(None, messages):
            first, *lines = message.decode().strip().split("\r\n")
            say("got", first)
            if lines and not first.startswith("SIP/2.0"):
                kept = [line for line in lines if line.partition(":")[0].strip().lower() in KEPT]
                (to,) = [line for line in lines if line.lower().startswith("to:")]
                answer = ["SIP/2.0 200 OK", *kept, f"{to};tag=there", "Content-Length: 0", "", ""]
                self.write(one, "\r\n".join(answer))

    def lost(self, one: socket.socket, *words: object) -> None:
        say(*words)
        self.connections.pop(one, None)
        one.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls")
    parser.add_argument("--listen")
    parser.add_argument("--beat", nargs=2)
    StandIn(parser.parse_args()).run()
