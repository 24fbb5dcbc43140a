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

from pjka.lab import FIREWALL_ADDRESS, PBX_ADDRESS, Lab, freeze, remove_leftovers, thaw
from pjka.linux.process import start_time

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


def test_a_firewall_that_forgets_at_once(lab):
    lab.firewall.forget_after(60)
    with (
        lab.pbx.run(lambda: socket.create_server((PBX_ADDRESS, 5060))) as listener,
        lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, 5060), timeout=5)) as phone,
    ):
        pbx, _ = listener.accept()
        with pbx:
            phone.settimeout(0.5)
            assert passes(pbx, phone)
            lab.firewall.forget()
            assert not passes(pbx, phone)


def test_a_nat_that_rebinds_to_another_port(lab):
    lab.firewall.translate(4001)
    with (
        lab.pbx.run(lambda: socket.create_server((PBX_ADDRESS, 5060))) as listener,
        lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, 5060), timeout=5)) as phone,
    ):
        pbx, seen = listener.accept()
        with pbx:
            assert seen == (FIREWALL_ADDRESS, 4001)
            assert passes(phone, pbx)
            assert passes(pbx, phone)
            lab.firewall.rebind(4002)
            phone.settimeout(0.5)
            assert not passes(pbx, phone)
            phone.settimeout(5)
            phone.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                phone.recv(1)
        with lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, 5060), timeout=5)):
            again, seen = listener.accept()
            again.close()
            assert seen == (FIREWALL_ADDRESS, 4002)


PHONE = """
import socket, sys
one = socket.create_connection(("10.77.1.1", 5060), timeout=60)
print("up", flush=True)
while data := one.recv(100):
    one.sendall(data)
"""


@pytest.fixture
def phone_process(lab) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """A phone that says what it is told, as a process, and the PBX's end of its connection."""
    with lab.pbx.run(lambda: socket.create_server((PBX_ADDRESS, 5060))) as listener:
        child = lab.phone.popen([sys.executable, "-c", PHONE], stdout=subprocess.PIPE, text=True)
        pbx, _ = listener.accept()
        with pbx, child.stdout:
            pbx.settimeout(1)
            yield child, pbx


def echoes(pbx: socket.socket) -> bool:
    pbx.sendall(b"x")
    try:
        return pbx.recv(1) == b"x"
    except TimeoutError:
        return False


def test_a_killed_phone_ends_its_connection(phone_process):
    child, pbx = phone_process
    child.kill()
    assert pbx.recv(1) == b""


def test_a_restarted_phone_resets_its_connection(lab, phone_process):
    _, pbx = phone_process
    lab.phone.reset_connections()
    with pytest.raises(ConnectionResetError):
        pbx.recv(1)


def test_a_phone_without_power_says_nothing(lab, phone_process):
    child, pbx = phone_process
    assert echoes(pbx)
    lab.phone.power_off()
    assert child.poll() is not None
    assert not echoes(pbx)


def test_a_frozen_phone_acknowledges_and_says_nothing(phone_process):
    child, pbx = phone_process
    freeze(child)
    assert not echoes(pbx)
    deadline = time.monotonic() + 5
    while unacknowledged(pbx):
        assert time.monotonic() < deadline
    thaw(child)
    assert pbx.recv(1) == b"x"


def unacknowledged(one: socket.socket) -> int:
    """Segments that the peer has not acknowledged (tcpi_unacked)."""
    return int.from_bytes(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[24:28], sys.byteorder)


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
    """Also the processes that ran in it; but nothing of one that lives."""
    script = (
        "import time\nfrom pjka.lab import Lab\n"
        "with Lab() as lab:\n    inside = lab.pbx.popen(['sleep', '300'])\n"
        "    print(lab.pbx.name, inside.pid, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        name, inside = child.stdout.readline().split()
        remove_leftovers()
        assert Path("/run/netns", name).exists()
        child.send_signal(signal.SIGKILL)
    assert Path("/proc", inside).exists()
    remove_leftovers()
    assert not Path("/run/netns", name).exists()
    deadline = time.monotonic() + 5
    while state_of(inside) not in ("Z", ""):
        assert time.monotonic() < deadline


def state_of(pid: str) -> str:
    try:
        return Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def test_what_a_process_with_the_same_pid_left_is_removed():
    """A pid is used again: the start time tells the two apart."""
    ours = Path("/proc/self/ns/pid").stat().st_ino
    name = f"pjkalab-{os.getpid()}-{start_time(os.getpid()) - 1}-{ours}-cafe-pbx"
    subprocess.run(["ip", "netns", "add", name], check=True)
    remove_leftovers()
    assert not Path("/run/netns", name).exists()


def test_a_laboratory_that_may_not_be_made_says_so():
    script = (
        "from pjka.lab import Lab, LabDeniedError\n"
        "try:\n    Lab().__enter__()\nexcept LabDeniedError as error:\n    print(error)"
    )
    drop = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    done = subprocess.run(
        [*drop, sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False
    )
    assert "not permitted" in done.stdout, done.stderr


def test_a_laboratory_made_in_another_pid_namespace_is_left_alone():
    """There its maker's pid is 1 or so, which here is somebody else: two containers may share /run/netns."""
    script = (
        "from pjka.lab import Lab\nwith Lab() as lab:\n"
        "    print(lab.pbx.name, lab.phone.name, flush=True)\n    input()"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*command, sys.executable, "-c", script], **pipes, text=True) as child:
        assert child.stdout
        names = child.stdout.readline().split()
        assert len(names) == 2
        remove_leftovers()
        assert all(Path("/run/netns", name).exists() for name in names)
        child.communicate("\n", timeout=20)
    assert not any(Path("/run/netns", name).exists() for name in names)
