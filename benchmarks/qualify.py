"""What qualify costs: CPU per OPTIONS over UDP and TCP, timers at 10,000 a second, memory per contact.

Real pjproject on loopback; the peer is another process that answers 200 to everything. Before each second
that is measured a bare loop over pjproject's own functions sends OPTIONS to the same peer as fast as it can:
what that takes, in the same process at the same time, is the measure on a machine that others use too.
For comparison: Asterisk 22.10 takes 144 us per qualify for 2,000 AORs at frequency 1 over UDP on loopback.

    python benchmarks/qualify.py
    python benchmarks/qualify.py --seconds 10 --json
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import multiprocessing
import re
import socket
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from pjka.conf.loader import Configuration, load
from pjka.conf.objects import Transport
from pjka.exits import ListenerExits
from pjka.pjproject.endpoint import Endpoint, EndpointSettings
from pjka.pjproject.layouts import String
from pjka.pjproject.names import Names
from pjka.pjproject.requests import Requests
from pjka.pjproject.transports import Listener, start_listener
from pjka.qualifier import Qualifier
from pjka.qualify.contact import Status
from pjka.qualify.wedged import Carrier
from pjka.status import Cause

AIM_CPU, AIM_RATE, AIM_MEMORY = 50, 10_000, 4096  # us per qualify, qualifies per second, bytes per contact
BARE = 1500  # requests in one run of the bare loop
WINDOW = 16  # of them under way
_SAME = re.compile(rb"^(?:Via|From|To|Call-ID|CSeq):.*\r\n", re.MULTILINE)


def answer(requests: bytes) -> bytes:
    """200 OK to each of the requests, which have no body."""
    answers = [
        b"SIP/2.0 200 OK\r\n" + b"".join(_SAME.findall(one)) + b"Content-Length: 0\r\n\r\n"
        for one in requests.split(b"\r\n\r\n")
        if one
        for one in [one + b"\r\n"]
    ]
    return b"".join(answers)


def peer(protocol: str, told: Connection) -> None:
    """A peer in a process of its own; tells its port."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    listening = socket.socket(socket.AF_INET, kind)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    listening.bind(("127.0.0.1", 0))
    told.send(listening.getsockname()[1])
    if protocol == "udp":
        while True:
            request, source = listening.recvfrom(65535)
            listening.sendto(answer(request), source)
    listening.listen()
    accepted = listening.accept()[0]
    rest = b""
    while data := accepted.recv(1 << 20):
        whole, _, rest = (rest + data).rpartition(b"\r\n\r\n")
        accepted.sendall(answer(whole))


class Started(NamedTuple):
    """The transport that runs."""

    transport: Transport
    listener: Listener


class NoConnections:
    """Nothing is closed here."""

    def serial(self, _protocol: str, _peer: tuple[str, int]) -> int | None:
        return None

    def carrier(self, _serial: int) -> Carrier | None:
        return None

    def close(self, _serial: int, _cause: Cause) -> None:
        raise AssertionError("nothing is to be closed")


@contextmanager
def contacts(protocol: str, count: int, frequency: int) -> Iterator[Configuration]:
    """A configuration of so many AORs with one contact each, which all lead to one peer."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=peer, args=(protocol, far), daemon=True)
    process.start()
    assert near.poll(30), "the peer does not start"
    port = near.recv()
    with socket.socket(type=socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM) as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    lines = [f"[t]\ntype=transport\nprotocol={protocol}\nbind=127.0.0.1:{own}"]
    for number in range(count):
        uri = f"sip:u{number}@127.0.0.1:{port}\\;transport={protocol}"
        lines.append(f"[a{number}]\ntype=aor\nqualify_frequency={frequency}\ncontact={uri}")
        lines.append(f"[a{number}]\ntype=endpoint\naors=a{number}\ntransport=t")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("\n".join(lines))
        file.flush()
        configuration = load(Path(file.name))
    yield configuration
    process.kill()
    process.join()


class Running:
    """A qualifier on pjproject; counts what is late."""

    def __init__(self, configuration: Configuration) -> None:
        self.endpoint = Endpoint(EndpointSettings())
        self.endpoint.start()
        self.reactor = self.endpoint.reactor
        self.late: list[float] = []
        self.sent: list[float] = []
        self.reactor.call(lambda: self._start(configuration))

    def _start(self, configuration: Configuration) -> None:
        transport = configuration.transports["t"]
        exits = ListenerExits({"t": Started(transport, start_listener(self.endpoint, transport, ()))})
        requests = Requests(self.endpoint.native, self.reactor, Names(self.reactor))
        self.qualifier = Qualifier(self.reactor, requests, exits, NoConnections(), lambda _: None, Random(1))
        schedule = self.qualifier.registry.schedule
        handle = schedule.handle_timer

        def timed(now: float, limit: int) -> list[tuple[str, str]]:
            due = schedule.next_timer()
            if due is not None and due <= now:
                self.late.append(now - due)
            ready = handle(now, limit)
            self.sent += [now] * len(ready)
            return ready

        schedule.handle_timer = timed  # type: ignore[method-assign]

    def missed(self) -> int:
        """How many qualifies had no answer in time."""
        found = [c for aor in self.qualifier.registry.aors.values() for c in aor.contacts.values()]
        return sum(contact.sent - contact.answered for contact in found)

    def statuses(self) -> set[Status]:
        return {c.status for aor in self.qualifier.registry.aors.values() for c in aor.contacts.values()}

    def settle(self) -> None:
        """Wait until every contact has been qualified: the first time its request is prepared."""
        deadline = time.monotonic() + 60
        while self.reactor.call(self.statuses) != {Status.REACHABLE}:
            assert time.monotonic() < deadline, "not every contact has a status"
            time.sleep(1)

    def stop(self) -> None:
        self.reactor.call(self.qualifier.stop)
        self.endpoint.stop()


class Bare:
    """A loop over pjproject's own functions: the least that OPTIONS from Python can cost."""

    def __init__(self, running: Running, uri: str) -> None:
        native, address, integer = running.endpoint.native, ctypes.c_void_p, ctypes.c_int
        create = native.declare(
            "pjsip_endpt_create_request", integer, *(address,) * 7, integer, *(address,) * 2
        )
        function = ctypes.CFUNCTYPE(None, address, address)
        send = native.declare(
            "pjsip_endpt_send_request", integer, address, address, integer, address, function
        )
        method = native.declare("pjsip_get_options_method", address)()
        self.done, self._poll = 0, running.endpoint.pj.libHandleEvents
        self._ended = function(self._end)
        self._target = ctypes.byref(_string(uri))
        self._from = ctypes.byref(_string("sip:bare@127.0.0.1"))
        self._create, self._send, self._method, self._endpoint = create, send, method, native.endpoint

    def run(self) -> float:
        """CPU microseconds per request."""
        sent = self.done = 0
        cpu, pointer = time.thread_time(), ctypes.c_void_p()
        deadline = time.monotonic() + 30
        while self.done < BARE:
            assert time.monotonic() < deadline, "the peer does not answer"
            while sent < min(BARE, self.done + WINDOW):
                self._request(pointer)
                sent += 1
            self._poll(10)
        return (time.thread_time() - cpu) / BARE * 1e6

    def _request(self, pointer: ctypes.c_void_p) -> None:
        names = (self._target, self._from, self._target, self._from)
        status = self._create(self._endpoint, self._method, *names, None, -1, None, ctypes.byref(pointer))
        assert status == 0
        assert self._send(self._endpoint, pointer, -1, None, self._ended) == 0

    def _end(self, _token: int, _event: int) -> None:
        self.done += 1


