"""What `pjka run` costs while nothing happens: 5,000 TCP and 1,000 TLS phones, four ways to keep them alive.

The phones have registered and answer OPTIONS; they are in a process of their own, which is not measured. CPU
is the scheduler's account of the daemon, so what the kernel does for keep-alive in softirqs is not in it.
``python benchmarks/idle.py [--seconds 60] [--json]``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from crowd import scene

COUNTS = {"tcp": 5000, "tls": 1000}
KERNEL = "tcp_keepalive_enable=yes\ntcp_keepalive_idle_time=30\n"
MODES: dict[str, dict[str, str]] = {
    "none": {},
    "kernel": {"transport": KERNEL},
    "crlf": {"interval": "30"},
    "options": {"aor": "qualify_frequency=30\n"},
}
_SETTLE = 35.0  # s: every phone's first OPTIONS and the kill's one look at each are over


def measure(mode: str, counts: dict[str, int], seconds: float) -> dict[str, object]:
    """The figures of one mode."""
    with (
        tempfile.TemporaryDirectory() as directory,
        scene(Path(directory), counts, **MODES[mode]) as running,
    ):
        daemon = running.daemon
        grown = {}
        for protocol, count in counts.items():
            empty = daemon.resident()
            running.phones.connect(protocol, running.ports[protocol], count)
            grown[protocol] = round((daemon.resident() - empty) / count)
        time.sleep(_SETTLE)
        before, start = daemon.usage(), time.monotonic()
        time.sleep(seconds)
        used, elapsed = daemon.usage().since(before), time.monotonic() - start
        rows = daemon.ask("show connections")["rows"]
        assert len(rows) == sum(counts.values()), daemon.said()[-2000:]
        return {
            "mode": mode,
            "mechanism": rows[0]["mechanism"],
            "cpu_seconds_per_hour": round(used.cpu / elapsed * 3600, 2),
            "percent_of_a_core": round(used.cpu / elapsed * 100, 3),
            "wakeups_per_second": round(used.wakeups / elapsed, 2),
            "bytes_per_connection": grown,
            "resident_mib": round(daemon.resident() / 2**20, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long each mode is measured")
    parser.add_argument("--modes", nargs="*", choices=list(MODES), default=list(MODES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the phones")
    options = parser.parse_args()
    counts = {protocol: round(count * options.scale) for protocol, count in COUNTS.items()}
    figures = [measure(mode, counts, options.seconds) for mode in options.modes]
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(
        f"{os.uname().release}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, connections {counts}"
    )
    print("mode      CPU s/hour  % of a core  wake-ups/s  bytes per tcp, tls  resident MiB")
    for row in figures:
        grown = row["bytes_per_connection"]
        assert isinstance(grown, dict)
        print(
            f"{row['mode']:8}{row['cpu_seconds_per_hour']:12}{row['percent_of_a_core']:13}"
            f"{row['wakeups_per_second']:12}{', '.join(map(str, grown.values())):>20}{row['resident_mib']:14}"
        )


if __name__ == "__main__":
    main()
