"""How long `pjka show connections --json` and a reload with new keep-alive values take on 5,000 connections.

The reload is over when the daemon has read the values back; then they are read here too, from duplicates of
its sockets, for which root is needed. ``python benchmarks/connections.py [--repeat 5] [--json]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from crowd import Scene, scene

from pjka.linux.process import Process
from pjka.linux.sockopts import read

KEEPALIVE = "tcp_keepalive_enable=yes\ntcp_keepalive_idle_time=30\n"
PJKA = (sys.executable, "-c", "from pjka.cli import main; main()")


def show(running: Scene, count: int) -> dict[str, float]:
    """Seconds of the daemon's answer, and of the whole command with the start of Python and its output."""
    start = time.perf_counter()
    rows = running.daemon.ask("show connections")["rows"]
    answer = time.perf_counter() - start
    assert len(rows) == count
    command = [*PJKA, "show", "connections", "--json", "--socket", str(running.daemon.socket)]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    whole = time.perf_counter() - start
    assert len(json.loads(done.stdout)["rows"]) == count
    return {"answer": answer, "command": whole}


def reload(running: Scene, idle: int, count: int) -> dict[str, float]:
    """Seconds until the daemon says that it has read the new idle time back from every connection."""
    daemon = running.daemon
    text = daemon.file.read_text()
    before = text.split("tcp_keepalive_idle_time=")[1].split()[0]
    daemon.file.write_text(text.replace(f"idle_time={before}", f"idle_time={idle}"))
    start = time.perf_counter()
    (row,) = daemon.ask("reload")["rows"]
    elapsed = time.perf_counter() - start
    assert row["connections"] == count, row
    assert not any(each["drift"] for each in daemon.ask("show connections")["rows"])
    return {"reload": elapsed}


def idle_times(pid: int) -> Counter[int]:
    """The idle times of the kernel keep-alive on another process's sockets, and how many have each."""
    found: Counter[int] = Counter()
    with Process(pid) as process:
        for inode, fd in process.sockets().items():
            with process.duplicate(fd, inode) as copy:
                try:
                    settings = read(copy)
                except OSError:  # no TCP socket
                    continue
                found[settings.idle] += settings.keepalive
    return found


def measure(count: int, repeat: int) -> dict[str, list[float]]:
    """Each figure, shortest first."""
    figures: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        scene(Path(directory), {"tcp": count}, transport=KEEPALIVE) as running,
    ):
        running.phones.connect("tcp", running.ports["tcp"], count)
        for turn in range(repeat):
            idle = 40 + turn
            for name, seconds in (show(running, count) | reload(running, idle, count)).items():
                figures.setdefault(name, []).append(seconds)
            assert idle_times(running.daemon.process.pid)[idle] == count + 1  # and the listener
    return {name: sorted(seconds) for name, seconds in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.connections, options.repeat)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    cores, python = os.cpu_count(), sys.version.split()[0]
    print(f"{os.uname().release}, {cores} cores, Python {python}, {options.connections} connections")
    print("             best ms  median ms  worst ms")
    for name, seconds in figures.items():
        chosen = (seconds[0], seconds[len(seconds) // 2], seconds[-1])
        print(f"{name:10}" + "".join(f"{each * 1e3:10.0f}" for each in chosen))


if __name__ == "__main__":
    main()
