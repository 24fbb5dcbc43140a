"""``pjka run`` and ``pjka demo`` as processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from managed import free_port, options, until

from pjka.surface.client import CommandError, ControlClient

Section = Callable[..., str]
KEPT = "tcp_keepalive_enable=yes"
PJKA = [sys.executable, "-c", "from pjka.cli import main; main()"]


class Running:
    """A daemon with its control socket and its log."""

    def __init__(
        self,
        directory: Path,
        text: str,
        environment: dict[str, str] | None = None,
        more: tuple[str, ...] = (),
    ) -> None:
        self.file, self.socket = directory / "pjsip.conf", directory / "pjka.sock"
        self.file.write_text(text, encoding="utf-8")
        self.log = (directory / "log").open("w+b")
        self.process = subprocess.Popen(
            [*PJKA, "run", str(self.file), *(more or ("--socket", str(self.socket)))],
            stderr=self.log,
            env={**os.environ, "STATE_DIRECTORY": str(directory / "state"), **(environment or {})},
        )

    def ready(self) -> Running:
        until(lambda: self.socket.exists() or self.process.poll() is not None, 20)
        assert self.process.poll() is None, self.text()
        return self

    def ask(self, command: str, **arguments: object) -> object:
        with ControlClient(self.socket) as client:
            return client.request(command, arguments, 5)

    def text(self) -> str:
        return Path(self.log.name).read_text(encoding="utf-8")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(10)
        self.log.close()
        return code


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(text: str, environment: dict[str, str] | None = None, more: tuple[str, ...] = ()) -> Running:
        started.append(Running(tmp_path, text, environment, more))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        each.log.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_cleanly(run: Callable[..., Running], transport: Section, number: int) -> None:
    running = run(transport("t", "tcp") + transport("u", "udp") + transport("s", "tls")).ready()
    started = time.monotonic()
    assert running.end(number) == 0
    assert time.monotonic() - started < 5
    assert not running.socket.exists()
    assert "Traceback" not in running.text()


def test_a_failing_transport_does_not_harm_its_siblings(
    run: Callable[..., Running], transport: Section
) -> None:
    good = transport("good", "tcp")
    port = int(good.split("bind=127.0.0.1:")[1].split()[0])
    running = run(good + f"[bad]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{port}\n").ready()
    rows = running.ask("show transports")["rows"]  # type: ignore[index]
    assert [(row["id"], row["state"]) for row in rows] == [("good", "listening"), ("bad", "failed")]
    assert "pjsip.conf:8: transport bad" in rows[1]["problem"]
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(options())
        assert peer.recv(65536).startswith(b"SIP/2.0 200")
    assert running.end() == 0


def test_nothing_to_run_is_an_error(run: Callable[..., Running]) -> None:
    running = run("[t]\ntype=transport\nprotocol=ws\nbind=127.0.0.1\n")
    assert running.process.wait(20) == 2
    assert "protocol ws is refused" in running.text()


def test_unusable_file_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PJKA, "run", str(tmp_path / "none")], capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert b"none" in done.stderr


def test_kill_closes_the_connection(run: Callable[..., Running], transport: Section) -> None:
    text = transport("t", "tcp")
    running = run(text).ready()
    with socket.create_connection(("127.0.0.1", int(text.split("127.0.0.1:")[1].split()[0]))) as peer:
        until(lambda: running.ask("show connections")["rows"])  # type: ignore[index]
        assert running.ask("kill", connection=1)["serial"] == 1  # type: ignore[index]
        assert peer.recv(1) == b""
    deaths = running.ask("show deaths")["rows"]  # type: ignore[index]
    assert [(row["serial"], row["cause"]) for row in deaths] == [(1, "killed")]


def test_systemd_is_told(run: Callable[..., Running], transport: Section, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        running = run(
            transport("t", "tcp"),
            {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"},
        ).ready()
        heard = [manager.recv(100).decode() for _ in range(4)]
        running.process.terminate()
        while "STOPPING=1" not in heard:
            heard.append(manager.recv(100).decode())
    assert "READY=1" in heard
    assert heard.count("WATCHDOG=1") >= 3


def test_demo_finds_the_dead_connection_as_predicted() -> None:
    done = subprocess.run([*PJKA, "demo"], capture_output=True, timeout=60, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "keepalive (Connection timed out)" in done.stdout
    predicted, found = done.stdout.split("Predicted ")[1].split(":")[0].split(", found after ")
    assert abs(float(predicted.removesuffix(" s")) - float(found.removesuffix(" s"))) <= 1.0


@pytest.mark.root
def test_demo_needs_no_rights() -> None:
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *PJKA, "demo"],
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Predicted" in done.stdout


def test_port_of_the_demo_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 25060)):
        done = subprocess.run([*PJKA, "demo"], capture_output=True, timeout=60, check=False, text=True)
    assert done.returncode == 2
    assert "127.0.0.1:25060: Address already in use" in done.stderr


def test_sighup_and_the_control_socket_reload(run: Callable[..., Running], transport: Section) -> None:
    text = transport("t", "tcp", "tcp_keepalive_enable=yes")
    running = run(text).ready()
    running.file.write_text(text + "tcp_keepalive_idle_time=11\n", encoding="utf-8")
    said = running.ask("reload", dry_run=True)
    assert said["dry_run"]  # type: ignore[index]
    assert running.ask("show transports")["rows"][0]["idle"] == 30  # type: ignore[index]
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.ask("show transports")["rows"][0]["idle"] == 11)  # type: ignore[index]
    running.file.write_text(text + "tcp_keepalive_idle_time=12\n", encoding="utf-8")
    (row,) = running.ask("reload")["rows"]  # type: ignore[index]
    assert (row["change"], row["options"]) == ("changed", ["tcp_keepalive_idle_time: 11 -> 12"])


def test_unusable_new_version_keeps_the_old(run: Callable[..., Running], transport: Section) -> None:
    text = transport("t", "tcp", "tcp_keepalive_enable=yes")
    running = run(text).ready()
    running.file.write_text("no section\n", encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "reload-failed" in running.text())
    running.file.unlink()
    with pytest.raises(CommandError, match=r"pjsip\.conf"):
        running.ask("reload")
    assert running.ask("show transports")["rows"][0]["state"] == "listening"  # type: ignore[index]


def test_each_event_is_logged_once(run: Callable[..., Running], transport: Section) -> None:
    text = transport("t", "tcp", KEPT)
    running = run(text + "[bad]\ntype=transport\nprotocol=ws\nbind=127.0.0.1\n").ready()
    with socket.create_connection(("127.0.0.1", port_of(text))):
        until(lambda: "connection-up" in running.text())
    until(lambda: "connection-down" in running.text())
    running.file.write_text(text + "tcp_keepalive_idle_time=11\n", encoding="utf-8")
    running.ask("reload")
    assert running.end() == 0
    events = Counter(re.findall(r"(?m)^\S+ [A-Z]+ +([a-z-]+)", running.text()))
    assert events == {
        "transport-up": 1,
        "transport-failed": 1,
        "connection-up": 1,
        "connection-down": 1,
        "control-command": 1,
        "reload": 2,
        "reloaded": 1,
        "transport-down": 1,
    }
    (up,) = re.findall("(?m)^.* transport-up (.*)$", running.text())
    assert re.fullmatch(r'transport=t protocol=tcp bind=\S+ mechanism=kernel reason="[^"]+"', up)


def test_log_journal_puts_priorities(run: Callable[..., Running], transport: Section, tmp_path: Path) -> None:
    more = ("--socket", str(tmp_path / "pjka.sock"), "--log-journal")
    running = run(transport("t", "tcp") + transport("bad", "ws"), more=more).ready()
    assert running.end() == 0
    lines = running.text().splitlines()
    assert any(line.startswith("<6>transport-up transport=t ") for line in lines)
    assert any(line.startswith("<3>transport-failed transport=bad ") for line in lines)


def test_settings_say_where_socket_metrics_and_page_are(
    run: Callable[..., Running], transport: Section, tmp_path: Path
) -> None:
    text, metrics, web = transport("t", "tcp", KEPT), free_port(), free_port()
    own = tmp_path / "pjka.conf"
    own.write_text(
        f"[control]\nsocket={tmp_path / 'pjka.sock'}\n"
        f"[metrics]\nlisten=127.0.0.1:{metrics}\n[web]\nlisten=127.0.0.1:{web}\n"
    )
    running = run(text, more=("--settings", str(own))).ready()
    with socket.create_connection(("127.0.0.1", port_of(text))):
        until(lambda: running.ask("show connections")["rows"])  # type: ignore[index]
        found = fetched(metrics)
        assert 'pjka_connections{state="established",transport="t"} 1.0' in found
        assert 'pjka_sockopt_drift{transport="t"} 0.0' in found
        assert 'pjka_detection_seconds{connection="idle",transport="t"} 35.0' in found
        assert "<td>established</td>" in fetched(web)
    until(lambda: 'deaths_total{cause="peer-closed",transport="t"} 1.0' in fetched(metrics))
    assert running.end() == 0


def test_wrong_settings_are_an_error(run: Callable[..., Running], transport: Section, tmp_path: Path) -> None:
    (tmp_path / "pjka.conf").write_text("[metric]\n")
    running = run(transport("t", "tcp"), more=("--settings", str(tmp_path / "pjka.conf")))
    assert running.process.wait(20) == 2
    assert "did you mean metrics?" in running.text()


def fetched(port: int) -> str:
    """What is served there over HTTP."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


def port_of(section: str) -> int:
    """The port that a transport of loopback is bound to."""
    return int(section.split("bind=127.0.0.1:")[1].split()[0])


def test_demo_runs_from_an_installed_wheel(tmp_path: Path) -> None:
    """With the files that the wheel takes from elsewhere, and nothing of the repository."""
    root = Path(__file__).parents[2]
    taken = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    shutil.copytree(root / "pjka", tmp_path / "pjka")
    for source, target in taken["force-include"].items():
        shutil.copytree(root / source, tmp_path / target)
    done = subprocess.run(
        [*PJKA, "demo"], cwd=tmp_path, capture_output=True, timeout=60, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Predicted" in done.stdout
