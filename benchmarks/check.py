"""Run `pjka check` on a generated file of 10,000 endpoints, compared with the standard library's parser.

    python benchmarks/check.py [--endpoints N] [--rounds N]

The files are those of dialect.py. RawConfigParser only reads them, in this process; `pjka check` is the whole
command, from the start of its interpreter to the last line of its output. Both are measured in turns in one
run, and the best of each counts. Exits 1 if the command takes more than three times as long, or more than
250 MB at its peak.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dialect import PEAK_MB, generate, seconds, standard

RATIO = 3.0

# the command, and its peak resident memory in KB as the last line
COMMAND = """
import resource, sys
from pjka.cli import main
try:
    main(["check", sys.argv[1]])
except SystemExit as end:
    assert end.code in (0, 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def check(path: Path) -> tuple[float, float, list[str]]:
    """Run the command: seconds, MB at its peak, and what it prints."""
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, str(path)], check=True, capture_output=True, text=True, timeout=120
    )
    took = time.perf_counter() - start
    *output, peak = ended.stdout.splitlines()
    return took, int(peak) / 1024, output


def main() -> int:
    """Run the comparison; the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--endpoints", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path, text = generate(Path(directory), options.endpoints)
        whole = Path(directory, "whole.conf")
        whole.write_text(text)
        theirs, ours, peaks = [], [], []
        for _ in range(options.rounds):
            theirs.append(seconds(standard, whole))
            took, peak, output = check(path)
            ours.append(took)
            peaks.append(peak)
    print(f"{options.endpoints} endpoints, {len(text.splitlines())} lines, {len(text) / 1e6:.1f} MB")
    print(f"pjka check prints {len(output)} lines, the last of them: {output[-1]}")
    print(f"pjka check {min(ours):.3f} s, RawConfigParser(strict=False) {min(theirs):.3f} s")
    ratio, peak = min(ours) / min(theirs), max(peaks)
    print(f"ratio {ratio:.2f} (at most {RATIO:.2f}), peak {peak:.0f} MB (at most {PEAK_MB})")
    return int(ratio > RATIO or peak > PEAK_MB)


if __name__ == "__main__":
    sys.exit(main())
