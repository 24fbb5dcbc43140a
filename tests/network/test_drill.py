"""`pjka drill` as a command, on real laboratories; what takes long runs at the same time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pjka.conf.loader import load
from pjka.drill import prepare
from pjka.errors import PjkaError

pytestmark = pytest.mark.root

DRILL = [sys.executable, "-c", "from pjka.cli import main; main()", "drill"]
SAMPLE = Path(__file__).parents[2] / "conf" / "pjsip.conf"
TIMES = (
    "tcp_keepalive_enable=yes\ntcp_keepalive_idle_time=30\ntcp_keepalive_interval_time=10\n"
    "tcp_keepalive_probe_count=3\n"
)
# one transport of each kind, all times ten times as long as they are drilled
KINDS = {
    "kernel": ("tcp", TIMES + "@firewall_timeout=40\n"),
    "late": ("tls", TIMES + "@tcp_user_timeout=no\n@firewall_timeout=20\n"),
    "short-bound": ("tcp", TIMES + "@tcp_user_timeout=50\n"),
    "crlf": ("tls", "@tcp_user_timeout=50\n@firewall_timeout=40\n"),
    "outbound": ("tcp", "@keepalive=outbound\n@flow_timer=60\n@pong_timeout=10\n@firewall_timeout=80\n"),
}


def text_of(kinds: dict[str, tuple[str, str]], crlf: int = 20) -> str:
    transports = [
        f"[{name}]\ntype=transport\nprotocol={protocol}\nbind=0.0.0.0:{5060 + number}\n{lines}"
        for number, (name, (protocol, lines)) in enumerate(kinds.items())
    ]
    return f"[global]\ntype=global\nkeep_alive_interval={crlf}\n" + "".join(transports)


@contextlib.contextmanager
def drilling(*command: object) -> Iterator[subprocess.Popen[str]]:
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def ended(*wrapper: str) -> subprocess.CompletedProcess[str]:
    command = [*wrapper, *DRILL, str(SAMPLE)]
    return subprocess.run(command, capture_output=True, timeout=20, check=False, text=True)


def outside(pid: int) -> str:
    """Firewall, interfaces and settings of the network that a process was started in."""
    look = "nft list ruleset; ip -o link; ip -o address; sysctl -a --pattern 'net[.](ipv4|netfilter)[.]'"
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "sh", "-c", look]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    assert "tcp_keepalive_time" in found
    assert "lo:" in found
    return found


def mine(pid: int) -> list[str]:
    """The namespaces that a process has made."""
    return [path.name for path in Path("/run/netns").glob(f"pjkalab-{pid}-*")]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A drill of one transport, which takes some 60 s."""
    path = tmp_path / "pjsip.conf"
    path.write_text(text_of({"kernel": ("tcp", TIMES)}))
    with drilling(*DRILL, path) as child:
        yield child


@pytest.fixture(scope="module")
def drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    kinds = tmp_path_factory.mktemp("drill") / "pjsip.conf"
    kinds.write_text(text_of(KINDS))
    idle = kinds.with_name("idle.conf")
    idle.write_text(text_of({"none": ("tcp", "@firewall_timeout=20\n")}, crlf=0))
    short = ("--scale", 10, "--limit", 30, "--json")
    with (
        drilling(*DRILL, SAMPLE, "--scale", 10) as of_sample,
        drilling(*DRILL, kinds, *short) as of_kinds,
        drilling(*DRILL, idle, *short) as of_idle,
    ):
        yield {"sample": of_sample, "kinds": of_kinds, "idle": of_idle}


def outcome(child: subprocess.Popen[str]) -> dict[tuple[str, str], Any]:
    out, errors = child.communicate(timeout=60)
    assert child.returncode == 0, out + errors
    return {(one["transport"], one["condition"]): one for one in json.loads(out)["drills"]}


def test_each_mechanism_is_found_as_predicted(drills):
    """The drill itself checks the predictions, by its exit code; these are the times by hand."""
    found = outcome(drills["kinds"])
    measured = {key: one["measured"] for key, one in found.items() if one["measured"]}
    assert measured == {
        ("kernel", "idle"): pytest.approx(6, abs=1),
        ("kernel", "busy"): pytest.approx(6.5, abs=1),
        ("late", "idle"): pytest.approx(6, abs=1),
        ("short-bound", "idle"): pytest.approx(5, abs=1),
        ("short-bound", "busy"): pytest.approx(5.5, abs=1),
        ("crlf", "idle"): pytest.approx(2 + 5.5, abs=1),
        ("crlf", "busy"): pytest.approx(5.5, abs=1),
        ("outbound", "idle"): pytest.approx(7, abs=1),
        ("outbound", "busy"): pytest.approx(7, abs=1),
    }


