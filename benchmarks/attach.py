"""What `pjka attach` costs on 1,000, 5,000 and 9,000 connections of a plain TCP server.

Server and clients are in network namespaces of their own, and what is measured runs in a fresh process. Needs
root. ``python benchmarks/attach.py [CONNECTIONS...]``
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

STEADY_SECONDS = 30
PBX_ADDRESS = "10.77.1.1"
PORT = 5060

SERVER = f"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
listener = socket.create_server(("{PBX_ADDRESS}", {PORT}), backlog=1024)
print("listening", flush=True)
accepted = [listener.accept()[0] for _ in range(int(sys.argv[1]))]
print("accepted", flush=True)
sys.stdin.read()
"""
CLIENT = f"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
phones = [socket.create_connection(("{PBX_ADDRESS}", {PORT})) for _ in range(int(sys.argv[1]))]
sys.stdin.read()
"""
CONFIG = f"""
[phones]
type=transport
protocol=tcp
bind={PBX_ADDRESS}:{PORT}
tcp_keepalive_enable=yes
tcp_keepalive_idle_time=600
tcp_keepalive_interval_time=10
tcp_keepalive_probe_count=5
"""


def resident() -> float:
    """MiB of this process in memory."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure(pid: int, config: str, watched: bool) -> dict[str, float]:
    """Attach to the server and measure; in a process that does nothing else."""
    from pjka.attach.watch import Target, Watch
    from pjka.events import Events

    watch = Watch(Target(lambda: pid, config), Events())
    session = watch.attach()
    if watched:
        return steady(watch)
    wall, cpu = time.perf_counter(), time.process_time()
    session.begin()
    figures = {
        "first_ms": (time.perf_counter() - wall) * 1e3,
        "first_cpu_ms": (time.process_time() - cpu) * 1e3,
    }
    passes = []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        session.attachment.look_at_all(session.now(), 10 / 120)
        passes.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    assert not session.attachment.unmet()
    figures["pass_ms"], figures["pass_cpu_ms"] = (sorted(column)[2] for column in zip(*passes, strict=True))
    figures["connections"] = len(session.attachment.connections)
    figures["rss_mib"] = resident()
    watch.close()
    return figures


def steady(watch: object) -> dict[str, float]:
    """CPU of the loop in its steady state, in percent of a core, and memory after it."""
    runner = threading.Thread(target=watch.run)  # type: ignore[attr-defined]
    runner.start()
    time.sleep(5)
    wall, cpu = time.perf_counter(), time.process_time()
    time.sleep(STEADY_SECONDS)
    share = (time.process_time() - cpu) / (time.perf_counter() - wall) * 100
    figures = {"steady_percent": share, "steady_rss_mib": resident()}
    watch.stop()  # type: ignore[attr-defined]
    runner.join()
    watch.close()  # type: ignore[attr-defined]
    return figures


def one(count: int) -> dict[str, float]:
    """Everything for this many connections."""
    # not at the top: what is measured must not carry the laboratory's memory
    from pjka.lab import Lab

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "pjsip.conf")
        config.write_text(CONFIG)
        server = lab.pbx.popen([sys.executable, "-c", SERVER, str(count)], **pipes)
        assert server.stdout.readline() == "listening\n"
        client = lab.phone.popen([sys.executable, "-c", CLIENT, str(count)], **pipes)
        assert server.stdout.readline() == "accepted\n"
        figures: dict[str, float] = {}
        for part in ("cost", "watch"):
            command = [sys.executable, __file__, "--measure", part, str(server.pid), str(config)]
            figures |= json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for child in (server, client):
            child.stdin.close()
            child.stdout.close()
    return figures


def main() -> None:
    """Print a table."""
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(int(sys.argv[3]), sys.argv[4], sys.argv[2] == "watch")))
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    counts = [int(word) for word in sys.argv[1:]] or [1000, 5000, 9000]
    print(f"{os.uname().release}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, limit {soft}")
    print(f"{'connections':>12}{'first apply':>22}{'steady pass':>20}{'resident':>12}{'steady':>10}")
    for count in counts:
        f = one(count)
        print(
            f"{f['connections']:>12.0f}{f['first_ms']:>9.0f} ms ({f['first_cpu_ms']:.0f} cpu)"
            f"{f['pass_ms']:>9.1f} ms ({f['pass_cpu_ms']:.1f} cpu)"
            f"{max(f['rss_mib'], f['steady_rss_mib']):>8.1f} MiB{f['steady_percent']:>8.2f} %"
        )


if __name__ == "__main__":
    main()
