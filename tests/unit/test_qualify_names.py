"""Finding addresses without blocking, with a reactor and a look-up of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import dns.resolver
import dns.rrset
import pytest

from pjka.pjproject import names
from pjka.pjproject.names import Addresses, Names, look_up


class Reactor:
    """A clock that stands still, and a mailbox that is emptied by hand."""

    def __init__(self) -> None:
        self.time = 0.0
        self.posted = threading.Semaphore(0)
        self.mailbox: list[Callable[[], object]] = []

    def now(self) -> float:
        return self.time

    def post(self, function: Callable[[], object]) -> None:
        self.mailbox.append(function)
        self.posted.release()

    def run_one(self) -> None:
        assert self.posted.acquire(timeout=10)
        self.mailbox.pop(0)()


class World:
    """Names of the test, and who asked for them."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.asked: list[tuple[str, str, int]] = []
        self.known: dict[str, Addresses] = {"pbx.example": (("192.0.2.1", 5060),)}
        self.names = Names(self.reactor, self._look_up)  # type: ignore[arg-type]
        self.found: list[Addresses] = []

    def find(self, host: str, protocol: str = "udp", port: int = 0) -> None:
        self.names.find(protocol, host, port, self.found.append)

    def _look_up(self, *question: str | int) -> Addresses:
        self.asked.append(question)  # type: ignore[arg-type]
        if question[1] not in self.known:
            raise OSError("not found")
        return self.known[str(question[1])]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("host", "protocol", "port", "address"),
    [
        ("192.0.2.1", "udp", 0, ("192.0.2.1", 5060)),
        ("192.0.2.1", "tls", 0, ("192.0.2.1", 5061)),
        ("192.0.2.1", "tcp", 5070, ("192.0.2.1", 5070)),
        ("[2001:db8::1]", "tcp", 0, ("2001:db8::1", 5060)),
        ("2001:db8::1", "tcp", 0, ("2001:db8::1", 5060)),
    ],
)
def test_an_address_needs_no_question(
    world: World, host: str, protocol: str, port: int, address: tuple[str, int]
) -> None:
    world.find(host, protocol, port)
    assert world.found == [(address,)]
    assert world.asked == []


def test_a_name_is_asked_for_on_another_thread_once_for_all_who_wait(world: World) -> None:
    world.find("pbx.example")
    world.find("PBX.example")
    assert world.found == []
    world.reactor.run_one()
    assert world.found == [(("192.0.2.1", 5060),)] * 2
    assert len(world.asked) == 1


def test_what_was_found_is_remembered_for_a_minute(world: World) -> None:
    world.find("pbx.example")
    world.reactor.run_one()
    world.reactor.time = 59.9
    world.find("pbx.example")
    assert len(world.found) == 2
    world.reactor.time = 60.1
    world.find("pbx.example")
    world.reactor.run_one()
    assert len(world.asked) == 2


def test_a_failure_is_remembered_for_five_seconds(world: World) -> None:
    world.find("no.example")
    world.reactor.run_one()
    world.find("no.example")
    assert world.found == [(), ()]
    world.reactor.time = 5.1
    world.known["no.example"] = (("192.0.2.9", 5060),)
    world.find("no.example")
    world.reactor.run_one()
    assert world.found[-1] == (("192.0.2.9", 5060),)


def test_protocols_and_ports_are_asked_for_apart(world: World) -> None:
    world.find("pbx.example", "udp")
    world.find("pbx.example", "tcp")
    world.find("pbx.example", "udp", 5070)
    for _ in range(3):
        world.reactor.run_one()
    assert len(set(world.asked)) == 3


def test_after_close_nobody_is_called(world: World) -> None:
    world.find("pbx.example")
    world.names.close()
    world.reactor.run_one()
    assert world.found == []


def records(*texts: str) -> Callable[..., object]:
    """What dnspython answers with these SRV records."""

    class Answered:
        rrset = dns.rrset.from_text_list("x.", 60, "IN", "SRV", texts)

    return lambda *_, **__: Answered()


def test_rfc3263_without_a_port_the_srv_records_lead_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns.resolver, "resolve", records("20 0 5080 127.0.0.2.", "10 0 5070 127.0.0.1."))
    assert look_up("tcp", "pbx.example", 0) == (("127.0.0.1", 5070), ("127.0.0.2", 5080))


def test_rfc3263_the_service_of_each_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(name: str, *_: object, **__: object) -> None:
        asked.append(name)
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    for protocol, port in (("udp", 5060), ("tcp", 5060), ("tls", 5061)):
        assert ("127.0.0.1", port) in look_up(protocol, "localhost", 0)
    assert asked == ["_sip._udp.localhost", "_sip._tcp.localhost", "_sips._tcp.localhost"]


def test_rfc3263_with_a_port_nobody_is_asked_for_srv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names.dns.resolver, "resolve", None)
    assert ("127.0.0.1", 5070) in look_up("udp", "localhost", 5070)
