"""The control socket with clients that behave: commands, filters, errors, deadlines, events."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_support import WAIT, Bare, Stub, connection, serving

from pjka.surface.connection import Limits
from pjka.surface.control import ControlServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def server(path: Path, stub: Stub) -> Iterator[ControlServer]:
    with serving(path, stub) as running:
        yield running


@pytest.fixture
def client(server: ControlServer) -> Iterator[Bare]:
    with Bare(server.path) as connected:
        yield connected


def test_socket_is_private(server: ControlServer) -> None:
    mode = server.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_socket_is_private_whatever_the_umask(path: Path, stub: Stub) -> None:
    before = os.umask(0)
    try:
        with serving(path, stub):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_show_gives_the_rows(client: Bare) -> None:
    answer = client.ask("show connections", id="a")
    assert answer["id"] == "a"
    assert answer["result"]["subject"] == "connections"
    assert answer["result"]["rows"] == [connection(1).to_json() | {"drift": []}, answer["result"]["rows"][1]]
    assert abs(answer["result"]["at"] - time.time()) < WAIT


@pytest.mark.parametrize(
    ("filters", "serials"),
    [
        ({}, [1, 2]),
        ({"transport": "phones"}, [1]),
        ({"transport": "p*"}, [1]),
        ({"transport": "?runk"}, [2]),
        ({"transport": "phone"}, []),
        ({"peer": "198.51.0.1"}, [1]),
        ({"peer": "198.51.0.1:5060"}, [1]),
        ({"peer": "198.51.*"}, [1]),
        ({"peer": "198.51.0.0/24"}, [1]),
        ({"peer": "198.51.0.9/24"}, [1]),
        ({"peer": "0.0.0.0/0"}, [1]),
        ({"peer": "2001:db8::/32"}, [2]),
        ({"peer": "2001:db8::7"}, [2]),
        ({"peer": "[2001:db8::7]:5061"}, [2]),
        ({"peer": "*:5061"}, [2]),
        ({"peer": "198.51.*", "transport": "trunk"}, []),
    ],
)
def test_filters(client: Bare, filters: dict[str, str], serials: list[int]) -> None:
    answer = client.ask("show connections", arguments=filters)
    assert [row["serial"] for row in answer["result"]["rows"]] == serials


@pytest.mark.parametrize(
    "arguments",
    [
        {"transprot": "x"},
        {"transport": 7},
        {"peer": None},
        {"peer": "198.51.100.0/99"},
        {"peer": "x/y"},
        {"aor": "x"},
    ],
)
def test_wrong_filter_is_an_error(client: Bare, arguments: dict[str, object]) -> None:
    assert client.code("show connections", arguments=arguments) == "invalid-argument"


def test_transports_are_filtered_by_their_id(client: Bare) -> None:
    assert len(client.ask("show transports", arguments={"transport": "pho*"})["result"]["rows"]) == 1
    assert client.code("show transports", arguments={"peer": "*"}) == "invalid-argument"


def test_unknown_command_lists_the_known_ones(client: Bare) -> None:
    error = client.ask("shwo")["error"]
    assert error["code"] == "unknown-command"
    assert error["value"] == "shwo"
    assert "events" in error["expected"]
    assert "show connections" in error["expected"]


def test_refusal_carries_the_place(client: Bare) -> None:
    assert client.ask("refuse")["error"] == {
        "code": "failed",
        "message": "no such value",
        "file": "pjsip.conf",
        "line": 3,
        "option": "bind",
        "value": "x",
        "expected": "an address",
    }


def test_error_of_the_system_is_passed_on(client: Bare) -> None:
    error = client.ask("no-socket")["error"]
    assert error["code"] == "failed"
    assert "Permission denied" in error["message"]


def test_stuck_reactor_is_an_error(client: Bare) -> None:
    assert client.code("late") == "deadline"


@pytest.mark.parametrize("command", ["defect", "opaque"])
def test_defect_is_answered_and_reported(client: Bare, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reported = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: reported.set())
    assert client.code(command) == "internal"
    assert reported.wait(WAIT)
    assert client.ask("row")["ok"] is True


def test_result_with_to_json_is_converted(client: Bare) -> None:
    assert client.ask("row")["result"]["serial"] == 1


@pytest.mark.parametrize("number", ["x", 7, None, "\u202e", 2**70])
def test_id_comes_back(client: Bare, number: object) -> None:
    assert client.ask("row", id=number)["id"] == number


def test_arguments_arrive_as_they_were_sent(client: Bare) -> None:
    arguments = {"a": [1, None, {"b": 1.5}], "\ud800": "\x00"}
    assert client.ask("echo", arguments=arguments)["result"] == arguments


def test_command_that_hangs_is_answered_by_its_deadline_and_holds_nobody_up(client: Bare, path: Path) -> None:
    started = time.monotonic()
    with Bare(path) as other:
        client.send(b'{"command": "hang", "timeout": 1.0}\n')
        assert other.ask("row")["ok"] is True
        assert time.monotonic() - started < 1.0
    assert client.answer()["error"]["code"] == "deadline"
    assert client.ask("row")["ok"] is True


def test_hanging_commands_use_up_the_slots_until_they_end(path: Path, stub: Stub) -> None:
    with serving(path, stub, Limits(commands=2)), Bare(path) as client:
        for _ in range(2):
            assert client.code("hang", timeout=0.05) == "deadline"
        assert client.code("row", timeout=0.05) == "busy"
        stub.release.set()
        assert client.ask("row")["ok"] is True


def test_requests_in_one_write_are_answered_in_order(client: Bare) -> None:
    client.send(b"".join(b'{"command":"echo","id":%d}\n' % number for number in range(50)))
    assert [client.answer()["id"] for _ in range(50)] == list(range(50))


def test_last_request_needs_no_newline(client: Bare) -> None:
    client.send(b'{"command":"row"}')
    client.end()
    assert [answer["ok"] for answer in client.rest()] == [True]


def test_5000_rows_as_json_well_within_half_a_second(client: Bare, stub: Stub) -> None:
    stub.rows = [connection(serial) for serial in range(5000)]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        client.send(b'{"command":"show connections"}\n')
        line = client.line()
        times.append(time.perf_counter() - started)
        assert line.count(b'"serial"') == 5000
    assert min(times) < 0.4


# Events


def streaming(client: Bare, **arguments: object) -> None:
    assert client.ask("events", arguments=arguments)["result"] == {"streaming": True}


def test_events_reach_every_client_that_asked(client: Bare, stub: Stub, path: Path) -> None:
    with Bare(path) as other:
        streaming(client)
        streaming(other)
        stub.events.fire("connection-up", serial=7)
        expected = {"version": 1, "event": {"event": "connection-up", "at": 1.0, "serial": 7}}
        assert client.answer() == other.answer() == expected


def test_events_are_filtered(client: Bare, stub: Stub) -> None:
    streaming(client, transport="phones", peer="198.51.0.0/16")
    stub.events.fire("connection-up", transport="trunk", peer="198.51.0.1:5060")
    stub.events.fire("connection-up", transport="phones", peer="203.0.113.1:5060")
    stub.events.fire("reloaded")
    stub.events.fire("connection-down", transport="phones", peer="198.51.0.1:5060")
    assert client.answer()["event"]["event"] == "connection-down"


def test_wrong_event_filter_is_an_error_and_the_client_stays(client: Bare) -> None:
    assert client.code("events", arguments={"peer": "1/2/3"}) == "invalid-argument"
    assert client.ask("row")["ok"] is True


def test_line_ends_the_stream_and_the_next_is_a_request(client: Bare, stub: Stub) -> None:
    streaming(client)
    client.send(b"\n")
    assert client.ask("row")["ok"] is True


def test_events_from_many_threads_arrive(client: Bare, stub: Stub) -> None:
    streaming(client)
    threads = [
        threading.Thread(target=lambda: [stub.events.fire("ping") for _ in range(100)]) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    assert [client.answer()["event"]["event"] for _ in range(500)] == ["ping"] * 500
    for thread in threads:
        thread.join(WAIT)


def test_event_without_anyone_listening_is_dropped(server: ControlServer, stub: Stub, client: Bare) -> None:
    stub.events.fire("connection-up", serial=1)
    streaming(client)
    stub.events.fire("connection-up", serial=2)
    assert client.answer()["event"]["serial"] == 2


# Stopping


def test_stop_disconnects_everyone_and_removes_the_socket(path: Path, stub: Stub) -> None:
    server = ControlServer(path, stub.commands(), stub.events)
    server.start()
    with Bare(path) as idle, Bare(path) as stream, Bare(path) as hanging:
        streaming(stream)
        assert idle.ask("row")["ok"] is True
        hanging.send(b'{"command":"hang","timeout":100}\n')
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 3
        assert [client.rest() for client in (idle, stream, hanging)] == [[], [], []]
    assert not path.exists()
    assert stub.events.deliver is None
    stub.release.set()


def test_starts_again_where_it_stopped(path: Path, stub: Stub) -> None:
    for _ in range(3):
        with serving(path, stub), Bare(path) as client:
            assert client.ask("row")["ok"] is True
