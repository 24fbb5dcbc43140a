"""What ``pjka demo`` shows: the daemon on a sample file, three small SIP peers, and the silence of one.

Everything is real but the cut: instead of a broken path, the peer's own socket drops all that arrives. To the
daemon's kernel that is the same: probes and data go unanswered.
"""

from __future__ import annotations

import math
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pjka.daemon import Daemon
from pjka.errors import PjkaError
from pjka.events import ConnectionDown
from pjka.linux import drop_filter, own_network
from pjka.monitors import last_words, silence
from pjka.pjproject.transports import Listener

_PATIENCE = 5.0
_OPTIONS = (
    "OPTIONS sip:pbx@{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/{protocol} {own}:{own_port};rport;branch=z9hG4bK{own_port}\r\n"
    "From: <sip:{name}@{own}>;tag={own_port}\r\n"
    "To: <sip:pbx@{host}>\r\n"
    "Call-ID: {name}-{own_port}\r\n"
    "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A telephone: a socket to one transport of the daemon, on which it has said one OPTIONS."""

    name: str
    socket: socket.socket

    @property
    def address(self) -> tuple[str, int]:
        """Its own host and port."""
        host, port = self.socket.getsockname()[:2]
        return str(host), int(port)

    def fall_silent(self) -> None:
        """Drop whatever arrives from now on, like a telephone behind a cut line."""
        drop_filter.attach(self.socket.fileno())

    def die(self) -> None:
        """Reset the connection, as the kernel does for a program that crashes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@dataclass(frozen=True, slots=True)
class Prediction:
    """That the end of a connection is noticed ``after`` seconds, said at ``at`` (since the epoch)."""

    serial: int
    at: float
    after: float

    def judge(self, down: ConnectionDown) -> Verdict:
        """What came of it."""
        return Verdict(self.after, down.at - self.at, down)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A prediction and what came of it, in seconds from the cut."""

    predicted: float
    found: float
    down: ConnectionDown

    @property
    def kept(self) -> bool:
        """Whether the prediction was right to a second."""
        return abs(self.predicted - self.found) <= 1.0


def may_cut() -> bool:
    """Whether a peer can be made to fall silent, if need be in a network of this process's own.

    To be called while the process has one thread.
    """
    try:
        _try_filter()
    except PermissionError:
        try:
            own_network.enter()
            _try_filter()
        except OSError:
            return False
    return True


def _try_filter() -> None:
    with socket.socket() as probe:
        drop_filter.attach(probe.fileno())


@contextmanager
def peers(daemon: Daemon) -> Iterator[dict[str, Peer]]:
    """A peer on each transport that listens, by the transport's id; PjkaError if one gets no answer."""
    with ExitStack() as closing:
        connected = {}
        for id, started in daemon.module.listeners.all.items():
            if started.listener is None:
                raise PjkaError(started.problem)
            connected[id] = closing.enter_context(_peer(id, started.listener))
        yield connected


def predict(daemon: Daemon, peer: Peer) -> Prediction:
    """When the daemon gives up the connection of ``peer`` if nothing is heard of it from now on."""
    for connection in daemon.module.monitors:
        policy = daemon.module.listeners.policy(connection.transport)
        if connection.peer == peer.address and policy is not None:
            silent = silence(last_words(connection)) or 0.0
            after = (policy.detection_idle(daemon.module.platform) or math.inf) - silent
            return Prediction(connection.serial, time.time(), after)
    raise PjkaError(f"{peer.name} has no connection")


@contextmanager
def _peer(transport: str, listener: Listener) -> Iterator[Peer]:
    kind = socket.SOCK_DGRAM if listener.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as raw:
        raw.settimeout(_PATIENCE)
        raw.connect((listener.host, listener.port))
        with _secured(raw) if listener.protocol == "tls" else raw as ready:
            peer = Peer(transport.replace("demo-", "phone-"), ready)
            _say_options(peer, listener)
            yield peer


def _secured(raw: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(raw)


def _say_options(peer: Peer, listener: Listener) -> None:
    own, own_port = peer.address
    request = _OPTIONS.format(
        name=peer.name,
        host=listener.host,
        port=listener.port,
        protocol=listener.protocol.upper(),
        own=own,
        own_port=own_port,
    )
    peer.socket.sendall(request.encode())
    answer = peer.socket.recv(4096)
    if not answer.startswith(b"SIP/2.0 200"):
        raise PjkaError(f"{peer.name} got no answer to its OPTIONS", value=ascii(answer[:40]))
