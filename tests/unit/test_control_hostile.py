"""The control socket with clients that do not behave, and socket files that are not what they should be."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_support import WAIT, Bare, Stub, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pjka.surface.connection import Limits
from pjka.surface.control import ControlServer
from pjka.surface.listener import PATH_LIMIT, ControlListener, ListenError
from pjka.surface.protocol import LINE_LIMIT

PROPERTY = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def server(path: Path, stub: Stub) -> Iterator[ControlServer]:
    with serving(path, stub) as running:
        yield running


@pytest.fixture
def unharmed(server: ControlServer) -> Iterator[Path]:
    """The path of a daemon that must still answer after the test, with no descriptor left over."""
    before = descriptors()
    yield server.path
    with Bare(server.path) as client:
        assert client.ask("row")["ok"] is True
    deadline = time.monotonic() + WAIT
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert descriptors() <= before


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def exchange(path: Path, chunks: list[bytes]) -> list[dict[str, object]]:
    """What the daemon says to these bytes, until it ends the connection."""
    with Bare(path) as client:
        for chunk in chunks:
            client.send(chunk)
        client.end()
        return client.rest()


# Whatever comes, each line has one answer that the schema allows

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
COMMANDS = st.sampled_from(
    ["show connections", "show transports", "row", "echo", "refuse", "large", "no-socket"]
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just(1) | JSON,
        "id": st.text(max_size=5) | JSON,
        "command": COMMANDS | JSON,
        "arguments": st.dictionaries(st.sampled_from(["transport", "peer", "x"]), st.text(max_size=9) | JSON)
        | JSON,
        "timeout": st.floats(0.5, 5) | JSON,
        "extra": JSON,
    },
).filter(lambda request: request.get("command") != "events")


@PROPERTY
@given(line=st.binary(max_size=300).map(lambda data: data.replace(b"\n", b"")))
def test_any_bytes_get_one_answer(unharmed: Path, line: bytes) -> None:
    answers = exchange(unharmed, [line + b"\n"])
    assert len(answers) == 1


@PROPERTY
@given(value=JSON | REQUESTS)
def test_any_json_gets_one_answer(unharmed: Path, value: object) -> None:
    answers = exchange(unharmed, [json.dumps(value).encode() + b"\n"])
    assert len(answers) == 1


@PROPERTY
@given(requests=st.lists(REQUESTS, min_size=1, max_size=5), data=st.data())
def test_pieces_of_any_size_give_the_same_answers(
    unharmed: Path, requests: list[object], data: st.DataObject
) -> None:
    lines = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(lines)), max_size=6)))
    pieces = [lines[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    whole, pieced = exchange(unharmed, [lines]), exchange(unharmed, pieces)
    assert len(whole) == len(requests)
    assert [shape(answer) for answer in pieced] == [shape(answer) for answer in whole]


def shape(answer: dict[str, object]) -> object:
    error = answer.get("error")
    return answer["id"], answer["ok"], error["code"] if isinstance(error, dict) else None


@PROPERTY
@given(line=st.binary(max_size=100), keep=st.floats(0, 1))
def test_half_a_request_and_then_nothing(unharmed: Path, line: bytes, keep: float) -> None:
    whole = json.dumps({"command": "echo", "arguments": {"x": line.hex()}}).encode()
    half = whole[: int(len(whole) * keep)]
    answers = exchange(unharmed, [half])
    assert [answer["ok"] for answer in answers] == ([] if not half else [half == whole])


# Wrong types, by name


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\n", "invalid-request"),
        (b"[]\n", "invalid-request"),
        (b"null\n", "invalid-request"),
        (b"{}\n", "invalid-request"),
        (b'{"command":7}\n', "invalid-request"),
        (b'{"command":"row","arguments":[]}\n', "invalid-request"),
        (b'{"command":"row","arguments":null}\n', "invalid-request"),
        (b'{"command":"row","id":true}\n', "invalid-request"),
        (b'{"command":"row","id":1.5}\n', "invalid-request"),
        (b'{"command":"row","id":{}}\n', "invalid-request"),
        (b'{"command":"row","timeout":0}\n', "invalid-request"),
        (b'{"command":"row","timeout":-1}\n', "invalid-request"),
        (b'{"command":"row","timeout":1e9}\n', "invalid-request"),
        (b'{"command":"row","timeout":NaN}\n', "invalid-request"),
        (b'{"command":"row","timeout":true}\n', "invalid-request"),
        (b'{"command":"row","timeout":"5"}\n', "invalid-request"),
        (b'{"command":"row","colour":"red"}\n', "invalid-request"),
        (b'{"command":"row","version":2}\n', "unsupported-version"),
        (b'{"command":"row","version":true}\n', "unsupported-version"),
        (b'{"command":"row","version":"1"}\n', "unsupported-version"),
        (b'{"command":"Row"}\n', "unknown-command"),
        (b"\xff\xfe\n", "invalid-request"),
        (b"[" * 60000 + b"\n", "invalid-request"),
        (b'{"a":' * 10000 + b"\n", "invalid-request"),
        (b'{"command":"row","id":' + b"9" * 50000 + b"}\n", "invalid-request"),
        (b"GET / HTTP/1.1\n", "invalid-request"),
        (b"OPTIONS sip:a@b SIP/2.0\n", "invalid-request"),
    ],
    ids=lambda value: value[:40].decode("latin-1").strip() if isinstance(value, bytes) else value,
)
def test_wrong_request_is_named_and_the_client_stays(unharmed: Path, line: bytes, code: str) -> None:
    with Bare(unharmed) as client:
        client.send(line)
        assert client.answer()["error"]["code"] == code
        assert client.ask("row")["ok"] is True


# Too much


def test_line_of_a_mebibyte_is_refused_and_disconnected(unharmed: Path) -> None:
    with Bare(unharmed) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(b'{"command":"echo","id":"' + b"x" * 2**20 + b'"}\n')
        with contextlib.suppress(ConnectionResetError):
            assert [answer["error"]["code"] for answer in client.rest()] == ["too-long"]


def test_mebibyte_without_a_newline_is_refused_and_disconnected(unharmed: Path) -> None:
    with Bare(unharmed) as client:
        with contextlib.suppress(BrokenPipeError):
            client.send(b"x" * 2**20)
        assert client.disconnected()


def test_longest_line_is_served(unharmed: Path) -> None:
    frame = b'{"command":"echo","arguments":{"x":""}}\n'
    line = frame.replace(b'""', b'"' + b"x" * (LINE_LIMIT - len(frame)) + b'"')
    assert len(line) == LINE_LIMIT
    with Bare(unharmed) as client:
        client.send(line)
        assert client.answer()["ok"] is True


def test_200_clients_at_once_are_served(unharmed: Path) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Bare(unharmed)) for _ in range(200)]
        for client in clients:
            client.send(b'{"command":"show connections","timeout":30}\n')
        assert all(client.answer()["ok"] is True for client in clients)


def test_client_above_the_limit_is_told_and_room_is_found_again(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(clients=3)):
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                assert stack.enter_context(Bare(path)).ask("row")["ok"] is True
            with Bare(path) as fourth:
                assert [answer["error"]["code"] for answer in fourth.rest()] == ["busy"]
        eventually(lambda: accepted(path))


def accepted(path: Path) -> bool:
    with Bare(path) as client, contextlib.suppress(ConnectionError):
        return client.ask("row")["ok"] is True
    return False


def eventually(condition: object) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_client_that_is_silent_too_long_is_told(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(silence=0.1)), Bare(path) as client:
        client.send(b'{"command"')
        assert [answer["error"]["code"] for answer in client.rest()] == ["idle"]


def test_client_that_stops_reading_its_answers_is_disconnected(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(patience=0.3)), Bare(path) as client, Bare(path) as other:
        client.send(b'{"command":"large"}\n' * 20)
        started = time.monotonic()
        while time.monotonic() - started < 0.2:
            assert other.ask("row")["ok"] is True
        assert client.disconnected()
        assert client.drain() < 2 * 2**20
        assert other.ask("row")["ok"] is True


def test_unread_answers_have_a_limit_over_all_clients(path: Path, stub: Stub) -> None:
    limits = Limits(unread=3 * 2**20)
    with serving(path, stub, limits), contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(Bare(path)) for _ in range(5)]
        for client in stalled:
            client.send(b'{"command":"large"}\n')
        with Bare(path) as client:
            eventually(lambda: not client.ask("large")["ok"])
            assert client.code("large") == "busy"
            assert client.ask("row")["ok"] is True


def test_client_that_does_not_read_events_loses_some_and_is_told_how_many(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(queue=100)), Bare(path) as client, Bare(path) as other:
        assert client.ask("events")["ok"] is True
        assert other.ask("events", arguments={"transport": "last"})["ok"] is True
        for number in range(5000):
            stub.events.fire("connection-up", serial=number, detail="x" * 500)
        stub.events.fire("connection-up", transport="last")
        assert other.answer()["event"]["transport"] == "last"
        seen = lost = 0
        while seen + lost < 5001:
            line = client.answer()
            seen += "event" in line
            lost += line.get("lost", 0)
        assert seen + lost == 5001
        assert lost > 1000


def test_client_that_never_reads_events_is_disconnected(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(patience=0.2)), Bare(path) as client, Bare(path) as other:
        assert client.ask("events")["ok"] is True
        for number in range(3000):
            stub.events.fire("connection-up", serial=number, detail="x" * 500)
        assert client.disconnected()
        assert other.ask("row")["ok"] is True
        assert client.drain() < 3000 * 500


def test_clients_that_vanish_in_mid_answer(unharmed: Path) -> None:
    for _ in range(50):
        with Bare(unharmed) as client:
            client.send(b'{"command":"large"}\n' * 3)


def test_flood_of_bad_lines_does_not_hold_others_up(unharmed: Path) -> None:
    """Others wait for a few of the flood's answers at most, not for all that its buffer holds."""
    ended, answers = threading.Event(), 0

    def count(flood: Bare) -> None:
        nonlocal answers
        while data := flood.socket.recv(2**18):
            answers += data.count(b"\n")

    def send() -> None:
        with Bare(unharmed) as flood:
            reader = threading.Thread(target=count, args=[flood])
            reader.start()
            while not ended.is_set():
                flood.send(b"{}\n" * 10000)
            flood.end()
            reader.join(WAIT)

    sender = threading.Thread(target=send)
    sender.start()
    between = []
    try:
        eventually(lambda: answers > 0)
        with Bare(unharmed) as client:
            for _ in range(20):
                before = answers
                assert client.ask("row")["ok"] is True
                between.append(answers - before)
    finally:
        ended.set()
        sender.join(2 * WAIT)
    assert max(between) < 10000


