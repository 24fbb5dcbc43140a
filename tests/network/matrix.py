"""The matrix: many cases at once, each a PBX and a phone in a laboratory of their own, cut at the same time.

A fixture runs all cases that the session has selected, and each test asserts on what came of its own. A case
that was predicted never to end is watched as long as all others, so all of them wait at the same time.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from pjka.lab import FIREWALL_ADDRESS, PBX_ADDRESS, PHONE_ADDRESS, Lab, freeze
from pjka.status import Cause
from pjka.surface.client import ControlClient

HERE = Path(__file__).parent
PJKA = [sys.executable, "-c", "from pjka.cli import main; main()"]

PBX_PORT, PHONE_PORT, MAPPED_PORT = 5060, 5070, 4001
IDLE, BUDGET, BUSY = 2.0, 4.0, 4.5  # of 2/1/2, with a user timeout of 4 s where there is one
WATCHED = 11.0
PATIENCE = 45.0
AT_ONCE = 6

KEEPALIVE = (
    "tcp_keepalive_enable=yes\ntcp_keepalive_idle_time=2\ntcp_keepalive_interval_time=1\n"
    "tcp_keepalive_probe_count=2\n"
)
NO_USER_TIMEOUT = "@tcp_user_timeout=no\n"


@dataclass(frozen=True)
class Mechanism:
    """What keeps the connection alive: lines of the transport, of [global] and of the AOR, and what else
    writes on it: what the PBX itself sends (seconds, what), or pjproject's timer (seconds)."""

    name: str
    transport: str = ""
    settings: str = ""
    aor: str = "qualify_frequency=3600\n"
    beat: tuple[int, str] | None = None
    pjproject: int = 0
    attached: bool = True


@dataclass(frozen=True)
class Expected:
    """The causes that are right, and between which times (s from the cut); no causes: it does not end."""

    causes: frozenset[Cause] = frozenset()
    least: float = 0.0
    most: float = WATCHED
    unreachable: bool = False


def ends(cause: Cause, seconds: float) -> Expected:
    """The end is found at that time. The kernel counts from the last segment, just before the cut."""
    return Expected(frozenset({cause}), max(seconds - 0.6, 0.0), seconds + 1.2)


NEVER = Expected()


@dataclass(frozen=True)
class Case:
    """A mechanism and a cut; ``busy``: a request is written right after the cut."""

    mechanism: Mechanism
    cut: str
    expected: Expected
    busy: bool = False
    protocol: str = "tcp"
    direction: str = "incoming"

    @property
    def id(self) -> str:
        busy = "busy" if self.busy else "idle"
        return f"{self.protocol}-{self.direction}-{self.mechanism.name}-{self.cut}-{busy}"

    def everywhere(self, *directions: str) -> Iterator[Case]:
        for direction in directions or ("incoming", "outgoing"):
            for protocol in ("tcp", "tls"):
                yield replace(self, protocol=protocol, direction=direction)


@dataclass
class Found:
    """What came of a case: after how many seconds it ended and why, and what was seen besides."""

    after: float | None = None
    cause: Cause | None = None
    error: int | None = None
    contact: str = ""
    problem: str = ""
    log: list[str] = field(default_factory=list)


CUTS: dict[str, Callable[[Lab, subprocess.Popen[str]], object]] = {
    "drop-both-ways": lambda lab, _: lab.firewall.drop_both_ways(),
    "drop-to-pbx": lambda lab, _: lab.firewall.drop_to_pbx(),
    "drop-to-phone": lambda lab, _: lab.firewall.drop_to_phone(),
    "link-down": lambda lab, _: lab.firewall.link_down(),
    "forget": lambda lab, _: lab.firewall.forget(),
    "rebind": lambda lab, _: lab.firewall.rebind(MAPPED_PORT + 1),
    "power-off": lambda lab, _: lab.phone.power_off(),
    "reset": lambda lab, _: lab.phone.reset_connections(),
    "killed": lambda _, phone: phone.kill(),
    "half-closed": lambda _, phone: order(phone, "half-close"),
    "frozen": lambda _, phone: freeze(phone),
}


