"""`pjka attach` on real Asterisks: from outside, on the connections they already have."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pbx_container import AMI_PORT, AMI_SECRET, AMI_USER, Pbx, StartPbx

from pjka.attach import contact_rows, rows
from pjka.attach.watch import Target, Watch
from pjka.events import Events
from pjka.pbx.client import AmiClient

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


def pjka(pbx: Pbx | None, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*PJKA, "attach", *(["--pid", str(pbx.pid)] if pbx else []), *options]
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
        assert time.monotonic() - began < 20  # with the start of the interpreter, on a busy machine
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


ALICE = (
    "[alice]\ntype = endpoint\naors = alice\nrewrite_contact = yes\n"
    "[alice]\ntype = aor\nmax_contacts = 1\nqualify_frequency = 1\nqualify_timeout = 0.5\n"
)
REGISTER = (
    "REGISTER sip:{address} SIP/2.0\r\nVia: SIP/2.0/TCP {own}:{port};branch=z9hG4bK2;rport\r\n"
    "From: <sip:alice@{address}>;tag=2\r\nTo: <sip:alice@{address}>\r\nCall-ID: r{port}\r\n"
    "CSeq: 1 REGISTER\r\nContact: <sip:alice@{own}:{port};transport=tcp>\r\n"
    "Expires: 300\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Phone(threading.Thread):
    """Registers as alice and answers OPTIONS until told not to."""

    def __init__(self, pbx: Pbx) -> None:
        super().__init__()
        self.answers = True
        self.ended = threading.Event()
        self.socket = socket.create_connection((pbx.address, 5060), timeout=60)
        own, self.port = self.socket.getsockname()
        self.socket.sendall(REGISTER.format(address=pbx.address, own=own, port=self.port).encode())
        self.start()

    def run(self) -> None:
        with self.socket:
            try:
                while data := self.socket.recv(65536):
                    if self.answers and b"OPTIONS sip:" in data:
                        self.socket.sendall(self._ok(data[data.index(b"OPTIONS sip:") :]))
            except OSError:
                pass
        self.ended.set()

    def _ok(self, request: bytes) -> bytes:
        wanted = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
        lines = [line for line in request.split(b"\r\n") if line.lower().startswith(wanted)]
        return b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""])


@contextmanager
def watched(pbx: Pbx) -> Iterator[Watch]:
    watch = Watch(Target(lambda: pbx.pid), Events())
    watch.attach()
    runner = threading.Thread(target=watch.run)
    client = AmiClient((pbx.address, AMI_PORT), AMI_USER, AMI_SECRET, watch.learn)
    runner.start()
    client.start()
    try:
        yield watch
    finally:
        client.stop()
        watch.stop()
        runner.join(10)
        watch.close()


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


@pytest.mark.parametrize("version", ["16", "22"])
def test_contacts_of_the_pbx_are_joined_to_their_connections(start_pbx: StartPbx, version: str) -> None:
    pbx = start_pbx(version, KEEPALIVE + ALICE)
    one = Phone(pbx)
    with watched(pbx) as watch:
        until(lambda: [row.status for row in watch.call(contact_rows.contacts)] == ["Reachable"])
        (row,) = watch.call(contact_rows.contacts)
        (connection,) = [each for each in watch.call(rows.connections) if each.peer == row.peer]
        assert (row.aor, row.transport, row.connection) == ("alice", "phones", connection.serial)
        assert row.peer.endswith(f":{one.port}")
        assert row.rtt is None or 0 < row.rtt < 1
        assert (row.frequency, row.endpoints) == (1, ("alice",))
        one.answers = False
        until(lambda: [row.status for row in watch.call(contact_rows.contacts)] == ["Unreachable"])
        assert not one.ended.is_set()
    pbx.container.kill()
    assert one.ended.wait(10)
    one.join(10)


@pytest.mark.parametrize("version", ["16", "22"])
def test_a_wedged_phone_loses_its_connection(start_pbx: StartPbx, version: str) -> None:
    pbx = start_pbx(version, KEEPALIVE + ALICE + "@close_wedged = yes\n")
    one = Phone(pbx)
    with watched(pbx) as watch:
        until(lambda: [row.status for row in watch.call(contact_rows.contacts)] == ["Reachable"])
        one.answers = False
        assert one.ended.wait(15)
        one.join(10)
        until(lambda: [row.cause for row in watch.call(rows.deaths)] == ["wedged"])


def test_without_the_manager_contacts_come_from_the_database(start_pbx: StartPbx) -> None:
    pbx = start_pbx("16", KEEPALIVE + ALICE)
    one = Phone(pbx)
    database = Path(f"/proc/{pbx.pid}/root/var/lib/asterisk/astdb.sqlite3")
    until(lambda: b"/registrar/contact/alice" in database.read_bytes())
    watch = Watch(Target(lambda: pbx.pid), Events())
    session = watch.attach()
    session.begin()
    session.step()
    found = contact_rows.contacts(session)
    watch.close()
    (row,) = found
    assert (row.aor, row.transport, row.status) == ("alice", "phones", "Unknown")
    assert row.peer.endswith(f":{one.port}")
    assert row.expires
    pbx.container.kill()
    one.join(10)
