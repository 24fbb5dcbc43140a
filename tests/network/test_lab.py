"""The laboratory: its cuts cut, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pjka.lab import PBX_ADDRESS, Lab, remove_leftovers

pytestmark = pytest.mark.root


def namespaces() -> set[str]:
    path = Path("/run/netns")
    mine = f"pjkalab-{os.getpid()}-"
    return {entry.name for entry in path.iterdir() if entry.name.startswith(mine)} if path.exists() else set()


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture
def pair(lab: Lab) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The phone's and the PBX's end of a connection through the firewall."""
    with (
        lab.pbx.run(lambda: socket.create_server((PBX_ADDRESS, 5060))) as listener,
        lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, 5060), timeout=5)) as phone,
    ):
        pbx, _ = listener.accept()
        with pbx:
            phone.settimeout(0.5)
            pbx.settimeout(0.5)
            yield phone, pbx


def passes(sender: socket.socket, receiver: socket.socket) -> bool:
    sender.sendall(b"x")
    try:
        return receiver.recv(1) == b"x"
    except TimeoutError:
        return False


def test_both_directions_pass_without_a_cut(lab, pair):
    phone, pbx = pair
    assert passes(phone, pbx)
    assert passes(pbx, phone)


@pytest.mark.parametrize(
    ("cut", "to_pbx", "to_phone"),
    [
        ("drop_both_ways", False, False),
        ("drop_to_pbx", False, True),
        ("drop_to_phone", True, False),
        ("link_down", False, False),
    ],
)
def test_each_cut_stops_what_it_says_and_is_mended(lab, pair, cut, to_pbx, to_phone):
    phone, pbx = pair
    getattr(lab.firewall, cut)()
    assert passes(phone, pbx) is to_pbx
    assert passes(pbx, phone) is to_phone
    lab.firewall.mend()
    for end in pair:
        end.settimeout(10)
    if not to_pbx:
        assert pbx.recv(1) == b"x"
    if not to_phone:
        assert phone.recv(1) == b"x"


def test_a_firewall_that_forgets(lab):
    lab.firewall.forget_after(1)
    with (
        lab.pbx.run(lambda: socket.create_server((PBX_ADDRESS, 5060))) as listener,
        lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, 5060), timeout=5)) as phone,
    ):
        pbx, _ = listener.accept()
        with pbx:
            phone.settimeout(1)
            assert passes(pbx, phone)
            deadline = time.monotonic() + 15
            while passes(pbx, phone):
                assert time.monotonic() < deadline, "the firewall never forgot"
                time.sleep(2.5)


def fail_inside(lab: Lab, children: list[subprocess.Popen[str]]) -> None:
    with lab:
        children.append(lab.pbx.popen(["sleep", "60"]))
        assert len(namespaces()) == 3
        raise ZeroDivisionError


def test_nothing_is_left_behind():
    children: list[subprocess.Popen[str]] = []
    with pytest.raises(ZeroDivisionError):
        fail_inside(Lab(), children)
    assert namespaces() == set()
    assert children[0].poll() is not None


def test_a_lab_that_cannot_be_finished_is_removed(monkeypatch):
    lab = Lab()
    monkeypatch.setattr(lab, "_join", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), lab:
        pass
    assert namespaces() == set()


def test_what_a_killed_run_left_is_removed_by_the_next():
    script = (
        "import time\nfrom pjka.lab import Lab\n"
        "with Lab() as lab:\n    print(lab.pbx.name, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        name = child.stdout.readline().strip()
        remove_leftovers()
        assert Path("/run/netns", name).exists()
        child.send_signal(signal.SIGKILL)
    remove_leftovers()
    assert not Path("/run/netns", name).exists()
