"""A daemon in a process of its own, on the production engine, and what can be seen of it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("storm.py")


def ports(text: str) -> dict[str, int]:
    """The port of each transport in a configuration."""
    return {
        name: int(port)
        for name, port in re.findall(r"^\[(\w+)\]\n(?:[^\[\n].*\n)*?bind=.*:(\d+)$", text, re.M)
    }


def cpu(pid: int) -> int:
    """Nanoseconds that all threads of a process have run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def allow(descriptors: int) -> None:
    """Let this process have so many open files, and not more."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


class OutsideDaemon:
    """The daemon in its process, its watchdog heard and its memory watched."""

    def __init__(self, directory: Path, text: str, descriptors: int | None = None) -> None:
        self.file, self.control = directory / "pjsip.conf", directory / "control"
        self.file.write_text(text, encoding="utf-8")
        self.log = directory / "log"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(directory / "notify"))
        self.manager.setblocking(False)
        environment = {
            **os.environ,
            "PJKA_ENGINE": "production",
            "NOTIFY_SOCKET": str(directory / "notify"),
            "WATCHDOG_USEC": "400000",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), "daemon", str(self.file), str(self.control)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=None if descriptors is None else lambda: allow(descriptors),
            )
        assert self._line() == "ready\n", self.log.read_text()
        self.fed = time.monotonic()
        self.quietest = 0.0

    def held(self) -> dict[str, int]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, int] = json.loads(self._line())
        return found

    def listen(self) -> None:
        """Take what came for the watchdog, and note the longest time between two signs of life."""
        with contextlib.suppress(BlockingIOError):
            while b"WATCHDOG" not in self.manager.recv(100):
                pass
            self.quietest = max(self.quietest, time.monotonic() - self.fed)
            self.fed = time.monotonic()

    def resident(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for each in (self.process.stdin, self.process.stdout, self.manager):
            assert each is not None
            each.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 30)[0], "no sign of life"
        return self.process.stdout.readline()
