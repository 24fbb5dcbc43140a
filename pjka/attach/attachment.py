"""The sockets of one process: found, assigned to transports, brought to the policy and looked after.

Nothing here waits or reads a clock. Listing sockets costs the kernel a walk over all of them, so there are
three kinds of look: `look_at_listeners` (microseconds), `look_for_outgoing` (the kernel leaves out what
listeners accepted, which inherits their options), and `look_at_all` (with a share of the sockets read back).
"""

from __future__ import annotations

import errno
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from pjka import enforce
from pjka.attach.assign import UNASSIGNED, Assigner, Assignment
from pjka.attach.deaths import cause_of
from pjka.attach.events import Applied
from pjka.attach.held import Held, Wanted, bring, examine, restore, shift
from pjka.attach.herd import HARMLESS, Herd
from pjka.attach.pings import Sample
from pjka.enforce import Outcome
from pjka.events import ConnectionDown, ConnectionUp, Drift, Events, TransportDown, TransportFailed
from pjka.keepalive.platforms import SocketOption
from pjka.linux.connections import Diagnostics, KernelConnection, printed
from pjka.linux.process import Process
from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.status import Cause

_PATIENCE = 5.0
_DEATHS = 1000


class Attachment:
    """What is known of one process's TCP sockets; ``listeners`` and ``connections`` are by the kernel's
    cookie.

    ``now`` is seconds of a monotonic clock. An OSError from any method means that the process has ended
    (ProcessLookupError) or that a right is missing (PermissionError).
    """

    def __init__(self, process: Process, kernel: Diagnostics, events: Events) -> None:
        self.process = process
        self.kernel = kernel
        self.listeners: dict[int, Held] = {}
        self.connections: dict[int, Held] = {}
        self.deaths: deque[ConnectionDown] = deque(maxlen=_DEATHS)
        self._tell = events.publish
        self._assigner = Assigner({}, {})
        self._wanted: Mapping[str, Wanted] = {}
        self._serials = itertools.count(1)
        self._foreign: set[int] = set()
        self._other_listeners: set[int] = set()
        self._listed: dict[int, int] = {}
        self._leaving: dict[int, tuple[Held, float]] = {}
        self._killed: dict[int, Cause] = {}
        self._introduced = False
        self._herds: list[Herd] = []
        self._postponed: set[int] = set()
        self._turn: Iterator[int] = iter(())
        self._refused: set[tuple[str, SocketOption]] = set()

    def configure(self, assigner: Assigner, wanted: Mapping[str, Wanted]) -> None:
        """Go by another configuration: assign every socket anew and bring it to what is wanted now.

        Where nothing is wanted any more, what was found is put back.
        """
        self._assigner, self._wanted = assigner, wanted
        self._refused.clear()
        self._assign_listeners()
        self._settle([*self.listeners.values()])
        self._assign(self.connections.values())
        self._settle([*self.connections.values()])

    def look_at_listeners(self, now: float) -> None:
        """Notice listeners that came or went."""
        seen = {one.cookie: one for one in self.kernel.listeners()}
        gone = [self.listeners.pop(cookie) for cookie in self.listeners.keys() - seen.keys()]
        new = seen.keys() - self.listeners.keys() - self._other_listeners
        came = self._take([seen[cookie] for cookie in new], now)
        self.listeners.update((held.cookie, held) for held in came)
        self._other_listeners = seen.keys() - self.listeners.keys()
        if came or gone:
            self._assign_listeners()
            self._settle(came)
        for name in filter(None, (held.assignment.transport for held in gone)):
            self._tell(TransportDown(transport=name, reason="the process closed its listener"))

    def look_for_outgoing(self, now: float) -> None:
        """Notice new connections that no listener accepted."""
        ports = {held.connection.local[1] for held in self.listeners.values()}
        self._welcome(self.kernel.connections(besides=sorted(ports)), now)

    def look_at_all(self, now: float, share: float) -> None:
        """Notice what came and went, mend what drifted, and read back a ``share`` (0 to 1) of the sockets."""
        seen = {one.cookie: one for one in self.kernel.connections()}
        for cookie in self._leaving.keys() & seen.keys():
            self.connections[cookie] = self._leaving.pop(cookie)[0]
        for cookie in self.connections.keys() - seen.keys():
            self._leaving[cookie] = self.connections.pop(cookie), now
        suspects = []
        for cookie, held in self.connections.items():
            held.connection = seen[cookie]
            if held.looks_wrong():
                suspects.append(held)
        suspects += self._next_in_turn(share)
        new = [seen[cookie] for cookie in seen.keys() - self.connections.keys()]
        self._welcome(new, now)
        others = {one.cookie for one in new if one.inode and one.cookie not in self.connections}
        self._foreign = others
        self._examine([*suspects, *self.listeners.values()])
        self._bury_the_silent(now)
        self._listed = {}
        self._introduced = True

    def preview(self, wanted: Mapping[str, Wanted]) -> list[tuple[Held, tuple[enforce.Drift, ...]]]:
        """What would change on each socket if that were wanted; of sockets with a transport."""
        every = (*self.listeners.values(), *self.connections.values())
        return [
            (held, self._drift(held, wanted[held.assignment.transport]))
            for held in every
            if held.assignment.transport in wanted
        ]

    @property
    def waiting(self) -> bool:
        """Whether the user timeout of some connection is postponed."""
        return bool(self._postponed)

    def retry_postponed(self) -> None:
        """Set the user timeout on connections whose peer has answered by now."""
        for cookie in [*self._postponed]:
            held = self.connections.get(cookie)
            if held is not None:
                self._bring(held)
            if held is None or not held.postponed:
                self._postponed.discard(cookie)

    def disperse(self, elapsed: float) -> None:
        """Shift probes that would all be due at once; ``elapsed`` seconds since the last call.

        Not those that have not answered their last probe: their verdict must not be put off.
        """
        for herd in self._herds:
            for cookie in herd.due(elapsed):
                held = self.connections.get(cookie)
                looked = self.kernel.look(held.connection) if held is not None else None
                if held is not None and looked is not None and looked[0].retransmits == 0:
                    self._shift(held)
        self._herds = [herd for herd in self._herds if herd]

    def ended(self, endings: Iterable[tuple[KernelConnection, TcpInfo | None]], now: float) -> None:
        """Record the connections that the kernel has freed (`pjka.linux.connections.Endings`)."""
        for ending, info in endings:
            held = self._part_with(ending.cookie)
            if held is not None and info is not None:
                self._bury(held, self._cause(held, ending, info), now, info.last_ack_received / 1000)

    def process_gone(self, now: float) -> None:
        """Record the end of all that is left, after the process has ended."""
        for held in self.connections.values():
            self._bury(held, Cause.PROCESS_GONE, now, None)
        self.connections.clear()
        self.listeners.clear()

    def kill(self, held: Held, cause: Cause) -> bool:
        """End a connection, so that its owner gets an error at once; False where it has ended already.

        OSError EPERM without CAP_NET_ADMIN, EOPNOTSUPP where the kernel cannot.
        """
        self._killed[held.cookie] = cause
        return self.kernel.destroy(held.connection)

    def restore(self) -> None:
        """Put back on every socket what was found, listeners first."""
        self._wanted = {}
        self._settle([*self.listeners.values()])
        self._settle([*self.connections.values()])

    def samples(self, count: int) -> list[Sample]:
        """The kernel's account of up to ``count`` connections of each transport that has a policy."""
        chosen: dict[str, list[Held]] = {name: [] for name in self._wanted}
        for held in self.connections.values():
            its = chosen.get(held.assignment.transport)
            if its is not None and len(its) < count:
                its.append(held)
        found = []
        for held in itertools.chain.from_iterable(chosen.values()):
            looked = self.kernel.look(held.connection)
            if looked is not None and looked[1] is not None:
                found.append(_sample(held, looked[1]))
        return found

    def strangers(self) -> list[Held]:
        """The connections that the process opened, and nobody knows to whom."""
        return [held for held in self.shown() if not held.assignment.transport]

    def shown(self) -> list[Held]:
        """The connections that may be SIP: not those of a manager, say, or of a browser."""
        return [held for held in self.connections.values() if held.assignment.is_sip]

    def unmet(self) -> list[Held]:
        """The sockets that lack something that is wanted of them."""
        every = (*self.listeners.values(), *self.connections.values())
        return [held for held in every if held.unmet or held.postponed]

    def _welcome(self, seen: Iterable[KernelConnection], now: float) -> None:
        new = [one for one in seen if one.inode and one.cookie not in self.connections]
        came = self._take(new, now)
        self.connections.update((held.cookie, held) for held in came)
        self._assign(came)
        self._settle(came)
        if self._introduced:
            self._announce(held for held in came if held.assignment.is_sip)

    def _announce(self, came: Iterable[Held]) -> None:
        for held in came:
            event = ConnectionUp(
                serial=held.serial,
                transport=held.assignment.transport,
                protocol=held.protocol,
                direction=held.direction,
                local=printed(held.connection.local),
                peer=printed(held.connection.remote),
            )
            self._tell(event)

    def _take(self, new: Iterable[KernelConnection], now: float) -> list[Held]:
        """Those of the new sockets that the process has open."""
        unknown = [one for one in new if one.cookie not in self._foreign]
        if not unknown:
            return []
        fds = self._listed
        if any(one.inode not in fds for one in unknown):
            known = {held.fd for held in (*self.listeners.values(), *self.connections.values())}
            fds = self._listed = self.process.sockets(known)
        return [Held(next(self._serials), one, fds[one.inode], now) for one in unknown if one.inode in fds]

    def _assign_listeners(self) -> None:
        names = self._assigner.listeners([held.connection.local for held in self.listeners.values()])
        for held in self.listeners.values():
            name = names.get(held.connection.local)
            held.assignment = UNASSIGNED if name is None else Assignment(name, incoming=True)

    def _assign(self, connections: Iterable[Held]) -> None:
        for held in connections:
            held.assignment = self._assigner.connection(held.connection.local, held.connection.remote)
            held.protocol = self._assigner.protocol(held.assignment.transport)

    def _settle(self, sockets: list[Held]) -> None:
        """Bring sockets to what is wanted of them, and tell what that came to in one line per transport."""
        outcomes: dict[str, list[tuple[Held, Outcome]]] = {}
        for held in sockets:
            held.wanted = self._wanted.get(held.assignment.transport)
            outcome = self._bring(held)
            if outcome is not None:
                outcomes.setdefault(held.assignment.transport, []).append((held, outcome))
        for name, brought in outcomes.items():
            event = Applied(
                transport=name,
                sockets=len(brought),
                changed=sum(bool(outcome.drift) for _, outcome in brought),
                unmet=sum(not outcome.holds for _, outcome in brought),
                later=sum(held.postponed for held, _ in brought),
            )
            self._tell(event)
            self._disperse_later([held for held, _ in brought if held.probed_at_once])

    def _disperse_later(self, sockets: list[Held]) -> None:
        if len(sockets) > HARMLESS and sockets[0].wanted is not None:
            self._herds.append(Herd([held.cookie for held in sockets], sockets[0].wanted.idle))

    def _bring(self, held: Held) -> Outcome | None:
        """None where nothing was to be done, or where the process has let go of the socket."""
        try:
            if held.wanted is not None:
                outcome = bring(self.process, held, held.wanted)
            elif held.before:
                outcome = restore(self.process, held)
            else:
                return None
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            return None
        if held.postponed:
            self._postponed.add(held.cookie)
        self._tell_refusals(held, outcome)
        return outcome

    def _tell_refusals(self, held: Held, outcome: Outcome) -> None:
        name = held.assignment.transport
        for refusal in outcome.refused:
            if (name, refusal.option) not in self._refused:
                self._refused.add((name, refusal.option))
                self._tell(TransportFailed(transport=name, problem=str(refusal)))

    def _examine(self, sockets: Iterable[Held]) -> None:
        for held in sockets:
            drift = self._drift(held, held.wanted) if held.wanted is not None else ()
            if drift:
                outcome = self._bring(held)
                event = Drift(
                    serial=held.serial,
                    transport=held.assignment.transport,
                    peer=printed(held.connection.remote),
                    drift=tuple(map(str, drift)),
                    mended=outcome is not None and outcome.holds,
                )
                self._tell(event)

    def _shift(self, held: Held) -> None:
        try:
            shift(self.process, held)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise

    def _drift(self, held: Held, wanted: Wanted) -> tuple[enforce.Drift, ...]:
        try:
            return examine(self.process, held, wanted)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            return ()

    def _next_in_turn(self, share: float) -> list[Held]:
        count = -int(-len(self.connections) * share // 1)
        cookies = [*itertools.islice(self._turn, count)]
        if len(cookies) < count:
            self._turn = iter([*self.connections])
            cookies += itertools.islice(self._turn, count - len(cookies))
        return [held for cookie in cookies if (held := self.connections.get(cookie)) is not None]

    def _part_with(self, cookie: int) -> Held | None:
        if cookie in self._leaving:
            return self._leaving.pop(cookie)[0]
        return self.connections.pop(cookie, None)

    def _cause(self, held: Held, ending: KernelConnection, info: TcpInfo) -> Cause:
        if ending.cookie in self._killed:
            return self._killed.pop(ending.cookie)
        rest = self.kernel.look(ending)
        last, after = TcpState(held.connection.state), TcpState(rest[0].state) if rest else None
        cause = cause_of(last, info, after, incoming=held.assignment.incoming)
        return Cause.PROCESS_GONE if cause is Cause.CLOSED and self.process.ending() else cause

    def _bury_the_silent(self, now: float) -> None:
        """Record those that are gone from the kernel's list and whose end was not told."""
        for cookie, (held, since) in [*self._leaving.items()]:
            if now - since > _PATIENCE:
                del self._leaving[cookie]
                self._bury(held, self._killed.pop(cookie, Cause.UNKNOWN), now, None)

    def _bury(self, held: Held, cause: Cause, now: float, silent: float | None) -> None:
        if not held.assignment.is_sip:
            return
        death = ConnectionDown(
            serial=held.serial,
            transport=held.assignment.transport,
            protocol=held.protocol,
            direction=held.direction,
            local=printed(held.connection.local),
            peer=printed(held.connection.remote),
            cause=cause,
            age=now - held.since,
            silent=silent,
            detail="the PBX closed it" if cause is Cause.CLOSED else "",
        )
        self.deaths.append(death)
        self._tell(death)


def _sample(held: Held, info: TcpInfo) -> Sample:
    return Sample(
        held.cookie,
        held.assignment.transport,
        held.protocol,
        info.bytes_sent - info.bytes_retransmitted,
        info.bytes_received,
        info.last_data_sent / 1000,
    )
