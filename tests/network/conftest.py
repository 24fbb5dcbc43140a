"""Processes of their own for tests that look at sockets from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# A stand-in for a PBX: it listens as told, keeps what it accepts, and obeys lines on its standard input.
PBX = """
import select, socket, sys
addresses = [argument.rsplit(":", 1) for argument in sys.argv[1:]]
listeners = [socket.create_server((host, int(port))) for host, port in addresses]
print(*(one.getsockname()[1] for one in listeners), flush=True)
sockets = []
while True:
    for ready in select.select([sys.stdin, *listeners, *sockets], [], [])[0]:
        if ready in listeners:
            sockets.append(ready.accept()[0])
            print("accepted", flush=True)
        elif ready is sys.stdin:
            word, *rest = sys.stdin.readline().split() or ["quit"]
            if word == "quit":
                sys.exit()
            if word == "connect":
                sockets.append(socket.create_connection((rest[0], int(rest[1]))))
            if word == "close":
                sockets.pop(int(rest[0])).close()
            if word == "option":
                sockets[int(rest[0])].setsockopt(*map(int, rest[1:]))
            if word == "listen":
                listeners.append(socket.create_server((rest[0], int(rest[1]))))
            print("done", flush=True)
        else:
            try:
                data = ready.recv(65536)
            except OSError as error:
                data = b""
                print("error", error.errno, flush=True)
            if not data:
                sockets.remove(ready)
                ready.close()
"""


class Pbx:
    """The stand-in, as a child process."""

    def __init__(self, *addresses: str) -> None:
        command = [sys.executable, "-c", PBX, *addresses]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.ports = [int(word) for word in self.answer().split()]

    @property
    def pid(self) -> int:
        return self.child.pid

    def answer(self) -> str:
        assert self.child.stdout
        return self.child.stdout.readline().strip()

    def order(self, *words: object) -> None:
        assert self.child.stdin
        print(*words, file=self.child.stdin, flush=True)
        while (said := self.answer()) != "done":
            assert said, "the PBX has ended"

    def end(self) -> None:
        self.child.kill()
        self.child.wait()
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.close()
        self.child.stdout.close()


@pytest.fixture
def start_pbx() -> Iterator[Callable[..., Pbx]]:
    started: list[Pbx] = []

    def start(*addresses: str) -> Pbx:
        started.append(Pbx(*addresses or ("127.0.0.1:0",)))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a pjsip.conf with a transport of each port, and returns its path."""

    def write(*transports: tuple[str, str, int], idle: int = 30, more: str = "") -> Path:
        sections = [
            f"[{name}]\ntype=transport\nprotocol={protocol}\nbind=127.0.0.1:{port}\n"
            f"tcp_keepalive_enable=yes\ntcp_keepalive_idle_time={idle}\n"
            "tcp_keepalive_interval_time=10\ntcp_keepalive_probe_count=5\n"
            for name, protocol, port in transports
        ]
        path = tmp_path / "pjsip.conf"
        new = tmp_path / "pjsip.conf.new"
        new.write_text("\n".join(sections) + more)
        new.rename(path)
        return path

    return write


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
