"""Qualify in a program that polls its own endpoint: pjproject calls back on that program's threads."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pjsua2 as pj
import pytest
from managed import free_port, until
from sip_peers import Peer, ok, silent

from pjka.conf.loader import load
from pjka.events import ContactStatus, Event
from pjka.module import TransportManagement
from pjka.pjproject.endpoint import HostedEndpoint
from pjka.qualifying import Qualifying

CONTACTS = 200


class Program:
    """A program with an endpoint and two threads that poll it, into which pjka is loaded."""

    def __init__(self, file: Path) -> None:
        self.pj = pj.Endpoint()
        self.pj.libCreate()
        settings = pj.EpConfig()
        settings.uaConfig.threadCnt = 2
        settings.logConfig.level = settings.logConfig.consoleLevel = 0
        self.pj.libInit(settings)
        self.pj.libStart()
        self.hosted = HostedEndpoint(self.pj)
        self.hosted.start()
        self.module = TransportManagement(self.hosted)
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.module.events.subscribe(self.events.put)
        self.module.load(load(file))
        self.qualifying = Qualifying(self.module, Random(1))
        self.qualifying.start()
        self.qualifying.load(load(file))

    def stop(self) -> None:
        self.qualifying.stop()
        self.module.unload()
        self.hosted.stop()
        self.pj.libDestroy()
        del self.pj, self.hosted.pj  # the next endpoint of this process can only be made when this is gone

    def statuses(self, wanted: str) -> bool:
        return {row.status for row in self.qualifying.contacts()} == {wanted}


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    listening = Peer("udp")
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Program]:
    file = tmp_path_factory.mktemp("program") / "pjsip.conf"
    lines = [f"[u]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{free_port(kind=socket.SOCK_DGRAM)}"]
    for number in range(CONTACTS):
        lines.append(f"[a{number}]\ntype=aor\nqualify_frequency=1\nqualify_timeout=0.3\ncontact={peer.uri}")
        lines.append(f"[a{number}]\ntype=endpoint\naors=a{number}")
    file.write_text("\n".join(lines))
    running = Program(file)
    yield running
    running.stop()


def test_answers_and_timeouts_on_the_programs_own_threads(program: Program, peer: Peer) -> None:
    until(lambda: program.statuses("Reachable"))
    peer.answer = silent
    until(lambda: program.statuses("Unreachable"))
    peer.answer = ok
    until(lambda: program.statuses("Reachable"))
    changes = []
    while not program.events.empty():
        changes.append(program.events.get())
    assert sum(isinstance(change, ContactStatus) for change in changes) == 3 * CONTACTS


def test_answers_at_the_very_moment_of_the_timeout(program: Program, peer: Peer) -> None:
    peer.delay = 0.001  # one after another: some in time, some late, some just at the end
    rows = program.qualifying.contacts
    until(lambda: sum(row.sent for row in rows()) > 4 * CONTACTS, 20)
    assert sum(row.answered for row in rows()) + sum(row.late for row in rows()) > CONTACTS
