"""``pjka run`` as a registrar: phones register, keep their flows, die, and come back after a ``kill -9``."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from managed import Certificates, until
from phones import Loop, Phone, phones
from test_run import Running

from pjka.pjproject.engine import active_engine

Section = Callable[..., str]
Run = Callable[..., Running]

PHONE = """
[{user}]
type=endpoint
aors={user}
{auth}
[{user}]
type=aor
max_contacts={contacts}
qualify_frequency={frequency}
{aor}
"""
AUTH = "[{user}]\ntype=auth\nauth_type=userpass\nusername={user}\npassword=secret\n"


def phone(
    user: str = "alice",
    *,
    contacts: int = 1,
    frequency: int = 0,
    aor: str = "",
    endpoint: str = "",
    auth: bool = False,
) -> str:
    text = PHONE.format(
        user=user,
        contacts=contacts,
        frequency=frequency,
        aor=aor,
        endpoint=endpoint,
        auth=f"auth={user}" if auth else "",
    )
    return text + (AUTH.format(user=user) if auth else "")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[Running] = []

    def start(text: str) -> Running:
        started.append(Running(tmp_path, text))
        return started[-1].ready()

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        each.log.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    with phones() as running:
        yield running


def port_of(section: str) -> int:
    return int(section.split("bind=127.0.0.1:")[1].split()[0])


def rows(running: Running, what: str) -> list[dict[str, object]]:
    return running.ask(f"show {what}")["rows"]  # type: ignore[index,no-any-return]


OUTBOUND = ("@keepalive=outbound", "@flow_timer=100")


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_r6_r9_registered_flow_with_flow_timer_qualified_over_it(
    run: Run, transport: Section, loop: Loop, certificates: Certificates, protocol: str
) -> None:
    section = transport("t", protocol, *OUTBOUND)
    running = run(section + phone(frequency=60, auth=True))
    context = certificates.client() if protocol == "tls" else None
    alice = loop.run(Phone("alice", port_of(section), "secret", context).connect())
    answer = loop.run(alice.register())
    assert answer.startswith("SIP/2.0 200")
    assert "Require: outbound\r\n" in answer
    assert "Flow-Timer: 100\r\n" in answer
    loop.run(alice.ping())
    until(lambda: rows(running, "contacts")[0]["status"] == "Reachable")
    contact, flow = rows(running, "contacts")[0], rows(running, "flows")[0]
    assert (contact["uri"], contact["connection"]) == (alice.contact, flow["connection"])
    assert alice.options == 1
    assert (flow["role"], flow["aor"], flow["reg_id"], flow["instance_id"]) == (
        "server",
        "alice",
        1,
        alice.instance,
    )
    assert (flow["kept_alive"], flow["pings"], flow["flow_timer"]) == (True, 1, 100)
    loop.do(alice.abort)
    until(lambda: not rows(running, "contacts"))
    assert rows(running, "flows") == []


def test_auth_wrong_password_unknown_endpoint_and_no_contacts_allowed(
    run: Run, transport: Section, loop: Loop
) -> None:
    section = transport("t", "tcp", *OUTBOUND)
    running = run(section + phone(auth=True) + phone("bob") + phone("closed", contacts=0))
    port = port_of(section)

    async def tries() -> list[str]:
        wrong = await Phone("alice", port, "wrong").connect()
        stranger = await Phone("mallory", port, "secret").connect()
        closed = await Phone("closed", port).connect()
        return [(await each.register()).split("\r\n")[0] for each in (wrong, stranger, closed)]

    assert loop.run(tries()) == [
        "SIP/2.0 401 Unauthorized",
        "SIP/2.0 401 Unauthorized",
        "SIP/2.0 403 Forbidden",
    ]
    assert rows(running, "contacts") == []


def test_rfc6223_keep_gets_the_flow_timer(run: Run, transport: Section, loop: Loop) -> None:
    section = transport("t", "tcp", *OUTBOUND)
    run(section + phone())
    alice = loop.run(Phone("alice", port_of(section)).connect())
    answer = loop.run(alice.register(via=";keep"))
    assert ";keep=100;" in answer.partition("\r\nFrom")[0]


def test_r7_no_flow_timer_where_the_transport_is_not_outbound(
    run: Run, transport: Section, loop: Loop
) -> None:
    section = transport("t", "tcp", "tcp_keepalive_enable=yes")
    running = run(section + phone())
    alice = loop.run(Phone("alice", port_of(section)).connect())
    answer = loop.run(alice.register())
    assert "Flow-Timer" not in answer
    assert "Require" not in answer
    assert [row["uri"] for row in rows(running, "contacts")] == [alice.contact]
    loop.do(alice.close)
    until(lambda: not rows(running, "contacts"))


def test_unregistering_ends_the_flow_and_leaves_the_connection(
    run: Run, transport: Section, loop: Loop
) -> None:
    section = transport("t", "tcp", *OUTBOUND)
    running = run(section + phone())
    alice = loop.run(Phone("alice", port_of(section)).connect())
    loop.run(alice.register())
    assert loop.run(alice.register(expires=0)).startswith("SIP/2.0 200")
    assert rows(running, "contacts") == []
    assert [row["why_not"] for row in rows(running, "flows")] == ["no REGISTER has come over this connection"]
    loop.run(alice.ping())


def test_two_flows_of_one_instance_and_the_contact_stays_while_one_lives(
    run: Run, transport: Section, loop: Loop
) -> None:
    section = transport("t", "tcp", *OUTBOUND)
    running = run(section + phone(contacts=2))
    port = port_of(section)

    async def both() -> tuple[Phone, Phone]:
        first, second = await Phone("alice", port).connect(), await Phone("alice", port).connect()
        await first.register(reg_id=1)
        answer = await second.register(reg_id=2)
        assert answer.count("Contact:") == 2
        return first, second

    first, second = loop.run(both())
    assert sorted(str(row["reg_id"]) for row in rows(running, "flows")) == ["1", "2"]
    loop.do(first.close)
    until(lambda: len(rows(running, "flows")) == 1)
    assert [row["uri"] for row in rows(running, "contacts")] == [second.contact]


def test_a2_remove_unreachable_drops_the_contact_and_its_connection(
    run: Run, transport: Section, loop: Loop
) -> None:
    section = transport("t", "tcp", *OUTBOUND)
    running = run(section + phone(frequency=1, aor="qualify_timeout=0.5\n@remove_unreachable=yes"))
    alice = loop.run(Phone("alice", port_of(section)).connect())
    alice.mute = True
    loop.run(alice.register())
    loop.run(asyncio.wait_for(alice.closed.wait(), 10))
    until(lambda: not rows(running, "contacts"))
    assert rows(running, "deaths")[-1]["cause"] == "unreachable"


def test_udp_registration_sent_again_is_answered_again(run: Run, transport: Section, loop: Loop) -> None:
    section = transport("u", "udp")
    running = run(section + phone())
    text = (
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1;rport\r\n"
        "From: <sip:alice@127.0.0.1>;tag=1\r\nTo: <sip:alice@127.0.0.1>\r\nCall-ID: u\r\nCSeq: 1 REGISTER\r\n"
        "Contact: <sip:alice@127.0.0.1:9>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        answers = []
        for _ in range(2):
            peer.sendto(text.encode(), ("127.0.0.1", port_of(section)))
            answers.append(peer.recv(65535))
    assert answers[0].startswith(b"SIP/2.0 200")
    assert answers[0] == answers[1]
    assert [row["uri"] for row in rows(running, "contacts")] == ["sip:alice@127.0.0.1:9"]


def test_kill_9_loses_no_registration_and_restored_ones_are_not_reachable_before_they_answer(
    run: Run, transport: Section, loop: Loop, tmp_path: Path
) -> None:
    section = transport("t", "tcp", *OUTBOUND)
    text = section + "".join(
        phone(f"p{number}", frequency=60, aor="qualify_timeout=1") for number in range(5)
    )
    running = run(text)

    async def all_register() -> list[Phone]:
        return [await _registered(f"p{number}", port_of(section)) for number in range(5)]

    before = loop.run(all_register())
    until(lambda: all(row["status"] == "Reachable" for row in rows(running, "contacts")))
    running.end(signal.SIGKILL)
    running.socket.unlink()
    loop.run(_all_closed(before))
    again = run(text)
    shown = rows(again, "contacts")
    assert sorted(str(row["uri"]) for row in shown) == sorted(each.contact for each in before)
    assert not any(row["status"] == "Reachable" for row in shown)
    assert [row["connection"] for row in shown] == [None] * 5
    until(lambda: all(row["status"] == "Unreachable" for row in rows(again, "contacts")))
    back = loop.run(all_register())
    until(lambda: all(row["status"] == "Reachable" for row in rows(again, "contacts")))
    assert sorted(str(row["uri"]) for row in rows(again, "contacts")) == sorted(each.contact for each in back)


async def _registered(user: str, port: int, password: str = "") -> Phone:
    made = await Phone(user, port, password).connect()
    answer = await made.register()
    assert answer.startswith("SIP/2.0 200"), answer
    return made


async def _all_closed(all_phones: list[Phone]) -> None:
    await asyncio.wait_for(asyncio.gather(*(each.closed.wait() for each in all_phones)), 10)


class Crowd:
    """Many phones that register at once, ping, and die in every way."""

    def __init__(self, port: int, count: int) -> None:
        self.port, self.count = port, count
        self.alive: dict[str, Phone] = {}
        self.silent: dict[str, Phone] = {}
        self.acknowledged: dict[str, int] = {}
        self.pinging: dict[str, asyncio.Task[None]] = {}

    async def register(self) -> None:
        at_once = asyncio.Semaphore(100)

        async def one(user: str) -> None:
            async with at_once:
                self.alive[user] = await _registered(user, self.port)
                self.pinging[user] = asyncio.create_task(self.alive[user].ping_every(2.5))

        await asyncio.gather(*(one(f"p{number}") for number in range(self.count)))

    async def die(self, chance: random.Random) -> None:
        for user in list(self.alive):
            fate = chance.choices(("live", "fin", "rst", "silent"), (40, 25, 15, 20))[0]
            if fate == "live":
                continue
            phone = self.alive.pop(user)
            if fate == "fin":
                phone.close()
            elif fate == "rst":
                phone.abort()
            else:
                self.pinging[user].cancel()
                self.silent[user] = phone
        await asyncio.wait_for(asyncio.gather(*(each.closed.wait() for each in self.silent.values())), 30)

    async def refresh_until_closed(self) -> None:
        """Refresh without end, and remember what was acknowledged."""

        async def one(user: str, phone: Phone) -> None:
            expires = 600
            while not phone.closed.is_set():
                expires += 1
                waiting = asyncio.create_task(phone.register(expires=expires))
                closing = asyncio.create_task(phone.closed.wait())
                await asyncio.wait((waiting, closing), return_when=asyncio.FIRST_COMPLETED)
                closing.cancel()
                if waiting.done() and waiting.result().startswith("SIP/2.0 200"):
                    self.acknowledged[user] = expires
                waiting.cancel()

        await asyncio.gather(*(one(user, phone) for user, phone in self.alive.items()))


def kept(directory: Path) -> dict[str, tuple[str, float]]:
    """What is on disk, read by SQLite itself: URI and expiry by AOR."""
    database = sqlite3.connect(directory / "state" / "registrations.sqlite")
    try:
        return {
            aor: (uri, expires)
            for aor, uri, expires in database.execute("select aor, uri, expires from binding")
        }
    finally:
        database.close()


@pytest.mark.timeout(300)
def test_crowd_no_binding_outlives_its_connection_and_none_is_lost_over_kill_9(
    run: Run, transport: Section, loop: Loop, tmp_path: Path
) -> None:
    count = 2000 if active_engine().limits.handles > 3000 else 25
    section = transport("t", "tcp", "@keepalive=outbound", "@flow_timer=5")
    text = section + "".join(phone(f"p{number}") for number in range(count))
    running, crowd = run(text), Crowd(port_of(section), count)
    loop.run(crowd.register(), 120)
    assert len(rows(running, "contacts")) == len(rows(running, "flows")) == count
    loop.run(crowd.die(random.Random(5626)), 60)

    def alive() -> dict[str, str]:
        return {user: each.contact for user, each in crowd.alive.items()}

    until(lambda: len(rows(running, "contacts")) <= len(crowd.alive), 20)
    assert {row["aor"]: row["uri"] for row in rows(running, "contacts")} == alive()
    assert {row["aor"] for row in rows(running, "flows")} == crowd.alive.keys()
    until(lambda: {aor: uri for aor, (uri, _) in kept(tmp_path).items()} == alive())

    refreshing = asyncio.run_coroutine_threadsafe(crowd.refresh_until_closed(), loop.loop)
    until(lambda: len(crowd.acknowledged) == len(crowd.alive), 60)
    running.end(signal.SIGKILL)
    refreshing.result(60)
    now, disk = time.time(), kept(tmp_path)
    assert {aor: uri for aor, (uri, _) in disk.items()} == alive()
    for user, expires in crowd.acknowledged.items():
        assert disk[user][1] >= now - 60 + expires, user
    running.socket.unlink()
    again = run(text)
    assert {row["aor"]: row["uri"] for row in rows(again, "contacts")} == alive()
    assert {row["connection"] for row in rows(again, "contacts")} == {None}
