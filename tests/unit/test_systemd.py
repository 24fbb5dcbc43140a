"""The unit file: what it promises is in it, and systemd itself finds nothing to complain about."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pjka.cli import main

UNITS = Path(__file__).parents[2] / "conf" / "systemd"
UNIT = UNITS / "pjka.service"
#: Of 10, by `systemd-analyze security`; 10 is a service with no hardening at all.
EXPOSURE = 2.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (package systemd)"
)


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read(UNIT)
    return parser["Service"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it is where pjka is not installed: with another program in its place."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/bin/pjka", "/bin/true"))
    return copy


def test_readiness_reload_and_watchdog(service: configparser.SectionProxy) -> None:
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "always"
    assert service["ExecReload"] == "/usr/bin/pjka reload"


@pytest.mark.parametrize("line", ["ExecStart", "ExecReload"])
def test_commands_exist(service: configparser.SectionProxy, line: str) -> None:
    program, command, *_ = service[line].split()
    assert program == "/usr/bin/pjka"
    with main.make_context("pjka", [command, "--help"], resilient_parsing=True) as context:
        assert main.get_command(context, command) is not None


def test_runs_without_root_and_with_one_capability(service: configparser.SectionProxy) -> None:
    assert service["User"] == service["Group"] == "pjka"
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_ADMIN"
    assert service["NoNewPrivileges"] == "yes"
    assert "PrivateUsers" not in service  # the capability has to be one over the machine's network


def test_socket_is_where_the_commands_look_for_it(service: configparser.SectionProxy) -> None:
    assert service["Environment"] == "PJKA_SOCKET=%t/pjka/control.sock"
    assert service["RuntimeDirectory"] == "pjka"


def test_kernel_times_stay_readable(service: configparser.SectionProxy) -> None:
    assert "ProcSubset" not in service
    assert "AF_NETLINK" in service["RestrictAddressFamilies"]


def test_user_is_declared() -> None:
    assert re.search(r"^u pjka ", (UNITS / "pjka.sysusers").read_text(), re.MULTILINE)


@needs_systemd
def test_systemd_verifies_it(installed: Path) -> None:
    result = subprocess.run(
        ["systemd-analyze", "verify", str(installed)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_it_hardened(installed: Path) -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        f"--threshold={int(EXPOSURE * 10)}",
        str(installed),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout[-300:]
