"""The CRLF pings of real Asterisks: seen on the wire, and switched off as far as that goes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker.types import Mount
from pbx_container import AMI_SECRET, AMI_USER, Pbx, StartPbx
from pbx_phones import Phone

pytestmark = [pytest.mark.containers, pytest.mark.root, pytest.mark.timeout(120)]

PHONES = (
    "[phones]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0:5060\n@tcp_keepalive_enable=yes\n"
    "@tcp_keepalive_idle_time=33\n@tcp_keepalive_interval_time=7\n@tcp_keepalive_probe_count=4\n"
)
PINGS = "[global]\ntype=global\nkeep_alive_interval=3\n"
PJKA = [sys.executable, "-c", "from pjka.cli import main; main()"]


class Told:
    """The log lines of a `pjka attach`."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child, self.lines = child, list[str]()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._child.stderr
        self.lines.extend(iter(self._child.stderr.readline, ""))

    def wait(self, pattern: str, seconds: float = 20.0) -> str:
        deadline = time.monotonic() + seconds
        while not (found := [line for line in [*self.lines] if re.search(pattern, line)]):
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.05)
        return found[0]

    def end(self) -> None:
        self._child.terminate()
        self._thread.join(10)


@contextmanager
def attached(
    pbx: Pbx, directory: Path, *options: str, target: Sequence[str] = (), secret: str = AMI_SECRET
) -> Iterator[Told]:
    account = {"PJKA_AMI_HOST": pbx.address, "PJKA_AMI_USER": AMI_USER, "PJKA_AMI_SECRET": secret}
    command = [*PJKA, "attach", *(target or ["--pid", str(pbx.pid)]), *options]
    command += ["--socket", str(directory / "control.sock")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **account}) as child:
        told = Told(child)
        try:
            yield told
        finally:
            told.end()


@pytest.mark.parametrize("version", ["16", "22"])
def test_pings_are_seen_and_switched_off_as_far_as_the_pbx_lets(
    start_pbx: StartPbx, tmp_path: Path, version: str
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "pjsip.conf").write_text(PINGS + PHONES)
    mount = Mount("/etc/asterisk/site", str(site), "bind")
    pbx = start_pbx(version, "#include site/pjsip.conf\n", mounts=[mount])
    with Phone(pbx.address) as one:
        one.ask("OPTIONS")
        with attached(pbx, tmp_path) as told:
            line = told.wait("pings-compete transport=phones interval=3.* source=wire")
            assert "set keep_alive_interval=0 instead of 3" in line
        with attached(pbx, tmp_path, "--ami", "--crlf-off") as told:
            told.wait("pings-off file=/etc/asterisk/site/pjsip.conf")
            told.wait("pings-compete .*source=wire.*only a restart of the PBX ends them")
        assert "keep_alive_interval=0" in (site / "pjsip.conf").read_text()
        assert (site / ".pjsip.conf.bak1").read_text() == PINGS + PHONES
        assert re.search(r"keep_alive_interval +: 0", pbx.rx("pjsip show settings"))
        assert "can not be disabled once activated" in pbx.log()
        assert one.ask("OPTIONS").startswith("SIP/2.0 ")


def test_what_the_pbx_says_of_its_pings_is_told_before_any_is_seen(
    start_pbx: StartPbx, tmp_path: Path
) -> None:
    pbx = start_pbx("22", PHONES)
    with attached(pbx, tmp_path, "--ami") as told:
        line = told.wait("pings-compete")
        assert re.search("transport=phones interval=90 source=pbx .*instead of 90", line)


def test_a_file_that_is_mounted_by_itself_is_left_alone_and_the_policy_applied(
    start_pbx: StartPbx, tmp_path: Path
) -> None:
    """Replacing it through the PBX's root would end the mount; the edit would go with the container."""
    pbx = start_pbx("22", PHONES)
    with Phone(pbx.address) as one, attached(pbx, tmp_path, "--ami", "--crlf-off") as told:
        told.wait("pbx-silent .*pjsip.conf.*mounted by itself")
        told.wait("applied transport=phones sockets=1 .*unmet=0")
        one.ask("OPTIONS")
    mounts = Path(f"/proc/{pbx.pid}/mountinfo").read_text()
    assert " /etc/asterisk/pjsip.conf " in mounts
    assert pbx.conf.read_text() == PHONES