def _string(text: str) -> String:
    return String(text.encode(), len(text.encode()))


class Second(NamedTuple):
    """What one second cost."""

    qualifies: float
    cpu: float  # us per qualify
    bare: float  # us per request, of the bare loop just before
    late: list[float]


def second(running: Running, bare: Bare) -> Second:
    """The bare loop, half a second to settle, and a second of qualifies."""
    least = running.reactor.call(bare.run, 60)
    time.sleep(0.5)
    late, sent = len(running.late), len(running.sent)
    cpu, start = time.process_time(), time.monotonic()
    time.sleep(1)
    cpu, elapsed = time.process_time() - cpu, time.monotonic() - start
    done = len(running.sent) - sent
    return Second(done / elapsed, cpu / done * 1e6, least, running.late[late:])


def rate(protocol: str, count: int, seconds: int) -> dict[str, object]:
    """CPU and lateness with so many contacts at frequency 1, once each was qualified.

    The CPU is that of the best second and of the median one, the ratio the median of those to the bare loop.
    """
    with contacts(protocol, count, 1) as configuration:
        running = Running(configuration)
        running.reactor.call(lambda: running.qualifier.load(configuration), 60)
        running.settle()
        bare = Bare(running, configuration.aors["a0"].contact[0])
        found = [second(running, bare) for _ in range(seconds)]
        missed = running.reactor.call(running.missed)
        running.stop()
    late = sorted(moment for one in found for moment in one.late)
    return {
        "protocol": protocol,
        "per_second": round(median(one.qualifies for one in found)),
        "cpu_us_best": round(min(one.cpu for one in found), 1),
        "cpu_us_median": round(median(one.cpu for one in found), 1),
        "bare_us_median": round(median(one.bare for one in found), 1),
        "ratio": round(median(one.cpu / one.bare for one in found), 2),
        "late_ms_median": round(late[len(late) // 2] * 1e3, 2),
        "late_ms_p99": round(late[len(late) * 99 // 100] * 1e3, 2),
        "late_ms_max": round(late[-1] * 1e3, 2),
        "missed": missed,
    }


def busiest(times: list[float], width: float) -> int:
    """The most moments in any window of this width (s)."""
    most = first = 0
    for last, moment in enumerate(times):
        while times[first] <= moment - width:
            first += 1
        most = max(most, last - first + 1)
    return most


def memory(count: int) -> dict[str, object]:
    """Python memory per contact once each has been qualified, without the configuration's own; and bursts."""
    with contacts("udp", count, 20) as configuration:
        running = Running(configuration)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        running.reactor.call(lambda: running.qualifier.load(configuration), 60)
        running.settle()
        running.reactor.call(running.qualifier.stop)
        time.sleep(1)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        running.stop()
    most, mean = busiest(running.sent[:count], 0.1), count / 200
    return {"contacts": count, "bytes_per_contact": round(taken / count), "busiest": most, "mean": mean}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=6, help="how long each rate is measured")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rates = [
        rate(protocol, count, options.seconds) for count in (2000, 10_000) for protocol in ("udp", "tcp")
    ]
    held = memory(10_000)
    if options.json:
        print(json.dumps({"rates": rates, "memory": held}, indent=2))
        return
    print("protocol     per s   us best  median    bare  ratio   late ms: median      p99      max  missed")
    for row in rates:
        print("{:8} {:9} {:9} {:7} {:7} {:6} {:17} {:8} {:8} {:7}".format(*row.values()))
    print("{} contacts, cold start: {} bytes each; busiest 100 ms {}, mean {:g}".format(*held.values()))
    print(f"aim: {AIM_CPU} us, {AIM_RATE:,} per second and none late, {AIM_MEMORY} bytes per contact")


if __name__ == "__main__":
    main()
