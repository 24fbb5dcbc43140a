"""The client of the control socket: where it looks, what it gets, what it says when there is no daemon."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from control_support import WAIT, Stub, serving

from pjka.surface.client import (
    SYSTEM_SOCKET,
    CommandError,
    ControlClient,
    NoDaemonError,
    NotPermittedError,
    daemon_socket,
    own_socket,
)
from pjka.surface.connection import Limits
from pjka.surface.control import ControlServer
from pjka.surface.protocol import RequestError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def client(path: Path, stub: Stub) -> Iterator[ControlClient]:
    with serving(path, stub), ControlClient(path) as connected:
        yield connected


def test_result(client: ControlClient) -> None:
    assert client.request("echo", {"a": 1}) == {"a": 1}
    assert client.request("echo", {"a": "x" * 30000}) == {"a": "x" * 30000}


def test_large_result(client: ControlClient) -> None:
    assert client.request("large", {}) == ["x" * 1000] * 2000


def test_refusal_is_raised_with_its_particulars(client: ControlClient) -> None:
    with pytest.raises(CommandError) as caught:
        client.request("refuse", {})
    error = caught.value
    assert (error.code, error.file, error.line, error.option) == ("failed", "pjsip.conf", 3, "bind")
    assert str(error) == "pjsip.conf:3: no such value (bind = 'x'); expected an address"


def test_deadline_is_the_daemons(client: ControlClient) -> None:
    started = time.monotonic()
    with pytest.raises(CommandError, match="did not get to it within") as caught:
        client.request("hang", {}, timeout=0.1)
    assert caught.value.code == "deadline"
    assert time.monotonic() - started < 2


def test_events_until_their_time_is_over(client: ControlClient, stub: Stub) -> None:
    stream = client.events({}, seconds=0.5)
    fire = threading.Timer(0.1, stub.events.fire, ["reloaded"])
    fire.start()
    assert [line["event"]["event"] for line in stream] == ["reloaded"]


def test_events_with_a_wrong_filter(client: ControlClient) -> None:
    with pytest.raises(CommandError, match="argument peer"):
        next(client.events({"peer": "1/2/3"}))


def test_events_end_with_the_daemon(path: Path, stub: Stub) -> None:
    server = ControlServer(path, stub.commands(), stub.events)
    server.start()
    with ControlClient(path) as client:
        threading.Timer(0.1, server.stop).start()
        with pytest.raises(NoDaemonError, match="ended the connection"):
            list(client.events({}))


def test_no_daemon_is_said_with_the_path(path: Path) -> None:
    with pytest.raises(NoDaemonError, match="is `pjka run` or `pjka attach` running") as caught:
        ControlClient(path)
    assert str(path) in str(caught.value)
    assert caught.value.value == str(path)


def test_stale_socket_is_no_daemon(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with pytest.raises(NoDaemonError, match="Connection refused"):
        ControlClient(path)


@pytest.mark.parametrize("name", ["x" * 200, "nul\0"])
def test_impossible_path_is_no_daemon(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoDaemonError):
        ControlClient(tmp_path / name)


@pytest.mark.root
def test_socket_of_another_user_is_not_permitted(stub: Stub) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory) / "control.sock", stub) as server,
    ):
        Path(directory).chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(NotPermittedError, match="run as its owner, or as root"):
                ControlClient(server.path)
        finally:
            os.seteuid(0)


def test_turned_away_client_is_told_why(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(clients=1)), ControlClient(path) as first:
        first.request("row", {})
        with ControlClient(path) as second, pytest.raises(CommandError, match="more than 1 clients"):
            second.request("row", {})


@pytest.fixture
def impostor(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Something else that listens at the path and says what the test wants, then waits."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    accepted = []

    def speak(data: bytes) -> None:
        connection, _ = listener.accept()
        connection.sendall(data)
        accepted.append(connection)

    threads: list[threading.Thread] = []

    def start(data: bytes) -> None:
        threads.append(threading.Thread(target=speak, args=[data]))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(WAIT)
    for connection in [listener, *accepted]:
        connection.close()


@pytest.mark.parametrize("line", [b"Asterisk Call Manager/8.0\r\n", b"[]\n", b'{"version":2,"ok":true}\n'])
def test_program_that_speaks_otherwise(path: Path, impostor: Callable[[bytes], None], line: bytes) -> None:
    impostor(line)
    with ControlClient(path) as client, pytest.raises(RequestError):
        client.request("row", {})


def test_daemon_that_never_answers(
    path: Path, impostor: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pjka.surface.client._MARGIN", 0.1)
    impostor(b'{"version":1,')
    with ControlClient(path) as client, pytest.raises(NoDaemonError, match=r"no answer within 0\.2 s"):
        client.request("row", {}, timeout=0.1)


def test_full_queue_is_waited_for_and_then_reported(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        started = time.monotonic()
        with pytest.raises(NoDaemonError):
            ControlClient(path, patience=0.3)
        assert 0.25 < time.monotonic() - started < 5


# Where the socket is


@pytest.mark.parametrize(
    ("environment", "user", "configured", "expected"),
    [
        ({}, 0, None, SYSTEM_SOCKET),
        ({"XDG_RUNTIME_DIR": "/run/user/0"}, 0, None, SYSTEM_SOCKET),
        ({"XDG_RUNTIME_DIR": "/run/user/1000"}, 1000, None, Path("/run/user/1000/pjka/control.sock")),
        ({}, 1000, None, SYSTEM_SOCKET),
        ({"XDG_RUNTIME_DIR": "/run/user/1000"}, 1000, "/srv/a.sock", Path("/srv/a.sock")),
        ({"PJKA_SOCKET": "/srv/b.sock"}, 1000, "/srv/a.sock", Path("/srv/b.sock")),
        ({"PJKA_SOCKET": ""}, 0, None, SYSTEM_SOCKET),
    ],
)
def test_socket_path(environment: dict[str, str], user: int, configured: str | None, expected: Path) -> None:
    assert own_socket(environment, user, configured) == expected
    assert daemon_socket(environment, user, configured) == expected


def test_daemon_of_the_system_is_found_if_it_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "control.sock"
    system.touch()
    monkeypatch.setattr("pjka.surface.client.SYSTEM_SOCKET", system)
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "user")}
    assert daemon_socket(environment, 1000) == system
    own = tmp_path / "user" / "pjka" / "control.sock"
    own.parent.mkdir(parents=True)
    assert own_socket(environment, 1000) == own
    own.touch()
    assert daemon_socket(environment, 1000) == own
