"""Metrics and status page over HTTP, from rows as the daemon gives them."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pjka.errors import PjkaError
from pjka.events import ConnectionDown, ConnectionUp
from pjka.keepalive.policy import Mechanism
from pjka.status import Cause, ConnectionRow, ContactRow, EngineRow, Row, TransportRow
from pjka.surface.http import HttpServer
from pjka.surface.metrics import Metrics
from pjka.surface.shows import Command, show_commands
from pjka.surface.web import status_page

HOSTILE = "<script>alert('x')</script>\x1b[2J"
Serve = Callable[..., HttpServer]


def transport(id: str, **members: object) -> TransportRow:
    return TransportRow(id, "tcp", "192.0.2.1:5060", "listening", "kernel", **members)  # type: ignore[arg-type]


def connection(serial: int, transport: str, state: str = "established") -> ConnectionRow:
    peer = f"192.0.2.7:{serial}"
    return ConnectionRow(
        serial,
        transport,
        "tcp",
        "incoming",
        "192.0.2.1:5060",
        peer,
        state,
        1.0,
        Mechanism.KERNEL,
        unacknowledged=10,
    )


def death(cause: Cause) -> ConnectionDown:
    return ConnectionDown(
        serial=1,
        transport="a",
        protocol="tcp",
        direction="incoming",
        local="l",
        peer="p",
        cause=cause,
        age=1.0,
    )


ROWS: Mapping[str, list[Row]] = {
    "transports": [transport("a", drifting=2, detection_idle=35.0), transport("b")],
    "connections": [connection(1, "a"), connection(2, "a"), connection(3, "b", "closing")],
    "contacts": [
        ContactRow("x", "sip:x@192.0.2.7", "Reachable", rtt=0.25),
        ContactRow("y", f"sip:y@{HOSTILE}", "Reachable", rtt=0.75, user_agent=HOSTILE),
        ContactRow("z", "sip:z@192.0.2.9", "Unreachable"),
    ],
    "engine": [
        EngineRow("run", "0.1.0", 1, 60.0, "pjsip.conf", "trial", "2.15.1", handles=64, handles_used=5)
    ],
}


def commands(rows: Mapping[str, list[Row]] = ROWS) -> dict[str, Command]:
    return show_commands({subject: lambda found=found: found for subject, found in rows.items()})


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[HttpServer] = []

    def start(application: object, host: str = "127.0.0.1") -> HttpServer:
        running.append(HttpServer(host, 0, application))  # type: ignore[arg-type]
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert "pjka-http" not in names


def ask(server: HttpServer, path: str = "/", method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    client = http.client.HTTPConnection(host, server.port, timeout=10)
    client.request(method, path)
    answer = client.getresponse()
    body = answer.read().decode()
    client.close()
    return answer.status, body


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_those_of_the_rows(serve: Serve) -> None:
    metrics = Metrics(commands())
    for cause in (Cause.KEEPALIVE, Cause.KEEPALIVE, Cause.RESET):
        metrics.hear(death(cause))
    up = ConnectionUp(serial=1, transport="a", protocol="tcp", direction="incoming", local="l", peer="p")
    metrics.hear(up)
    status, text = ask(serve(metrics.application()), "/metrics")
    found = samples(text)
    assert status == 200
    expected = {
        ("pjka_connections", "established", "a"): 2,
        ("pjka_connections", "closing", "b"): 1,
        ("pjka_connection_deaths_total", "keepalive", "a"): 2,
        ("pjka_connection_deaths_total", "reset", "a"): 1,
        ("pjka_sockopt_drift", "a"): 2,
        ("pjka_sockopt_drift", "b"): 0,
        ("pjka_detection_seconds", "idle", "a"): 35,
        ("pjka_tcp_unacknowledged_bytes", "a"): 20,
        ("pjka_contacts", "Reachable"): 2,
        ("pjka_contacts", "Unreachable"): 1,
        ("pjka_qualify_rtt_seconds", "median"): 0.5,
        ("pjka_qualify_rtt_seconds", "max"): 0.75,
        ("pjka_engine_sockets",): 5,
        ("pjka_engine_sockets_limit",): 64,
        ("pjka_build_info", "trial", "run", "2.15.1", "0.1.0"): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_no_label_has_what_a_peer_can_choose(serve: Serve) -> None:
    _, text = ask(serve(Metrics(commands()).application()))
    assert "192.0.2." not in text
    assert "script" not in text


def test_page_shows_every_table_escaped(serve: Serve) -> None:
    status, page = ask(serve(status_page(commands())))
    assert status == 200
    assert [subject for subject in ROWS if f"<h2>{subject}</h2>" in page] == list(ROWS)
    assert "192.0.2.7:3" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "\x1b" not in page


def test_page_bounds_its_tables(serve: Serve) -> None:
    rows: dict[str, list[Row]] = {"connections": [connection(serial, "a") for serial in range(700)]}
    _, page = ask(serve(status_page(commands(rows))))
    assert page.count("<tr>") == 501
    assert "and 200 more" in page


def test_page_says_what_cannot_be_shown(serve: Serve) -> None:
    def fails(_: Mapping[str, object]) -> object:
        raise PjkaError("not <now>")

    status, page = ask(serve(status_page({**commands(), "show flows": fails})))
    assert status == 200
    assert "not &lt;now&gt;" in page
    status, text = ask(serve(Metrics({**commands(), "show flows": fails}).application()))
    assert (status, text) == (503, "the daemon is busy\n")


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/", 405), ("GET", "/../etc/passwd", 404)])
def test_only_reading_and_only_the_page(serve: Serve, method: str, path: str, status: int) -> None:
    assert ask(serve(status_page(commands())), path, method)[0] == status


def test_ipv6(serve: Serve) -> None:
    assert ask(serve(status_page(commands()), "::1"), host="::1")[0] == 200


def test_silent_clients_do_not_keep_others_waiting(serve: Serve) -> None:
    server = serve(status_page(commands()))
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    silent[0].sendall(b"GET / HT")
    assert ask(server)[0] == 200
    for each in silent:
        each.close()


def test_garbage_is_refused(serve: Serve) -> None:
    server = serve(status_page(commands()))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"\x00\xff" * 40000 + b"\r\n\r\n")
    assert ask(server)[0] == 200


def test_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HttpServer("127.0.0.1", taken.getsockname()[1], status_page({}))
        with pytest.raises(PjkaError, match="in use"):
            server.start()
