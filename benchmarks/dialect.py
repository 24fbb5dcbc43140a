"""Read a generated file of 10,000 endpoints, compared with the standard library's parser.

    python benchmarks/dialect.py [--endpoints N] [--rounds N]

Each endpoint has an aor, an auth and an endpoint section made from templates; every thousand are a file of
their own, included by the main one. RawConfigParser gets all files in one, since it has no includes. Both
are measured in turns in one run, and the best of each counts. Exits 1 if the dialect takes longer, or more
than 250 MB at its peak.
"""

from __future__ import annotations

import argparse
import configparser
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pjka.conf.dialect import read

PER_FILE = 1000
PEAK_MB = 250

TEMPLATES = """\
; templates for all phones
[aor-phone](!)
type = aor
max_contacts = 2
remove_existing = yes
qualify_frequency = 60
qualify_timeout = 3.0

[auth-phone](!)
type = auth
auth_type = userpass

[endpoint-phone](!)
type = endpoint
context = phones
disallow = all
allow = g722,alaw,ulaw
transport = transport-tcp
direct_media = no
rtp_symmetric = yes
rewrite_contact = yes

[transport-tcp]
type = transport
protocol = tcp
bind = 0.0.0.0:5060
tcp_keepalive_enable = yes

"""

PHONE = """\
[{number}](aor-phone)
mailboxes = {number}@default

[{number}](auth-phone)
username = {number}
password = secret-{number}-password

[{number}](endpoint-phone)
aors = {number}
auth = {number}
callerid = "Phone {number}" <{number}>
mailboxes = {number}@default

"""


def generate(directory: Path, endpoints: int) -> tuple[Path, str]:
    """Write the files; returns the main one, and the text of all with each include replaced by its file."""
    phones = [PHONE.format(number=100_000 + number) for number in range(endpoints)]
    parts = ["".join(phones[start : start + PER_FILE]) for start in range(0, endpoints, PER_FILE)]
    for index, part in enumerate(parts):
        (directory / f"phones-{index:03}.conf").write_text(part)
    main = directory / "pjsip.conf"
    main.write_text(TEMPLATES + "".join(f"#include phones-{index:03}.conf\n" for index in range(len(parts))))
    return main, TEMPLATES + "".join(parts)


def standard(path: Path) -> int:
    """Read with the standard library; returns the number of sections."""
    parser = configparser.RawConfigParser(strict=False)
    parser.read(path, encoding="utf-8")
    return len(parser.sections())


def dialect(path: Path) -> int:
    """Read with pjka; returns the number of sections."""
    return len(read(path).sections)


def seconds(work: Callable[[Path], int], path: Path) -> float:
    """How long the work takes, with a clean heap before it."""
    gc.collect()
    start = time.perf_counter()
    work(path)
    return time.perf_counter() - start


def peak_mb(path: Path) -> float:
    """The peak resident memory of a process that does nothing but read the file, in MB."""
    command = [sys.executable, __file__, "--peak-of", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout) / 1024


def rounds(main: Path, whole: Path, count: int) -> Iterator[tuple[float, float]]:
    """Both times of each round, the order of the two changing."""
    for index in range(count):
        first = seconds(dialect, main) if index % 2 else 0.0
        ours, theirs = 0.0, seconds(standard, whole)
        ours = first or seconds(dialect, main)
        yield ours, theirs


def main() -> int:
    """Run the comparison; the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--endpoints", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.peak_of:
        dialect(options.peak_of)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        path, text = generate(Path(directory), options.endpoints)
        whole = Path(directory, "whole.conf")
        whole.write_text(text)
        times = list(rounds(path, whole, options.rounds))
        peak = peak_mb(path)
        print(f"{options.endpoints} endpoints, {len(text.splitlines())} lines, {len(text) / 1e6:.1f} MB")
        sections = read(path).sections
        print(f"{len(sections)} sections, {sum(len(s.options) for s in sections)} options with inheritance")
    ours, theirs = (min(column) for column in zip(*times, strict=True))
    print(f"dialect {ours:.3f} s, RawConfigParser(strict=False) {theirs:.3f} s, best of {options.rounds}")
    print(f"ratio {ours / theirs:.2f} (at most 1.00), peak {peak:.0f} MB (at most {PEAK_MB})")
    return int(ours > theirs or peak > PEAK_MB)


if __name__ == "__main__":
    sys.exit(main())