def order(child: subprocess.Popen[str], *words: object) -> None:
    assert child.stdin
    print(*words, file=child.stdin, flush=True)


class Heard:
    """The lines of a stand-in as they come, with their times."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.lines: list[tuple[float, str]] = []
        self._queue: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, args=(child,), daemon=True)
        self._thread.start()

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout
        with child.stdout:
            for line in child.stdout:
                at, _, words = line.strip().partition(" ")
                self.lines.append((float(at), words))
                self._queue.put((float(at), words))

    def wait(self, words: str) -> float:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                at, heard = self._queue.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                raise TimeoutError(f"not heard: {words!r}, but {self.lines}") from None
            if heard.startswith(words):
                return at

    def join(self) -> None:
        self._thread.join(PATIENCE)


class Rig:
    """A case while it runs; what is PBX and pjka in it, a subclass knows."""

    def __init__(self, case: Case, directory: Path, certificate: Path) -> None:
        self.case = case
        self.directory = directory
        self.certificate = certificate
        self.undo = ExitStack()
        self.lab = self.undo.enter_context(Lab())
        self.translated = case.cut == "rebind"
        self.cut_at = 0.0
        directory.mkdir()

    # what subclasses say

    def start_pbx(self) -> None:
        """Start it, listening, or ready to call the phone."""

    def call_phone(self) -> None:
        """Have the PBX open the connection."""

    def connected(self) -> None:
        """Wait until the connection is up, and note it."""

    def write(self) -> None:
        """Have the PBX write a request on the connection."""

    def found(self) -> Found:
        """What came of it."""
        raise NotImplementedError

    # the same for all

    @property
    def config(self) -> Path:
        case, path = self.case, self.directory / "pjsip.conf"
        tls = f"cert_file={self.certificate}\npriv_key_file={self.certificate}\n"
        port = MAPPED_PORT if self.translated else PHONE_PORT
        host = FIREWALL_ADDRESS if self.translated else PHONE_ADDRESS
        path.write_text(
            f"[global]\ntype=global\n{case.mechanism.settings or 'keep_alive_interval=0'}\n"
            f"[t]\ntype=transport\nprotocol={case.protocol}\nbind={PBX_ADDRESS}:{PBX_PORT}\n"
            f"{tls if case.protocol == 'tls' else ''}{case.mechanism.transport}"
            f"[phone]\ntype=endpoint\ntransport=t\naors=phone\n"
            f"[phone]\ntype=aor\ncontact=sip:{host}:{port}\\;transport={case.protocol}\n{case.mechanism.aor}"
        )
        return path

    def stand_in(self, namespace: Any, *words: object) -> tuple[subprocess.Popen[str], Heard]:
        command = [sys.executable, "-S", str(HERE / "stand_in.py"), *map(str, words)]
        if self.case.protocol == "tls":
            command += ["--tls", str(self.certificate)]
        child = namespace.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        heard = Heard(child)
        self.undo.callback(child.stdin.close)
        self.undo.callback(heard.join)
        self.undo.callback(child.kill)
        return child, heard

    def set_up(self) -> None:
        if self.translated:
            self.lab.firewall.translate(MAPPED_PORT)
        if self.case.cut == "forget":
            self.lab.firewall.forget_after(60)
        if self.case.direction == "incoming":
            self.start_pbx()
            self.phone, self.phone_heard = self.stand_in(self.lab.phone)
            order(self.phone, "connect", PBX_ADDRESS, PBX_PORT, PHONE_PORT)
        else:
            listen = f"{PHONE_ADDRESS}:{PHONE_PORT}"
            self.phone, self.phone_heard = self.stand_in(self.lab.phone, "--listen", listen)
            self.phone_heard.wait("listening")
            self.start_pbx()
            self.call_phone()
        self.phone_heard.wait("up")
        self.exchange()
        self.connected()

    def exchange(self) -> None:
        """Let a request of the phone be answered."""
        order(self.phone, "send options")
        self.phone_heard.wait("got SIP/2.0")

    def cut(self) -> None:
        self.exchange()
        time.sleep(0.1)  # for the acknowledgement of the answer, which the phone's kernel delays
        self.cut_at = time.time()
        CUTS[self.case.cut](self.lab, self.phone)
        if self.case.busy:
            self.write()

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.undo.close()


class RunRig(Rig):
    """`pjka run` is the PBX."""

    serial = 0

    def start_pbx(self) -> None:
        self.socket = self.directory / "pjka.sock"
        log = self.undo.enter_context((self.directory / "log").open("w"))
        self.daemon = self.lab.pbx.popen(
            [*PJKA, "run", str(self.config), "--socket", str(self.socket), "--trial-engine"], stderr=log
        )
        deadline = time.monotonic() + PATIENCE
        while not self.socket.exists():
            assert self.daemon.poll() is None, "pjka run has ended: " + self.log()[-1]
            assert time.monotonic() < deadline, "pjka run does not start"
            time.sleep(0.05)

    def log(self) -> list[str]:
        return (self.directory / "log").read_text().splitlines() or [""]

    def rows(self, what: str) -> list[dict[str, Any]]:
        with ControlClient(self.socket) as client:
            return client.request(f"show {what}", {})["rows"]  # type: ignore[index, no-any-return]

    def connected(self) -> None:
        (row,) = [row for row in self.rows("connections") if row["direction"] == self.case.direction]
        assert row["transport"] == "t"
        assert not row["drift"]
        self.serial = row["serial"]

    def call_phone(self) -> None:
        self.write()

    def write(self) -> None:
        def qualify() -> None:
            with contextlib.suppress(Exception), ControlClient(self.socket) as client:
                client.request("qualify", {"aor": "phone"}, PATIENCE)

        threading.Thread(target=qualify, daemon=True).start()

    def found(self) -> Found:
        deaths = [row for row in self.rows("deaths") if row["serial"] == self.serial]
        (contact,) = self.rows("contacts")
        found = Found(contact=contact["status"], log=self.log()[-5:])
        if deaths:
            found.after = deaths[0]["at"] - self.cut_at
            found.cause, found.error = Cause(deaths[0]["cause"]), deaths[0]["error"]
        return found


def run_all(rig: type[Rig], cases: Sequence[Case], directory: Path, certificate: Path) -> dict[str, Found]:
    """Set all up, cut all, wait once, and ask all what they have found."""
    found: dict[str, Found] = {}
    rigs: dict[str, Rig] = {}

    def attempt(case: Case, step: Callable[[], object]) -> None:
        if case.id in found:
            return
        try:
            step()
        except Exception as error:  # one case that fails leaves the others alone; its own test shows it
            found[case.id] = Found(problem=f"{type(error).__name__}: {error}")

    def set_up(case: Case) -> None:
        rigs[case.id] = rig(case, directory / str(cases.index(case)), certificate)
        rigs[case.id].set_up()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            list(pool.map(lambda case: attempt(case, lambda: set_up(case)), cases))
            list(pool.map(lambda case: attempt(case, lambda: rigs[case.id].cut()), cases))
            time.sleep(WATCHED)
            list(
                pool.map(
                    lambda case: attempt(case, lambda: found.__setitem__(case.id, rigs[case.id].found())),
                    cases,
                )
            )
        finally:
            list(pool.map(lambda one: one.close(), rigs.values()))
    return found


def selected(request: pytest.FixtureRequest) -> list[Case]:
    """The cases that this session will ask for, of the module that asks."""
    items = [item for item in request.session.items if getattr(item, "module", None) is request.module]
    calls = [
        item.callspec for item in items if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    return [call.params["case"] for call in calls if "case" in call.params]


def certificate(directory: Path) -> Path:
    path = directory / "server.pem"
    trustme.CA().issue_cert(PBX_ADDRESS, PHONE_ADDRESS).private_key_and_cert_chain_pem.write_to_path(
        str(path)
    )
    return path


def assert_as_expected(case: Case, found: Found) -> None:
    assert not found.problem, found.problem
    expected = case.expected
    if not expected.causes:
        assert found.cause is None, f"ended after {found.after} s: {found.cause}"
        return
    assert found.after is not None, f"not found within {WATCHED} s; {found.log}"
    assert found.cause in expected.causes
    assert expected.least <= found.after <= expected.most
