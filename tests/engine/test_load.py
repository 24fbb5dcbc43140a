"""``pjka.load`` in programs with an endpoint of their own, polled by themselves or by worker threads."""

from __future__ import annotations

import gc
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pjsua2 as pj
import pytest
from managed import PATIENCE, free_port, options, until
from sip_peers import Peer, header, response

import pjka
from pjka.linux.sockopts import borrowed, read
from pjka.module import TransportManagement

Section = Callable[..., str]
README = Path(__file__).parents[2] / "README.md"
KEPT = "tcp_keepalive_enable=yes"


class Program:
    """A program that polls its endpoint on a thread of its own, or lets worker threads do it."""

    def __init__(self, workers: int) -> None:
        self.pj = pj.Endpoint()
        self.pj.libCreate()
        settings = pj.EpConfig()
        settings.uaConfig.threadCnt = workers
        settings.logConfig.level = settings.logConfig.consoleLevel = 0
        self.pj.libInit(settings)
        self.pj.audDevManager().setNullDev()
        self.pj.libStart()
        self.loaded: Any = None
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._polling = True
        self._thread = threading.Thread(target=self._poll, daemon=True)
        if not workers:
            self._thread.start()

    def load(self, path: Path, text: str) -> Any:
        path.write_text(text, encoding="utf-8")
        put = self.events.put
        self.loaded = pjka.load(
            str(path),
            endpoint=self.pj,
            connection_up=put,
            connection_down=put,
            drift=put,
            contact_status=put,
        )
        return self.loaded

    def next(self, kind: type) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            event = self.events.get(timeout=max(deadline - time.monotonic(), 0.001))
            if isinstance(event, kind):
                return event

    def stop(self) -> None:
        if self.loaded is not None:
            self.loaded.unload()
        self._polling = False
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
        self.pj.libDestroy()
        del self.pj
        gc.collect()  # an error's traceback may still hold it, and there can be one endpoint at a time

    def _poll(self) -> None:
        self.pj.libRegisterThread("program")
        while self._polling:
            self.pj.libHandleEvents(20)


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    running = Program(getattr(request, "param", 0))
    yield running
    running.stop()


both = pytest.mark.parametrize("program", [0, 2], ids=["polls", "workers"], indirect=True)


def port_of(section: str) -> int:
    return int(section.split("bind=127.0.0.1:")[1].split()[0])


@both
def test_connections_come_and_go_with_their_cause(
    program: Program, transport: Section, tmp_path: Path
) -> None:
    text = transport("t", "tcp", KEPT, "tcp_keepalive_idle_time=7")
    loaded = program.load(tmp_path / "pjsip.conf", text)
    with socket.create_connection(("127.0.0.1", port_of(text))) as peer:
        peer.sendall(options())
        assert peer.recv(65536).startswith(b"SIP/2.0 ")
        up = program.next(pjka.ConnectionUp)
        assert (up.transport, up.direction) == ("t", "incoming")
        (row,) = loaded.connections()
        assert (row.serial, row.mechanism, row.drift) == (up.serial, "kernel", ())
    down = program.next(pjka.ConnectionDown)
    assert (down.serial, down.cause) == (up.serial, pjka.Cause.PEER_CLOSED)


@both
def test_contacts_are_qualified(program: Program, transport: Section, tmp_path: Path) -> None:
    peer = Peer("tcp")
    try:
        text = (
            transport("t", "tcp")
            + f"[a]\ntype=aor\nqualify_frequency=1\ncontact={peer.uri.replace(';', chr(92) + ';')}\n"
        )
        loaded = program.load(tmp_path / "pjsip.conf", text + "[a]\ntype=endpoint\naors=a\n")
        status = program.next(pjka.ContactStatus)
        assert (status.AOR, status.ContactStatus) == ("a", "Reachable"), loaded.contacts()
        assert [row.status for row in loaded.contacts()] == ["Reachable"]
        loaded.unload()
        time.sleep(0.1)
        before = len(peer.received)
        time.sleep(1.2)
        assert len(peer.received) == before
    finally:
        peer.close()


def test_drift_is_mended_and_told(
    program: Program, transport: Section, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TransportManagement.__init__.__kwdefaults__, "sweep_seconds", 0.1)
    text = transport("t", "tcp", KEPT)
    loaded = program.load(tmp_path / "pjsip.conf", text)
    with socket.create_connection(("127.0.0.1", port_of(text))):
        serial = program.next(pjka.ConnectionUp).serial
        descriptor = loaded._module.monitors.get(serial).descriptor
        with borrowed(descriptor.fd) as options_of:
            options_of.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 99)
        drift = program.next(pjka.Drift)
        assert (drift.serial, drift.mended) == (serial, True)
        assert read(descriptor.fd).idle == 30


def test_reload_reaches_the_connections(program: Program, transport: Section, tmp_path: Path) -> None:
    path, text = tmp_path / "pjsip.conf", transport("t", "tcp", KEPT)
    loaded = program.load(path, text)
    with socket.create_connection(("127.0.0.1", port_of(text))):
        serial = program.next(pjka.ConnectionUp).serial
        path.write_text(text + "tcp_keepalive_idle_time=11\n")
        assert [row.change for row in loaded.reload(dry_run=True)] == ["changed"]
        descriptor = loaded._module.monitors.get(serial).descriptor
        assert read(descriptor.fd).idle == 30
        (row,) = loaded.reload()
        assert (row.options, row.connections) == (("tcp_keepalive_idle_time: 30 -> 11",), 1)
        assert read(descriptor.fd).idle == 11
        path.write_text("no section\n")
        with pytest.raises(pjka.PjkaError, match=r"pjsip\.conf"):
            loaded.reload()
        assert [row.state for row in loaded.transports()] == ["listening"]


