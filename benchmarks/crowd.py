"""A daemon and thousands of registered phones on loopback, each in a process of its own.

This file, run as a program, is the phones: they connect, register, and answer every OPTIONS.
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from pjka.surface.client import ControlClient

PATIENCE = 120.0
_AT_ONCE = 50  # phones that register at the same time: this is no benchmark of TLS handshakes

GLOBAL = "[global]\ntype=global\nkeep_alive_interval={interval}\n"
TRANSPORT = "[{name}]\ntype=transport\nprotocol={name}\nbind=127.0.0.1:{port}\n{options}\n"
CERTIFICATE = "cert_file={0}\npriv_key_file={0}\n"
PHONE = "[{name}]\ntype=endpoint\naors={name}\n[{name}]\ntype=aor\nmax_contacts=1\n{options}\n"

REGISTER = (
    "REGISTER sip:127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/{kind} {host}:{port};rport;branch=z9hG4bK{name}\r\n"
    "From: <sip:{name}@127.0.0.1>;tag=1\r\nTo: <sip:{name}@127.0.0.1>\r\n"
    "Call-ID: {name}@crowd\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n"
    "Contact: <sip:{name}@{host}:{port};transport={kind}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
)
_ECHOED = re.compile(rb"^(?:Via|v|From|f|To|t|Call-ID|i|CSeq):.*\r\n", re.M | re.I)


def allow_descriptors() -> None:
    """As many open files as the system lets this process have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Usage:
    """What a process has used: CPU seconds, and how often it was woken, all threads together."""

    cpu: float
    wakeups: int

    def since(self, before: Usage) -> Usage:
        return Usage(self.cpu - before.cpu, self.wakeups - before.wakeups)


class Daemon:
    """``pjka run`` on a configuration, in a process of its own."""

    def __init__(self, directory: Path, text: str) -> None:
        self.file, self.socket = directory / "pjsip.conf", directory / "pjka.sock"
        self.file.write_text(text)
        self.log = (directory / "log").open("w+b")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from pjka.cli import main; main()", "run", str(self.file)),
                *("--socket", str(self.socket), "--state", str(directory)),
            ],
            stderr=self.log,
        )
        deadline = time.monotonic() + PATIENCE
        while not self.socket.exists():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        """The log."""
        return Path(self.log.name).read_text()

    def ask(self, command: str, **arguments: object) -> dict[str, list[dict[str, object]]]:
        with ControlClient(self.socket) as client:
            answer = client.request(command, arguments, PATIENCE / 2)
        assert isinstance(answer, dict)
        return answer

    def usage(self) -> Usage:
        """Read from /proc: the scheduler's nanoseconds, and voluntary context switches."""
        cpu, wakeups = 0.0, 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            cpu += int((task / "schedstat").read_text().split()[0]) / 1e9
            found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)
            wakeups += int(found[1]) if found else 0
        return Usage(cpu, wakeups)

    def resident(self) -> int:
        """Bytes in memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()


class Phones:
    """The phones' process; ``connect`` returns when all are registered."""

    def __init__(self, authority: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(authority)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def connect(self, protocol: str, port: int, count: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{protocol} {port} {count}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "registered\n"

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


@dataclass(frozen=True)
class Scene:
    """A daemon with its two transports, and the phones that are to connect."""

    daemon: Daemon
    phones: Phones
    ports: dict[str, int]


def configuration(directory: Path, ports: dict[str, int], counts: dict[str, int], **options: str) -> str:
    """A ``pjsip.conf`` with a transport and so many phones for each protocol.

    ``options``: lines for each ``transport`` and each ``aor``, and the ``interval`` of CRLF, 0 if not given.
    """
    parts = [GLOBAL.format(interval=options.get("interval", "0"))]
    for protocol, port in ports.items():
        lines = options.get("transport", "")
        if protocol == "tls":
            lines += CERTIFICATE.format(directory / "server.pem")
        parts.append(TRANSPORT.format(name=protocol, port=port, options=lines))
        parts += [
            PHONE.format(name=f"{protocol}{number}", options=options.get("aor", ""))
            for number in range(counts[protocol])
        ]
    return "\n".join(parts)


@contextmanager
def scene(directory: Path, counts: dict[str, int], **options: str) -> Iterator[Scene]:
    """Start everything, and end it again."""
    allow_descriptors()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    server = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    server.write_to_path(str(directory / "server.pem"))
    ports = {protocol: free_port() for protocol in counts}
    with ExitStack() as undo:
        daemon = Daemon(directory, configuration(directory, ports, counts, **options))
        undo.callback(daemon.close)
        phones = Phones(directory / "authority.pem")
        undo.callback(phones.close)
        yield Scene(daemon, phones, ports)


# The phones' process


class Crowd:
    """All phones, on one selector."""

    def __init__(self, authority: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        self.context = ssl.create_default_context(cafile=authority)
        self.registered = 0

    def phone(self, name: str, protocol: str, port: int) -> None:
        """Connect and register, without waiting for the answer."""
        peer = socket.create_connection(("127.0.0.1", port), PATIENCE)
        if protocol == "tls":
            peer = self.context.wrap_socket(peer, server_hostname="127.0.0.1")
        host, own = peer.getsockname()
        peer.sendall(REGISTER.format(name=name, kind=protocol.upper(), host=host, port=own).encode())
        peer.setblocking(False)
        self.selector.register(peer, selectors.EVENT_READ)

    def turn(self) -> bool:
        """Serve what has come; False at the end of the standard input."""
        for key, _ in self.selector.select():
            if key.fileobj is sys.stdin:
                line = sys.stdin.readline()
                if not line:
                    return False
                self.come(*line.split())
            else:
                self.hear(key.fileobj)
        return True

    def come(self, protocol: str, port: str, count: str) -> None:
        goal = self.registered + int(count)
        for number in range(int(count)):
            self.phone(f"{protocol}{number}", protocol, int(port))
            while goal - self.registered - (int(count) - number - 1) > _AT_ONCE:
                self.turn()
        while self.registered < goal:
            self.turn()
        print("registered", flush=True)

    def hear(self, peer: socket.socket) -> None:
        """Take everything that is there: of TLS, recv gives one record at a time."""
        try:
            while data := peer.recv(65536):
                for message in data.split(b"\r\n\r\n"):
                    self.take(peer, message)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        self.selector.unregister(peer)
        peer.close()

    def take(self, peer: socket.socket, message: bytes) -> None:
        """Answer a request; what is neither that nor an answer is a ping."""
        if message.startswith(b"SIP/2.0 200"):
            self.registered += 1
        elif message.startswith(b"OPTIONS"):
            echoed = b"".join(_ECHOED.findall(message + b"\r\n"))
            peer.sendall(b"SIP/2.0 200 OK\r\n" + echoed + b"Content-Length: 0\r\n\r\n")


def main() -> None:
    allow_descriptors()
    crowd = Crowd(sys.argv[1])
    while crowd.turn():
        pass


if __name__ == "__main__":
    main()
