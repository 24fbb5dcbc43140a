"""The kernel's own TCP timers, read from files laid out as under /proc/sys/net/ipv4."""

from __future__ import annotations

from pathlib import Path

import pytest

from pjka.errors import PjkaError
from pjka.keepalive.platforms import LINUX, SystemTimers
from pjka.linux import system_timers


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    values = {
        "tcp_keepalive_time": 600,
        "tcp_keepalive_intvl": 30,
        "tcp_keepalive_probes": 4,
        "tcp_retries2": 8,
    }
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    return tmp_path


def test_timers_before_linux_6_15_retransmit_every_120_seconds_at_most(sysctls: Path) -> None:
    assert system_timers.read(sysctls) == SystemTimers(600, 30, 4, pytest.approx(102.2))


def test_tcp_rto_max_shortens_the_patience(sysctls: Path) -> None:
    (sysctls / "tcp_rto_max_ms").write_text("1000\n")
    assert system_timers.read(sysctls).retransmission == pytest.approx(0.2 + 0.4 + 0.8 + 6 * 1.0)


def test_an_unreadable_number_names_the_file(sysctls: Path) -> None:
    (sysctls / "tcp_retries2").unlink()
    with pytest.raises(PjkaError, match="tcp_retries2: no number can be read"):
        system_timers.read(sysctls)


def test_this_machine_is_linux_with_its_own_timers() -> None:
    here = system_timers.this_machine()
    assert here.idle == LINUX.idle
    assert here.timers.idle == int(Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text())
