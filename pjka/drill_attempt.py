"""One case of `pjka drill`: a connection through a laboratory, its cut, and the wait for what comes of it."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pjka import enforce
from pjka.drill_plan import Beat, Case, Condition
from pjka.errors import PjkaError
from pjka.keepalive.crlf import PING, PONG
from pjka.lab import PBX_ADDRESS, Lab
from pjka.linux import tcp_info

_PORT = 5060
_TURN = 0.25
_PATIENCE = 5.0
_REQUEST = b"OPTIONS"


class Interrupted(Exception):
    """There is no time to wait for the end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    ``measured``: seconds to the end of the connection, None if it had none within ``waited``; ``outlived``:
    whether a request still arrived in the end, None without a firewall. ``problem``: why it was not tried.
    """

    case: Case
    measured: float | None = None
    waited: float = 0.0
    outlived: bool | None = None
    problem: str = ""

    @property
    def right(self) -> bool:
        """Whether it came as predicted."""
        if self.problem:
            return False
        if self.outlived is not None:
            return self.outlived == self.case.outlives
        return self.case.right(self.measured)


def set_timers(lab: Lab, sysctls: Mapping[str, int]) -> None:
    """Give the PBX's namespace these ``net.ipv4`` values; a new one has the kernel's own."""
    for name, value in sysctls.items():
        lab.pbx.sysctl(f"net.ipv4.{name}", value)


class Attempt:
    """A case to be tried; ``watch`` is how long a connection is watched that is predicted not to end."""

    def __init__(self, case: Case, watch: float, sysctls: Mapping[str, int], stop: threading.Event) -> None:
        self._case = case
        self._wait = case.longest if math.isfinite(case.longest) else watch
        self._sysctls = sysctls
        self._stop = stop

    def run(self, setting_up: threading.Semaphore, began: Callable[[Case], object]) -> Outcome:
        """Try it; OSError, LabError or PjkaError where that cannot be done, `Interrupted` when stopped."""
        with ExitStack() as ending:
            with setting_up:
                if self._stop.is_set():
                    raise Interrupted
                lab = ending.enter_context(Lab())
                set_timers(lab, self._sysctls)
                if self._case.firewall:
                    lab.firewall.forget_after(self._case.firewall)
                phone, pbx = ending.enter_context(_connection(lab, self._case))
            began(self._case)
            if self._case.condition is Condition.FIREWALL:
                return self._idle(phone, pbx)
            return self._cut(lab, phone, pbx)

    def _cut(self, lab: Lab, phone: socket.socket, pbx: socket.socket) -> Outcome:
        lab.firewall.drop_both_ways()
        cut = time.monotonic()
        if self._case.condition is Condition.BUSY:
            pbx.sendall(_REQUEST)
        ended = self._watch(phone, pbx, cut)
        waited = time.monotonic() - cut
        return Outcome(self._case, None if ended is None else ended - cut, waited)

    def _idle(self, phone: socket.socket, pbx: socket.socket) -> Outcome:
        """Wait for longer than the firewall remembers, then send a request from the PBX."""
        began = time.monotonic()
        outlived = self._watch(phone, pbx, began) is None and _arrives(pbx, phone)
        return Outcome(self._case, waited=time.monotonic() - began, outlived=outlived)

    def _watch(self, phone: socket.socket, pbx: socket.socket, began: float) -> float | None:
        """When the connection ended for the PBX, None if it has not in all that time."""
        pulse = _Pulse(self._case.beat, pbx, began)
        poll = select.poll()
        for end in (phone, pbx):
            poll.register(end, select.POLLIN)
        while (left := began + self._wait - (now := time.monotonic())) > 0:
            if self._stop.is_set():
                raise Interrupted
            if pulse.beat(now):
                return now
            turn = max(0.0, min(_TURN, left, pulse.due - now))
            ready = {descriptor for descriptor, _ in poll.poll(math.ceil(turn * 1000))}
            if phone.fileno() in ready:
                self._answer(phone)
            if pbx.fileno() in ready:
                if _ended(pbx):
                    return time.monotonic()
                pulse.answered()
        return None

    def _answer(self, phone: socket.socket) -> None:
        phone.recv(4096)
        if self._case.beat and self._case.beat.patience is not None:
            phone.sendall(PONG)


class _Pulse:
    """What the PBX writes at its own pace, and the answers that it waits for."""

    def __init__(self, beat: Beat | None, pbx: socket.socket, now: float) -> None:
        self._beat = beat
        self._pbx = pbx
        self._next = now + beat.every if beat else math.inf
        self._unanswered: list[float] = []

    @property
    def due(self) -> float:
        """When there is something to do."""
        return min(self._next, self._verdict)

    @property
    def _verdict(self) -> float:
        beat = self._beat
        if beat is None or beat.patience is None or len(self._unanswered) < beat.misses:
            return math.inf
        return self._unanswered[beat.misses - 1] + beat.patience

    def beat(self, now: float) -> bool:
        """Write if it is time to; whether too many answers are missing."""
        if self._beat and now >= self._next:
            self._pbx.sendall(PING)
            self._unanswered.append(now)
            self._next += self._beat.every
        return now >= self._verdict

    def answered(self) -> None:
        """An answer came."""
        self._unanswered.clear()


def _ended(pbx: socket.socket) -> bool:
    try:
        return not pbx.recv(4096)
    except OSError:
        return True


def _arrives(pbx: socket.socket, phone: socket.socket) -> bool:
    """Whether what the PBX sends now reaches the phone, after whatever came before it."""
    pbx.sendall(_REQUEST)
    phone.settimeout(_PATIENCE)
    heard = b""
    try:
        while not heard.endswith(_REQUEST) and (data := phone.recv(4096)):
            heard += data
    except TimeoutError:
        return False
    return heard.endswith(_REQUEST)


@contextmanager
def _connection(lab: Lab, case: Case) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The phone's and the PBX's end, which has the options from its listener; PjkaError if it has not."""
    with ExitStack() as closing:
        listener = closing.enter_context(lab.pbx.run(lambda: socket.create_server((PBX_ADDRESS, _PORT))))
        listener.settimeout(_PATIENCE)
        enforce.apply(listener.fileno(), case.options)
        phone = closing.enter_context(
            lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, _PORT), _PATIENCE))
        )
        pbx = closing.enter_context(listener.accept()[0])
        pbx.settimeout(_PATIENCE)
        if drift := enforce.check(pbx.fileno(), case.options):
            raise PjkaError(f"the kernel does not take the settings: {', '.join(map(str, drift))}")
        _say(phone, pbx)
        _say(pbx, phone)
        _settle(pbx)
        yield phone, pbx


def _say(one: socket.socket, other: socket.socket) -> None:
    one.sendall(PONG)
    if other.recv(len(PONG)) != PONG:
        raise PjkaError("the path is broken before its cut")


def _settle(pbx: socket.socket) -> None:
    """Wait until all is acknowledged: a segment on the way at the cut would make it a busy connection."""
    deadline = time.monotonic() + _PATIENCE
    while tcp_info.read(pbx.fileno()).unacked:
        if time.monotonic() > deadline:
            raise PjkaError("the path is broken before its cut")
        time.sleep(0.01)