# The socket file

DAEMON = """
import sys, time
from pathlib import Path
from pjka.surface.control import ControlServer
class Events:
    def subscribe(self, deliver):
        return lambda: None
ControlServer(Path(sys.argv[1]), {"row": lambda _: 1}, Events()).start()
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def daemon(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def test_socket_left_by_kill_9_is_replaced(daemon: subprocess.Popen[str], path: Path, stub: Stub) -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(WAIT)
    assert path.is_socket()
    with serving(path, stub), Bare(path) as client:
        assert client.ask("row")["ok"] is True


def test_socket_of_a_live_daemon_is_refused(daemon: subprocess.Popen[str], path: Path, stub: Stub) -> None:
    server = ControlServer(path, stub.commands(), stub.events)
    with pytest.raises(ListenError, match="another pjka"):
        server.start()
    with Bare(path) as client:
        assert client.ask("row")["result"] == 1


def test_of_two_that_start_at_once_one_wins(path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DAEMON, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        first = [process.stdout.readline() for process in processes]
        assert sorted(first) == [b"", b"up\n"]
        assert b"another pjka" in processes[first.index(b"")].stderr.read()
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=WAIT)


def test_socket_of_another_program_is_refused(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(1)
        with pytest.raises(ListenError, match="another program"):
            ControlListener(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        with pytest.raises(ListenError, match="another program"):
            ControlListener(path)
    assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling"])
def test_path_that_is_no_socket_is_left_alone(path: Path, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if kind == "file":
        path.write_text("mine")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(target)
    if kind == "link":
        target.write_text("mine")
    with pytest.raises(ListenError, match="not a socket"):
        ControlListener(path)
    assert path.is_symlink() or path.is_dir() or path.read_text() == "mine"


def test_refused_listener_leaves_no_lock_behind(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(ListenError):
        ControlListener(path)
    path.unlink()
    ControlListener(path).close()


def test_directory_is_made_private(tmp_path: Path) -> None:
    listener = ControlListener(tmp_path / "pjka" / "control.sock")
    assert (tmp_path / "pjka").stat().st_mode & 0o777 == 0o700
    listener.close()


def test_missing_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="No such file or directory") as caught:
        ControlListener(tmp_path / "a" / "b" / "control.sock")
    assert caught.value.value == str(tmp_path / "a" / "b" / "control.sock")


def test_path_too_long_for_the_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=f"longer than {PATH_LIMIT} bytes"):
        ControlListener(tmp_path / ("x" * PATH_LIMIT))


def test_replaced_socket_file_is_not_removed(path: Path) -> None:
    listener = ControlListener(path)
    path.unlink()
    path.write_text("someone else's")
    listener.close()
    assert path.read_text() == "someone else's"
