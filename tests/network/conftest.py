"""Processes of their own for tests that look at sockets from outside."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pjka.attach.watch import Target, Watch
from pjka.events import Events

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
            if word == "send":
                sockets[int(rest[0])].sendall(rest[1].encode())
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

    def __init__(self, *addresses: str, popen: Callable[..., Any] = subprocess.Popen) -> None:
        command = [sys.executable, "-c", PBX, *addresses]
        self.child: subprocess.Popen[str] = popen(
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

    def start(*addresses: str, **more: Callable[..., Any]) -> Pbx:
        started.append(Pbx(*addresses or ("127.0.0.1:0",), **more))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a pjsip.conf with a transport of each port, and returns its path."""

    def write(
        *transports: tuple[str, str, int],
        host: str = "127.0.0.1",
        times: tuple[int, int, int] = (30, 10, 5),
        more: str = "",
    ) -> Path:
        sections = [
            f"[{name}]\ntype=transport\nprotocol={protocol}\nbind={host}:{port}\n"
            f"tcp_keepalive_enable=yes\ntcp_keepalive_idle_time={times[0]}\n"
            f"tcp_keepalive_interval_time={times[1]}\ntcp_keepalive_probe_count={times[2]}\n"
            for name, protocol, port in transports
        ]
        path = tmp_path / "pjsip.conf"
        new = tmp_path / "pjsip.conf.new"
        new.write_text("\n".join(sections) + more)
        new.rename(path)
        return path

    return write


class Attached:
    """A watch that runs in a thread, and what it told."""

    def __init__(self, target: Target) -> None:
        self.told: list[Any] = []
        self.watch = Watch(target, Events())
        self.watch.events.subscribe(self.told.append)
        self.watch.attach()
        self.thread = threading.Thread(target=self.watch.run)
        self.thread.start()
        until(lambda: self.events("attached"))

    def events(self, name: str) -> list[Any]:
        return [event for event in self.told if event.name == name]

    def close(self) -> None:
        self.watch.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.watch.close()


@pytest.fixture
def attach() -> Iterator[Callable[..., Attached]]:
    running: list[Attached] = []

    def start(pbx: Pbx, config: Path, **more: str) -> Attached:
        running.append(Attached(Target(lambda: pbx.pid, str(config), **more)))
        return running[-1]

    yield start
    for one in running:
        one.close()


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