def test_a_connection_outlives_its_firewall_where_it_is_kept_alive_often_enough(drills):
    found = outcome(drills["kinds"])
    outlived = {key[0]: one["outlived"] for key, one in found.items() if key[1] == "firewall"}
    assert outlived == {"kernel": True, "late": False, "crlf": True, "outbound": True}


def test_without_keepalive_nothing_is_found_and_a_firewall_forgets(drills):
    found = outcome(drills["idle"])
    assert found["none", "idle"]["predicted"] == "never"
    assert found["none", "idle"]["measured"] is None
    assert found["none", "idle"]["waited"] >= 10
    assert found["none", "firewall"]["outlived"] is False
    assert ("none", "busy") not in found


def test_the_sample_file_comes_as_predicted(drills):
    """It takes as long as its longest time, the firewall's 30 s."""
    out, errors = drills["sample"].communicate(timeout=90)
    assert drills["sample"].returncode == 0, out + errors
    assert [line.split()[-2:] for line in out.splitlines()[1:4]] == [["as", "predicted"]] * 3
    assert "3 of 3 as predicted" in out
    assert "3 connections, about 33 s" in errors


def test_it_touches_nothing_outside_its_namespaces(tmp_path):
    """In a network of its own, so that nobody else touches that either."""
    path = tmp_path / "pjsip.conf"
    path.write_text(text_of({"kernel": ("tcp", TIMES)}))
    with drilling("unshare", "--net", *DRILL, path, "--scale", 10) as child:
        while os.readlink(f"/proc/{child.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        before = outside(child.pid)
        seen = 0
        while child.poll() is None:
            with contextlib.suppress(subprocess.CalledProcessError):  # it may have ended
                assert outside(child.pid) == before
            seen = max(seen, len(mine(child.pid)))
            time.sleep(0.2)
        out, errors = child.communicate()
        assert child.returncode == 0, out + errors
        assert seen == 6
        assert mine(child.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_cleans_up_when_it_is_interrupted(started, number):
    deadline = time.monotonic() + 20
    while len(mine(started.pid)) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started.send_signal(number)
    out, errors = started.communicate(timeout=10)
    assert (started.returncode, out) == (1, "")
    assert "Traceback" not in errors
    assert mine(started.pid) == []


@pytest.mark.parametrize("seconds", [0.5, 0.7, 0.8, 0.9, 1.0, 1.1])
def test_it_cleans_up_wherever_it_is_interrupted(started, seconds):
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=10)
    assert mine(started.pid) == [], errors


def test_without_root_it_says_so(tmp_path):
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = subprocess.run(
        [*user, *DRILL, str(SAMPLE)], capture_output=True, timeout=20, check=False, text=True
    )
    assert done.returncode == 3
    assert "needs root" in done.stderr


def test_root_without_the_capability_is_told_which(tmp_path):
    drop = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    done = subprocess.run(
        [*drop, *DRILL, str(SAMPLE)], capture_output=True, timeout=20, check=False, text=True
    )
    assert done.returncode == 3
    assert "CAP_SYS_ADMIN" in done.stderr


def test_nothing_to_drill_is_an_error(tmp_path):
    path = tmp_path / "pjsip.conf"
    path.write_text(text_of({"udp": ("udp", "")}))
    with pytest.raises(PjkaError, match="no tcp or tls transport"):
        prepare(load(path), 1, 1000)
    path.write_text(text_of({"kernel": ("tcp", TIMES)}))
    with pytest.raises(PjkaError, match="takes 5 s or less"):
        prepare(load(path), 1, 5)


def test_system_timers_are_those_of_this_machine(tmp_path):
    path = tmp_path / "pjsip.conf"
    times = "tcp_keepalive_enable=yes\n@tcp_keepalive_idle_time=system\ntcp_keepalive_interval_time=10\n"
    path.write_text(text_of({"system": ("tcp", times + "tcp_keepalive_probe_count=5\n")}))
    idle, _ = prepare(load(path), 1, 100_000).cases
    assert idle.predicted == int(Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text()) + 50
    idle, _ = prepare(load(path), 10, 100_000).cases
    assert idle.predicted == int(Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text()) / 10 + 5


def test_what_would_take_longer_than_the_limit_is_left_out(tmp_path):
    path = tmp_path / "pjsip.conf"
    path.write_text(text_of(KINDS))
    drill = prepare(load(path), 10, 30)
    assert [(case.transport, case.condition) for case in drill.beyond] == [("late", "busy")]
    assert drill.seconds < 30
