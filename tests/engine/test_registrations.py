"""``type=registration`` on the wire: flows to a registrar that is made of sockets here (R1 to R5, R9)."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from random import Random

import pytest
from managed import Managed, until
from sip_peers import Peer, header, headers, response

from pjka.flow_rows import registration_rows
from pjka.qualifying import Qualifying
from pjka.registering import Registering
from pjka.status import FlowRow

Section = Callable[..., str]
OUTBOUND = ("@keepalive=outbound", "@pong_timeout=1")


class Registered:
    """A running module with its registrations."""

    def __init__(self, managed: Managed) -> None:
        self.managed = managed
        self.qualifying = Qualifying(managed.module, Random(1))
        self.qualifying.start()
        self.qualifying.load(managed.configuration())
        self.registering = Registering(managed.module, self.qualifying, managed.path.parent / "state")
        self.registering.start(managed.configuration())

    def rows(self) -> list[FlowRow]:
        flows, registrations = self.managed.module.flows, self.registering.registrations
        return self.managed.reactor.call(
            lambda: registration_rows(registrations, flows, self.managed.reactor.now())
        )

    def stop(self) -> None:
        self.registering.stop()
        self.qualifying.stop()


@pytest.fixture
def register(manage: Callable[..., Managed]) -> Iterator[Callable[..., Registered]]:
    running: list[Registered] = []

    def start(*sections: str) -> Registered:
        running.append(Registered(manage(*sections)))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def registrar() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(answer: Callable[[str, int], str | None], protocol: str = "tcp", port: int = 0) -> Peer:
        peers.append(Peer(protocol, answer, port=port))
        return peers[-1]

    yield start
    for each in peers:
        each.close()


def accepts(*lines: str, expires: int = 600) -> Callable[[str, int], str]:
    """A registrar that grants what is asked for."""

    def answer(request: str, _: int) -> str:
        granted = min(int(header(request, "Expires")), expires)
        return response(request, "200 OK", f"Contact: {header(request, 'Contact')};expires={granted}", *lines)

    return answer


def section(peer: Peer, *lines: str, proxies: str = "") -> str:
    options = "\n".join(lines)
    route = f"@outbound_proxies={proxies}\n" if proxies else ""
    return (
        f"[home]\ntype=registration\nserver_uri=sip:127.0.0.1:{peer.port}\\;transport={peer.protocol}\n"
        f"client_uri=sip:pbx@127.0.0.1\nmax_random_initial_delay=0\n{route}{options}\n"
    )


SUPERVISED = ("Require: outbound", "Flow-Timer: 1")


def test_r9_reg_id_and_an_instance_id_that_lasts(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    peer = registrar(accepts())
    running = register(transport("t", "tcp", *OUTBOUND), section(peer))
    request = peer.wait(1)[0]
    found = re.fullmatch(
        r'<sip:s@[^>]+>;reg-id=1;\+sip.instance="<(urn:uuid:[0-9a-f-]+)>"', header(request, "Contact")
    )
    assert found
    assert header(request, "Supported") == "path, outbound"
    assert ";keep" in header(request, "Via")
    kept = (running.managed.path.parent / "state" / "instance-id").read_text().strip()
    assert kept == found[1]


@pytest.mark.parametrize("says", [(), ("Require: outbound",)], ids=["plain", "outbound"])
def test_refresh_goes_over_the_same_flow_with_the_next_cseq(
    register: Callable[..., Registered],
    registrar: Callable[..., Peer],
    transport: Section,
    says: tuple[str, ...],
) -> None:
    peer = registrar(accepts(*says, expires=2))
    register(transport("t", "tcp", *OUTBOUND), section(peer))
    first, second = peer.wait(2)[:2]
    assert header(first, "Call-ID") == header(second, "Call-ID")
    assert int(header(second, "CSeq").split()[0]) == int(header(first, "CSeq").split()[0]) + 1
    assert len(peer.connections) == 1


def test_r4_missed_pong_closes_the_flow_and_a_fresh_one_is_counted_as_a_failure(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    peer = registrar(accepts(*SUPERVISED))
    running = register(transport("t", "tcp", *OUTBOUND), section(peer))
    until(lambda: running.rows()[0].failures == 1)
    row = running.rows()[0]
    assert row.state == "waiting"
    assert row.retry_in is not None
    assert 29 <= row.retry_in <= 60
    assert [death.cause for death in running.managed.module.monitors.deaths] == ["pong-missed"]


def test_rfc5626_4_5_flow_with_a_pong_is_registered_again_at_once_when_it_is_lost(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    peer = registrar(accepts(*SUPERVISED))
    running = register(transport("t", "tcp", *OUTBOUND), section(peer))
    peer.wait(1)
    until(lambda: running.rows()[0].pings >= 1)
    peer.connections[0].sendall(b"\r\n")
    until(lambda: running.rows()[0].pongs >= 1)
    row = running.rows()[0]
    assert (row.kept_alive, row.why_not, row.flow_timer, row.state) == (True, "", 1, "up")
    peer.connections[0].shutdown(socket.SHUT_RDWR)
    again = peer.wait(2)[1]
    assert len(peer.connections) == 2
    assert header(again, "Contact") == header(peer.received[0], "Contact")


def test_several_outbound_proxies_are_one_flow_each(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    first, second = registrar(accepts()), registrar(accepts())
    proxies = ",".join(f"sip:127.0.0.1:{each.port}\\;transport=tcp\\;lr" for each in (first, second))
    running = register(transport("t", "tcp", *OUTBOUND), section(first, proxies=proxies))
    one, two = first.wait(1)[0], second.wait(1)[0]
    assert [re.search(r"reg-id=(\d)", header(each, "Contact"))[1] for each in (one, two)] == ["1", "2"]  # type: ignore[index]
    assert header(one, "Call-ID") != header(two, "Call-ID")
    assert str(second.port) in headers(two, "Route")[0]
    until(lambda: [row.state for row in running.rows()] == ["up", "up"])


def test_interval_too_brief_is_asked_again_for_longer(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    def answer(request: str, number: int) -> str:
        if int(header(request, "Expires")) < 900:
            return response(request, "423 Interval Too Brief", "Min-Expires: 900")
        return accepts()(request, number)

    peer = registrar(answer)
    register(transport("t", "tcp", *OUTBOUND), section(peer, "expiration=300"))
    assert [header(each, "Expires") for each in peer.wait(2)] == ["300", "900"]


def test_439_is_asked_again_without_outbound(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    def answer(request: str, number: int) -> str:
        if "reg-id" in request:
            return response(request, "439 First Hop Lacks Outbound Support")
        return accepts()(request, number)

    peer = registrar(answer)
    running = register(transport("t", "tcp", *OUTBOUND), section(peer))
    assert "reg-id" not in peer.wait(2)[1]
    until(lambda: running.rows()[0].state == "up")
    assert running.rows()[0].why_not == "the REGISTER carried no reg-id with an instance-id"


def test_registration_is_taken_back_at_the_end(
    register: Callable[..., Registered], registrar: Callable[..., Peer], transport: Section
) -> None:
    peer = registrar(accepts())
    running = register(transport("t", "tcp", *OUTBOUND), section(peer))
    until(lambda: running.rows()[0].state == "up")
    running.managed.reactor.call(lambda: running.registering.registrations.stop(lambda: None))
    assert header(peer.wait(2)[1], "Expires") == "0"
