"""A control server with a thin stub behind it, and a bare client that says exactly what a test wants said."""

from __future__ import annotations

import contextlib
import functools
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from pjka.errors import PjkaError
from pjka.logs import Members
from pjka.status import (
    AorRow,
    Cause,
    ChangeRow,
    ConnectionRow,
    ContactRow,
    DeathRow,
    EndpointRow,
    EngineRow,
    FlowRow,
    Row,
    TransportRow,
)
from pjka.surface.connection import Limits
from pjka.surface.control import ControlServer
from pjka.surface.shows import Command, show_commands

SCHEMA = json.loads(resources.files("pjka").joinpath("schemas/control.json").read_text())
ANSWER = jsonschema.Draft202012Validator(SCHEMA)
WAIT = 10.0
LOCAL, PEER = "192.0.2.1:5060", "198.51.100.7:5060"


def connection(serial: int, **changes: object) -> ConnectionRow:
    members = {
        "serial": serial,
        "transport": "phones",
        "protocol": "tcp",
        "direction": "incoming",
        "local": "192.0.2.1:5060",
        "peer": f"198.51.{serial // 250 % 250}.{serial % 250}:5060",
        "state": "established",
        "age": 12.5,
        "mechanism": "kernel",
        "idle": 1.0,
        "next_probe": 2.0,
        "unacknowledged": 0,
        "retransmits": 0,
        "rtt": 0.000438,
        "detection": 8.0,
    }
    return ConnectionRow.from_json(members | changes)


class Events:
    """A source of events that the test fires."""

    def __init__(self) -> None:
        self.deliver: Callable[[Members], None] | None = None

    def subscribe(self, deliver: Callable[[Members], None]) -> Callable[[], None]:
        self.deliver = deliver
        return self._end

    def _end(self) -> None:
        self.deliver = None

    def fire(self, name: str, **members: object) -> None:
        assert self.deliver is not None
        self.deliver(Event(name, members))


class Event:
    def __init__(self, name: str, members: Mapping[str, object]) -> None:
        self.members = {"event": name, "at": 1.0, **members}

    def to_json(self) -> Mapping[str, object]:
        return self.members


class Stub:
    """The owner of the server: rows, and commands that misbehave when asked."""

    def __init__(self) -> None:
        self.rows = [
            connection(1),
            connection(2, transport="trunk", protocol="tls", direction="outgoing", peer="[2001:db8::7]:5061"),
        ]
        self.release = threading.Event()
        self.events = Events()
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.stuck = False
        self.contact_uri = "sip:alice@198.51.100.7:5060;transport=tcp"
        self.contact_status = "Reachable"
        change = ChangeRow(
            "transport", "phones", "changed", ("tcp_keepalive_idle_time: 30 -> 10",), "", 12, "pjsip.conf", 3
        )
        self.reload_answer: Any = {"dry_run": False, "rows": [change.to_json()]}

    def shows(self) -> dict[str, list[Row]]:
        return {
            "transports": [
                TransportRow("phones", "tcp", "0.0.0.0:5060", "listening", "kernel", idle=3, interval=1)
            ],
            "connections": self.rows,
            "deaths": [DeathRow(1, "phones", "tcp", "incoming", LOCAL, PEER, 1.0, 60.0, Cause.KEEPALIVE)],
            "contacts": [ContactRow("alice", self.contact_uri, self.contact_status, rtt=0.0123)],
            "aors": [AorRow("alice", True, 1, 1, frequency=60)],
            "endpoints": [EndpointRow("alice", "online", ("alice", "bob"))],
            "flows": [FlowRow("client", "registrar", "trunk", PEER, "up", why_not="no Require: outbound")],
            "engine": [
                EngineRow(
                    "run",
                    "0.1.0",
                    7,
                    60.0,
                    "pjsip.conf",
                    pjproject="2.17",
                    handles=16384,
                    handles_used=12,
                    defects=("#5037: a", "#5164: b"),
                )
            ],
        }

    def commands(self) -> dict[str, Command]:
        shows = show_commands({subject: functools.partial(self._rows, subject) for subject in self.shows()})
        return shows | {
            "reload": functools.partial(self._asked, "reload"),
            "kill": functools.partial(self._asked, "kill"),
            "qualify": functools.partial(self._asked, "qualify"),
            "hang": lambda _: self.release.wait(WAIT),
            "refuse": self._refuse,
            "late": lambda _: _raise(TimeoutError()),
            "no-socket": lambda _: _raise(PermissionError(13, "Permission denied")),
            "defect": lambda _: 1 // 0,
            "opaque": lambda _: object(),
            "row": lambda _: self.rows[0],
            "echo": lambda arguments: dict(arguments),
            "large": lambda _: ["x" * 1000] * 2000,
        }

    def _rows(self, subject: str) -> list[Row]:
        if self.stuck:
            raise TimeoutError
        return self.shows()[subject]

    def _asked(self, command: str, arguments: Mapping[str, object]) -> object:
        self.asked.append((command, dict(arguments)))
        if command == "kill":
            return self._kill(arguments)
        if command == "qualify":
            return {"rows": self.shows()["contacts"]}
        return self._refuse(arguments) if self.reload_answer is None else self.reload_answer

    def _kill(self, arguments: Mapping[str, object]) -> object:
        for row in self.rows:
            if row.serial == arguments["connection"]:
                return row
        raise PjkaError(f"no connection {arguments['connection']}")

    def _refuse(self, _: Mapping[str, object]) -> object:
        raise PjkaError(
            "no such value", file="pjsip.conf", line=3, option="bind", value="x", expected="an address"
        )


def _raise(error: Exception) -> object:
    raise error


@contextlib.contextmanager
def serving(path: Path, stub: Stub, limits: Limits | None = None) -> Iterator[ControlServer]:
    server = ControlServer(path, stub.commands(), stub.events, limits)
    server.start()
    try:
        yield server
    finally:
        stub.release.set()
        server.stop()


class Bare:
    """A client that sends bytes as they are."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.socket.settimeout(WAIT)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def line(self) -> bytes:
        return self._file.readline()

    def answer(self) -> dict[str, object]:
        """The next line, checked against the schema."""
        members = json.loads(self.line())
        ANSWER.validate(members)
        return members

    def disconnected(self) -> bool:
        """Whether the daemon ends the connection, though nothing is read; waits for it."""
        poll = select.poll()
        poll.register(self.socket, 0)
        return bool(poll.poll(WAIT * 1000))

    def drain(self) -> int:
        """How many bytes there are until the end."""
        return sum(map(len, iter(lambda: self.socket.recv(2**18), b"")))

    def rest(self) -> list[dict[str, object]]:
        """Every line until the daemon ends the connection."""
        answers = [json.loads(line) for line in self._file]
        for members in answers:
            ANSWER.validate(members)
        return answers

    def ask(self, command: str, **members: object) -> dict[str, object]:
        self.send(json.dumps({"command": command, **members}).encode() + b"\n")
        return self.answer()

    def code(self, command: str, **members: object) -> object:
        answer = self.ask(command, **members)
        assert answer["ok"] is False
        return answer["error"]["code"]
