"""Qualify against sipp, a SIP stack that is neither pjproject nor ours."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from managed import Managed, free_port, until

from pjka.events import ContactStatus
from pjka.qualifying import Qualifying

pytestmark = pytest.mark.skipif(shutil.which("sipp") is None, reason="needs sipp")

PROTOCOLS = {"udp": "u1", "tcp": "t1"}  # Debian builds sipp without TLS
SAME = "[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"


def say(status: str, more: str = "") -> str:
    """Send a response."""
    return f"<send><![CDATA[\nSIP/2.0 {status}\n{SAME}{more}Content-Length: 0\n\n]]></send>"


ASK = say(
    "401 Unauthorized", 'WWW-Authenticate: Digest realm="sipp", nonce="abc", algorithm=MD5, qop="auth"\n'
)
VERIFY = (
    '<recv request="OPTIONS"><action>'
    '<verifyauth assign_to="right" username="alice" password="secret"/></action></recv>'
    '<nop next="yes" test="right"/>'
    + say("403 Forbidden")
    + '<nop next="end"/><label id="yes"/>'
    + say("200 OK")
    + '<label id="end"/>'
)
SCENARIOS = {
    "200": say("200 OK"),
    "404": say("404 Not Found"),
    "401": say("401 Unauthorized"),
    "100-180-200": say("100 Trying") + say("180 Ringing") + say("200 OK"),
    "digest": ASK + VERIFY,
    "silence": '<pause milliseconds="60000"/>',
    "late": '<pause milliseconds="1200"/>' + say("200 OK"),
}


class Sipp:
    """A sipp that answers OPTIONS by a scenario."""

    def __init__(self, directory: Path, protocol: str) -> None:
        self.directory, self.protocol = directory, protocol
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        self.port, self.transport_port = distinct_ports(kind)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, scenario: str) -> None:
        file = self.directory / "scenario.xml"
        text = f'<recv request="OPTIONS"/>{SCENARIOS[scenario]}'
        file.write_text(
            f'<?xml version="1.0" encoding="ISO-8859-1" ?><scenario name="peer">{text}</scenario>'
        )
        command = ["sipp", "-sf", str(file), "-i", "127.0.0.1", "-p", str(self.port), "-nostdin"]
        command += ["-t", PROTOCOLS[self.protocol]]
        self._process = subprocess.Popen(
            command, cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def distinct_ports(kind: socket.SocketKind) -> tuple[int, int]:
    """Two ports that nobody uses now."""
    first = free_port(kind=kind)
    while (second := free_port(kind=kind)) == first:
        continue
    return first, second


@pytest.fixture(params=PROTOCOLS)
def sipp(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sipp]:
    peer = Sipp(tmp_path, request.param)
    yield peer
    peer.stop()


@pytest.fixture
def qualify(
    sipp: Sipp, manage: Callable[..., Managed]
) -> Iterator[Callable[..., tuple[Managed, Qualifying]]]:
    """Starts qualify of the sipp, with more options of its AOR."""
    started: list[Qualifying] = []

    def start(*options: str) -> tuple[Managed, Qualifying]:
        contact = f"sip:bob@127.0.0.1:{sipp.port}\\;transport={sipp.protocol}"
        managed = manage(
            f"[t]\ntype=transport\nprotocol={sipp.protocol}\nbind=127.0.0.1:{sipp.transport_port}\n"
            f"[peer]\ntype=aor\nqualify_frequency=1\nqualify_timeout=0.7\ncontact={contact}\n"
            + "\n".join(options)
            + "\n[peer]\ntype=endpoint\naors=peer\ntransport=t\noutbound_auth=cred\n"
            + "[cred]\ntype=auth\nusername=alice\npassword=secret\n"
        )
        qualifying = Qualifying(managed.module, Random(1))
        qualifying.start()
        started.append(qualifying)
        qualifying.load(managed.configuration())
        return managed, qualifying

    yield start
    for qualifying in started:
        qualifying.stop()


@pytest.mark.parametrize("scenario", ["200", "404", "401", "100-180-200"])
def test_any_final_answer_is_reachable(
    sipp: Sipp, qualify: Callable[..., tuple[Managed, Qualifying]], scenario: str
) -> None:
    sipp.start(scenario)
    managed, qualifying = qualify()
    assert reaches(managed, "Reachable")
    assert qualifying.contacts()[0].last.startswith(scenario[-3:])


def test_credentials(sipp: Sipp, qualify: Callable[..., tuple[Managed, Qualifying]]) -> None:
    sipp.start("digest")
    managed, qualifying = qualify("qualify_2xx_only=yes")
    assert reaches(managed, "Reachable")
    assert qualifying.contacts()[0].last == "200 OK"


def test_silence(sipp: Sipp, qualify: Callable[..., tuple[Managed, Qualifying]]) -> None:
    sipp.start("silence")
    managed, _ = qualify()
    assert managed.next(ContactStatus).ContactStatus == "Unreachable"


def test_an_answer_after_the_timeout(sipp: Sipp, qualify: Callable[..., tuple[Managed, Qualifying]]) -> None:
    sipp.start("late")
    managed, qualifying = qualify("qualify_frequency=3")
    assert managed.next(ContactStatus).ContactStatus == "Unreachable"
    until(lambda: qualifying.contacts()[0].late)
    assert qualifying.contacts()[0].status == "Unreachable"


def test_a_peer_that_stops_and_comes_back(
    sipp: Sipp, qualify: Callable[..., tuple[Managed, Qualifying]]
) -> None:
    sipp.start("200")
    managed, _ = qualify()
    assert reaches(managed, "Reachable")
    sipp.stop()
    assert managed.next(ContactStatus).ContactStatus == "Unreachable"
    sipp.start("200")
    assert managed.next(ContactStatus).ContactStatus == "Reachable"


def reaches(managed: Managed, status: str) -> bool:
    """Whether the contact comes to this status; sipp may need a moment to listen."""
    return any(managed.next(ContactStatus).ContactStatus == status for _ in range(2))
