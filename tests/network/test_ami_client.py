"""A manager interface that is down, refuses, stops halfway or goes away, and the client that comes back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from pjka.pbx import client as module
from pjka.pbx.client import AmiClient, Snapshot, Trouble
from pjka.pbx.contacts import PbxContact

from .conftest import until

BANNER = b"Asterisk Call Manager/9.0.0\r\n"
ACCEPTED = b"Response: Success\r\nActionID: 0\r\nMessage: Authentication accepted\r\n\r\n"
LISTS = (
    b"Response: Error\r\nActionID: 1\r\nMessage: No Contacts found\r\n\r\n"
    b"Response: Success\r\nActionID: 2\r\nEventList: start\r\n\r\n"
    b"Event: CoreShowChannel\r\nActionID: 2\r\nChannel: PJSIP/desk-7-0000001a\r\n\r\n"
    b"Event: CoreShowChannelsComplete\r\nActionID: 2\r\nEventList: Complete\r\n\r\n"
    b"Response: Success\r\nActionID: 3\r\nMessage: Command output follows\r\nOutput: Global Settings:\r\n"
    b"Output:  keep_alive_interval          : 90\r\n\r\n"
)
STATUS = b"Event: ContactStatus\r\nURI: sip:bob@192.0.2.8\r\nContactStatus: Unreachable\r\nAOR: bob\r\n\r\n"


class Server:
    """Plays one script after the other, one for each session; a script ends by closing."""

    def __init__(self, *scripts: Callable[[socket.socket], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.scripts = scripts
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        for script in self.scripts:
            try:
                session, _ = self.listener.accept()
            except OSError:
                return
            with session:
                session.settimeout(10)
                script(session)


def refuses(session: socket.socket) -> None:
    session.sendall(BANNER)
    assert b"Secret: hush" in session.recv(4096)
    session.sendall(b"Response: Error\r\nActionID: 0\r\nMessage: Authentication failed\r\n\r\n")
    session.recv(1)


def stops_halfway(session: socket.socket) -> None:
    session.sendall(BANNER)
    session.recv(4096)
    session.sendall(ACCEPTED + LISTS[: len(LISTS) // 2])


def is_another(session: socket.socket) -> None:
    session.sendall(b"220 mail.example ESMTP\r\n")


def never_answers(session: socket.socket) -> None:
    session.sendall(BANNER)
    while session.recv(4096):
        pass


def works(session: socket.socket) -> None:
    session.sendall(BANNER)
    session.recv(4096)
    session.sendall(ACCEPTED)
    asked = b""
    while b"CoreShowChannels" not in asked:
        asked += session.recv(4096)
    session.sendall(LISTS + STATUS)
    while session.recv(4096):
        pass


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list]]:
    monkeypatch.setattr(module, "_RETRY_SECONDS", (0.05,))
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.5)
    running = []

    def start(*scripts: Callable[[socket.socket], None]) -> list:
        server = Server(*scripts)
        told: list = []
        one = AmiClient(server.listener.getsockname(), "pjka", "hush", told.append)
        one.start()
        running.append((server, one))
        return told

    yield start
    for server, one in running:
        one.stop()
        server.listener.close()
        server.thread.join(10)


def test_contacts_calls_and_changes_are_told(talk):
    told = talk(works)
    until(lambda: len(told) == 2)
    assert told[0] == Snapshot((), frozenset({"desk-7"}), 90)
    assert told[1] == PbxContact("bob", "sip:bob@192.0.2.8", status="Unreachable")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refuses, "refuses the login: Authentication failed"),
        (stops_halfway, "closed the session"),
        (is_another, "greeting is not Asterisk's"),
        (never_answers, "does not answer"),
    ],
)
def test_trouble_is_told_and_the_next_session_works(talk, script, reason):
    told = talk(script, works)
    until(lambda: any(isinstance(one, Snapshot) for one in told))
    assert isinstance(told[0], Trouble)
    assert reason in told[0].reason
    assert "hush" not in told[0].reason


def test_the_same_trouble_is_told_once(talk):
    told = talk(is_another, is_another, is_another, works)
    until(lambda: any(isinstance(one, Snapshot) for one in told))
    assert [type(one) for one in told[:2]] == [Trouble, Snapshot]