def test_unload_leaves_the_endpoint_usable(program: Program, transport: Section, tmp_path: Path) -> None:
    text = transport("t", "tcp")
    loaded = program.load(tmp_path / "pjsip.conf", text)
    with socket.create_connection(("127.0.0.1", port_of(text))) as peer:
        program.next(pjka.ConnectionUp)
        loaded.unload()
        loaded.unload()
        peer.sendall(options())
        assert peer.recv(65536).startswith(b"SIP/2.0 ")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port_of(text)))
    settings = pj.TransportConfig()
    settings.boundAddress = "127.0.0.1"
    program.pj.transportCreate(pj.PJSIP_TRANSPORT_UDP, settings)


def test_too_late_is_an_error_and_leaves_the_program_alone(program: Program, tmp_path: Path) -> None:
    settings = pj.TransportConfig()
    settings.boundAddress = "127.0.0.1"
    number = program.pj.transportCreate(pj.PJSIP_TRANSPORT_TCP, settings)
    with pytest.raises(pjka.PjkaError, match="before the endpoint's first transport"):
        program.load(tmp_path / "pjsip.conf", "[t]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:0\n")
    assert not any(thread.name == "pjka-reactor" for thread in threading.enumerate())
    program.pj.transportClose(number)


def test_an_unusable_file_is_an_error(program: Program, tmp_path: Path) -> None:
    with pytest.raises(pjka.PjkaError, match=r"pjsip\.conf"):
        program.load(tmp_path / "pjsip.conf", "no section\n")


def test_a_transport_that_fails_is_said_and_harms_nobody(
    program: Program, transport: Section, tmp_path: Path
) -> None:
    good = transport("good", "tcp")
    loaded = program.load(
        tmp_path / "pjsip.conf", good + "[bad]\ntype=transport\nprotocol=ws\nbind=127.0.0.1\n"
    )
    assert [(row.id, row.state) for row in loaded.transports()] == [("good", "listening"), ("bad", "failed")]
    assert isinstance(loaded.transport_id("good"), int)
    with pytest.raises(pjka.PjkaError, match="protocol ws is refused"):
        loaded.transport_id("bad")


class Registrar:
    """Answers REGISTER with ``Flow-Timer: 1`` and counts the bytes that are no message."""

    def __init__(self) -> None:
        self.newlines = 0
        self.registered = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        peer = self._server.accept()[0]
        with peer:
            while data := peer.recv(1 << 20):
                if not data.strip():
                    self.newlines += len(data)
                    continue
                text = data.decode()
                contact = f"Contact: {header(text, 'Contact')}"
                answer = response(
                    text, "200 OK", contact, "Expires: 300", "Require: outbound", "Flow-Timer: 1"
                )
                peer.sendall(answer.encode())
                self.registered.set()


def account(program: Program, uri: str, registrar: str = "") -> Any:
    settings = pj.AccountConfig()
    settings.idUri = uri
    settings.regConfig.registrarUri = registrar
    settings.sipConfig.transportId = program.loaded.transport_id("t")
    made = pj.Account()
    made.create(settings)
    return made


@both
def test_flow_timer_1_gets_no_flood(program: Program, transport: Section, tmp_path: Path) -> None:
    program.load(tmp_path / "pjsip.conf", transport("t", "tcp", KEPT))
    registrar = Registrar()
    uri = f"sip:127.0.0.1:{registrar.port};transport=tcp"
    own = account(program, "sip:me@127.0.0.1", uri)
    assert registrar.registered.wait(PATIENCE)
    until(lambda: own.getInfo().regIsActive)
    time.sleep(2.5)
    assert registrar.newlines == 0
    own.shutdown()
    registrar.close()


def test_calls_are_known_by_their_connection(program: Program, transport: Section, tmp_path: Path) -> None:
    loaded = program.load(tmp_path / "pjsip.conf", transport("t", "tcp", KEPT))
    peers = [Peer("tcp", lambda request, _: response(request, "180 Ringing")) for _ in range(2)]
    own = account(program, "sip:me@127.0.0.1")
    serials = []
    for peer in peers:
        call = pj.Call(own)
        call.makeCall(peer.uri, pj.CallOpParam(True))
        peer.wait(1)
        serials.append(program.next(pjka.ConnectionUp).serial)
        until(lambda: loaded.calls(serials[-1]) == 1)
        if len(serials) == 1:
            kept = call
    assert [loaded.calls(serial) for serial in serials] == [1, 1]
    assert loaded.calls(99) == 0
    kept.hangup(pj.CallOpParam())
    for peer in peers:
        peer.close()
    own.shutdown()


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 30
    port = free_port()
    (tmp_path / "pjsip.conf").write_text(
        f"[tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{port}\ntcp_keepalive_enable=yes\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", example],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: process.poll() is not None or _connects(port), 20)
        assert process.stdout is not None
        said = next(line for line in process.stdout if "ended" in line)  # after the first words of pjproject
        assert re.fullmatch(r"127\.0\.0\.1:\d+ ended after \d\.\d s: peer-closed\n", said)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0, process.stderr.read() if process.stderr else ""
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_importing_pjka_loads_no_pjproject() -> None:
    code = "import sys, pjka; pjka.PjkaError, pjka.Cause, pjka.Drift; print('pjsua2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout == "False\n"
    assert set(pjka.__all__) <= {name for name in pjka.__all__ if hasattr(pjka, name)}
