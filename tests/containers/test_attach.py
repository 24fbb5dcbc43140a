"""`pjka attach` on real Asterisks: from outside, on the connections they already have."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pbx_container import Pbx, StartPbx

pytestmark = [pytest.mark.containers, pytest.mark.root]

KEEPALIVE = (
    "[phones]\ntype = transport\nprotocol = tcp\nbind = 0.0.0.0:5060\n"
    "@tcp_keepalive_enable = yes\n@tcp_keepalive_idle_time = 33\n@tcp_keepalive_interval_time = 7\n"
    "@tcp_keepalive_probe_count = 4\n"
)
PLAIN = "[phones]\ntype = transport\nprotocol = tcp\nbind = 0.0.0.0:5060\n"
OPTIONS = (
    "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/TCP {own}:{port};branch=z9hG4bK1;rport\r\n"
    "From: <sip:test@{own}>;tag=1\r\nTo: <sip:{address}>\r\nCall-ID: {port}\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
PJKA = [sys.executable, "-c", "from pjka.cli import main; main()"]


def phone(pbx: Pbx) -> socket.socket:
    """A connection that Asterisk keeps, because a request came on it."""
    one = socket.create_connection((pbx.address, 5060), timeout=10)
    own, port = one.getsockname()
    one.sendall(OPTIONS.format(address=pbx.address, own=own, port=port).encode())
    assert one.recv(4096).startswith(b"SIP/2.0 401 ")
    return one


def sockets(pbx: Pbx, state: str) -> list[str]:
    """What `ss` shows in the network namespace of the PBX, one line for each TCP socket."""
    command = ["nsenter", "-t", str(pbx.pid), "-n", "ss", "-Htno", "state", state]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def timers(pbx: Pbx) -> dict[int, int]:
    """Seconds until the next probe of each SIP connection, by the port of the phone; -1 without a timer."""
    found = {}
    for line in sockets(pbx, "established"):
        ports = re.search(r":5060\s+\S+:(\d+)", line)
        timer = re.search(r"timer:\(keepalive,(?:(\d+)min)?(?:(\d+)sec)?", line)
        if ports:
            found[int(ports[1])] = int(timer[1] or 0) * 60 + int(timer[2] or 0) if timer else -1
    return found


def pjka(pbx: Pbx, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*PJKA, "attach", "--pid", str(pbx.pid), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def attached(pbx: Pbx, path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*PJKA, "attach", "--pid", str(pbx.pid), "--socket", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr
            for line in child.stderr:
                if "attached" in line:
                    break
            yield child
        finally:
            child.terminate()


@pytest.mark.parametrize("version", ["16", "22"])
def test_existing_connections_get_the_policy_of_the_pbx_s_own_file(start_pbx: StartPbx, version: str) -> None:
    pbx = start_pbx(version, KEEPALIVE)
    with ExitStack() as stack:
        phones = [stack.enter_context(phone(pbx)) for _ in range(20)]
        assert set(timers(pbx).values()) == {-1}
        began = time.monotonic()
        done = pjka(pbx, "--once")
        assert done.returncode == 0, done
        assert time.monotonic() - began < 5
        found = timers(pbx)
        assert found.keys() == {one.getsockname()[1] for one in phones}
        assert all(0 <= seconds <= 33 for seconds in found.values()), found
        assert "Nothing would change." in pjka(pbx, "--dry-run").stdout
        late = stack.enter_context(phone(pbx))
        assert 0 <= timers(pbx)[late.getsockname()[1]] <= 33


def test_a_connection_to_the_manager_is_left_alone(start_pbx: StartPbx) -> None:
    pbx = start_pbx("22", KEEPALIVE)
    with pbx.ami() as ami, phone(pbx):
        assert pjka(pbx, "--once").returncode == 0
        (manager,) = [line for line in sockets(pbx, "established") if ":5038 " in line]
        assert "keepalive" not in manager
        assert ami.action("Ping")["Ping"] == "Pong"


def test_16_loads_the_same_objects_with_our_options_and_logs_no_line_more(start_pbx: StartPbx) -> None:
    logs = []
    for text in (PLAIN, KEEPALIVE):
        pbx = start_pbx("16", text)
        assert "phones" in pbx.rx("pjsip show transports")
        logs.append(
            sorted(
                re.sub(r"^\[.*?\] |\[\d+\]", "", line) for line in pbx.log().splitlines() if "ERROR" in line
            )
        )
    assert logs[0] == logs[1]


def test_a_killed_phone_is_dropped_by_the_pbx_at_once(start_pbx: StartPbx, tmp_path: Path) -> None:
    pbx = start_pbx("22", KEEPALIVE)
    control = tmp_path / "control.sock"
    with phone(pbx) as one, phone(pbx), attached(pbx, control):
        peer = f"*:{one.getsockname()[1]}"
        show = [*PJKA, "show", "connections", "--peer", peer, "--json", "--socket", str(control)]
        rows = subprocess.run(show, capture_output=True, text=True, timeout=30, check=True).stdout
        serial = re.search(r'"serial": (\d+)', rows)
        assert serial, rows
        kill = [*PJKA, "kill", serial[1], "--socket", str(control)]
        subprocess.run(kill, capture_output=True, timeout=30, check=True)
        one.settimeout(5)
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        deadline = time.monotonic() + 5
        while len(timers(pbx)) != 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        deaths = [*PJKA, "show", "deaths", "--json", "--socket", str(control)]
        assert (
            '"killed"'
            in subprocess.run(deaths, capture_output=True, text=True, timeout=30, check=True).stdout
        )
