"""What a test may need from the machine, and what happens where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter

import pytest


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run; with PJKA_REQUIRE_ALL set nothing is skipped."""
    if os.environ.get("PJKA_REQUIRE_ALL"):
        return
    missing = {}
    if os.geteuid() != 0:
        missing["root"] = pytest.mark.skip(reason="needs root")
    if any(item.get_closest_marker("containers") for item in items) and not _docker_answers():
        missing["containers"] = pytest.mark.skip(reason="needs a Docker Engine that answers")
    for item in items:
        for name, mark in missing.items():
            if item.get_closest_marker(name):
                item.add_marker(mark)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests of each kind ran, and how many were left out."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    ran = Counter(report.nodeid.split("/")[1] for report in reports)
    skipped = len(terminalreporter.getreports("skipped"))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(ran.items()))
    terminalreporter.write_line(f"tests by kind: {kinds or 'none'}; skipped: {skipped}")
