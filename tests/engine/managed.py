"""Transport management on an endpoint in this process, for tests that talk to it over sockets."""

from __future__ import annotations

import queue
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pjka.conf.loader import Configuration, load
from pjka.events import Event
from pjka.linux.sockopts import SocketSettings, read
from pjka.module import TransportManagement
from pjka.monitors import Connection
from pjka.pjproject.endpoint import Endpoint, EndpointSettings
from pjka.pjproject.names import Names
from pjka.pjproject.requests import Destination, Request, Requests, Result

E = TypeVar("E", bound=Event)
PATIENCE = 10.0
SIP = (
    "OPTIONS sip:pbx@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/TCP 127.0.0.1:9;rport;branch=z9hG4bK{number}\r\n"
    "From: <sip:phone@127.0.0.1>;tag=1\r\nTo: <sip:pbx@127.0.0.1>\r\n"
    "Call-ID: {number}@test\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody uses now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


def options(number: int = 1) -> bytes:
    """A SIP request that is answered at once."""
    return SIP.format(number=number).encode()


@dataclass(frozen=True)
class Certificates:
    """A throw-away authority and the certificate of 127.0.0.1, ::1 and localhost."""

    authority: Path
    server: Path

    def client(self) -> ssl.SSLContext:
        """The context of a client that trusts the authority."""
        return ssl.create_default_context(cafile=str(self.authority))

    def server_context(self) -> ssl.SSLContext:
        """The context of a server with the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        return context


class Managed:
    """A running module with its events, and sockets that are closed at the end."""

    def __init__(
        self, path: Path, certificates: Certificates, *, idle_limit: float = 32.0, sweep: float = 30.0
    ) -> None:
        self.path = path
        self.certificates = certificates
        self.idle_limit = idle_limit
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.seen: list[Event] = []
        self.endpoint = Endpoint(EndpointSettings())
        self.endpoint.start()
        self.module = TransportManagement(self.endpoint, sweep_seconds=sweep)
        self.module.events.subscribe(self.events.put)
        self.sockets: list[socket.socket] = []
        self.reactor = self.endpoint.reactor
        self.names = Names(self.reactor)
        self.requests = self.reactor.call(lambda: Requests(self.endpoint.native, self.reactor, self.names))
        self.module.load(self.configuration())

    def configuration(self) -> Configuration:
        """The file as it is now; ``timer_b`` may be shorter than pjsip.conf allows."""
        configuration = load(self.path)
        return replace(
            configuration, system=replace(configuration.system, timer_b=round(self.idle_limit * 1000))
        )

    def stop(self) -> None:
        for each in self.sockets:
            each.close()
        self.module.unload()
        self.reactor.call(self.requests.close)
        self.names.close()
        self.endpoint.stop()

    def connect(self, transport: str) -> socket.socket:
        """A connection of a peer to this transport."""
        started = self.module.listeners.all[transport]
        assert started.listener is not None, started.problem
        raw = socket.create_connection((started.listener.host, started.listener.port), PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if started.listener.protocol == "tls":
            raw = self.certificates.client().wrap_socket(raw, server_hostname="localhost")
        self.sockets.append(raw)
        return raw

    def call(self, transport: str, *, context: ssl.SSLContext | None = None) -> socket.socket:
        """A connection that the transport opens to a peer, as the peer has it."""
        listener = self.module.listeners.all[transport].listener
        assert listener is not None
        server = socket.create_server(
            (listener.host, 0), family=socket.AF_INET6 if ":" in listener.host else socket.AF_INET
        )
        self.sockets.append(server)
        server.settimeout(PATIENCE)
        self.send_options(transport, server.getsockname()[1])
        accepted = server.accept()[0]
        if listener.protocol == "tls":
            accepted.settimeout(PATIENCE)
            accepted = (context or self.certificates.server_context()).wrap_socket(accepted, server_side=True)
        self.sockets.append(accepted)
        return accepted

    def send_options(self, transport: str, port: int) -> queue.SimpleQueue[Result]:
        """Send OPTIONS from this transport to a port of its own host."""
        listener = self.module.listeners.all[transport].listener
        assert listener is not None
        host = f"[{listener.host}]" if ":" in listener.host else listener.host
        uri = f"sip:peer@{host}:{port};transport={listener.protocol}"
        destination = Destination(listener.protocol, listener.host, port, listener.selector)
        results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        request = Request("OPTIONS", uri, "sip:pbx@127.0.0.1", uri)
        self.reactor.call(lambda: self.requests.send(request, destination, PATIENCE, results.put))
        return results

    def connection_of(self, peer: socket.socket) -> Connection:
        """The connection as the module knows it."""
        addresses = (peer.getsockname()[:2], peer.getpeername()[:2])
        found: list[Connection] = []

        def look() -> bool:
            found[:] = [each for each in self.module.monitors if (each.peer, each.local) == addresses]
            return bool(found)

        until(look)
        return found[0]

    def settings_of(self, transport: str, connection: Connection | None = None) -> SocketSettings:
        """What the kernel holds for a connection, or for the transport's listener."""
        listener = self.module.listeners.all[transport].listener
        assert listener is not None
        descriptor = connection.descriptor if connection else listener.descriptor
        assert descriptor is not None
        return read(descriptor.fd)

    def next(self, kind: type[E], patience: float = PATIENCE) -> E:
        """The next event of this kind."""
        deadline = time.monotonic() + patience
        while True:
            event = self.events.get(timeout=max(deadline - time.monotonic(), 0.001))
            self.seen.append(event)
            if isinstance(event, kind):
                return event
