"""One process from attaching to its end: the kernel's view of it, its configuration, its sockets."""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from pjka.attach.attachment import Attachment
from pjka.attach.changes import changes
from pjka.attach.contacts import Contacts, addresses_of
from pjka.attach.events import ConfigurationKept, PbxSilent, PingsCompete
from pjka.attach.held import Held
from pjka.attach.pings import Pings
from pjka.attach.source import Plan, Source
from pjka.conf.files import inside
from pjka.enforce import Drift
from pjka.errors import PjkaError
from pjka.events import Events, Reloaded
from pjka.keepalive.policy import Mechanism
from pjka.linux.connections import Diagnostics, Endings, printed
from pjka.linux.process import Process
from pjka.pbx import astdb
from pjka.pbx.astdb import AstdbError
from pjka.pbx.client import News, Snapshot, Trouble
from pjka.status import Cause, ChangeRow

_SOON = 1.0
_FULL_LOOK = 10.0
_READ_BACK_ALL = 120.0
_PING_LOOK = 2.0
_PING_SAMPLES = 8
_DATABASE_LOOK = 30.0
# a full look may take this share of the time
_SHARE = 1 / 200


class Session:
    """Looks after the sockets of one process; ``database`` is the path of its ``astdb.sqlite3``.

    Raises ConfigurationError, and OSError where the process ends meanwhile.
    """

    def __init__(
        self, process: Process, source: Source, database: str, events: Events, clock: Callable[[], float]
    ) -> None:
        self.process = process
        self.source = source
        self.plan: Plan = source.load()
        self._events = events
        self._clock = clock
        self._database = database
        self.loaded = time.time()
        self.started = self._last_full = self._last_step = clock()
        self._cost = 0.0
        self._opened = (-1, -1)
        self.contacts = Contacts()
        self.pings: Mapping[str, float] = {}
        self._pings = Pings()
        self._pbx_pings: int | None = None
        self._pings_told: dict[str, PingsCompete] = {}
        self._pings_due = self.started
        self._database_due = self.started
        with ExitStack() as undo:
            self.endings = process.in_network(Endings)
            undo.callback(self.endings.close)
            kernel = process.in_network(Diagnostics)
            undo.callback(kernel.close)
            self.attachment = Attachment(process, kernel, events)
            self._undo = undo.pop_all()

    def now(self) -> float:
        """The time by the session's clock."""
        return self._clock()

    def close(self) -> None:
        """Let go of the process; what was set stays set."""
        self._undo.close()

    def begin(self) -> None:
        """Apply the policy: to the listeners first, so that what is accepted from now on inherits it."""
        self._opened = self.process.opened()
        self.attachment.configure(self.plan.assigner, self.plan.wanted)
        self.attachment.look_at_listeners(self._clock())
        self._look_at_all(0.0)
        # what was waiting to be accepted when the listener changed is found by another look
        self._opened = (self._opened[0], -1)

    def preview(self) -> list[tuple[Held, tuple[Drift, ...]]]:
        """What `begin` would change, without changing anything."""
        self.attachment.configure(self.plan.assigner, {})
        self.attachment.look_at_listeners(self._clock())
        self._look_at_all(0.0)
        return self.attachment.preview(self.plan.wanted)

    def settle(self, seconds: float) -> None:
        """Wait until no user timeout is postponed any more, at most this long."""
        deadline = self._clock() + seconds
        while self.attachment.waiting and self._clock() < deadline:
            select.select([self.endings], [], [], 0.05)
            self.hear()
            self.attachment.retry_postponed()

    def hear(self) -> None:
        """Take in what the kernel has told of connections that ended."""
        self.attachment.ended(self.endings.read(), self._clock())

    def step(self) -> None:
        """Notice what is new and mend what drifted; OSError where the process has ended."""
        now = self._clock()
        self.hear()
        self.attachment.look_at_listeners(now)
        self.attachment.retry_postponed()
        self.attachment.disperse(now - self._last_step)
        self._last_step = now
        opened, accepted = self.process.opened()
        due = now - self._last_full
        if due >= max(_FULL_LOOK, self._cost / _SHARE) or (
            accepted != self._opened[1] and due >= max(_SOON, self._cost / _SHARE)
        ):
            self._opened = opened, accepted
            self._look_at_all(min(1.0, due / _READ_BACK_ALL))
        elif opened != self._opened[0]:
            self._opened = opened, self._opened[1]
            self.attachment.look_for_outgoing(now)
        self._look_for_pings(now)
        self._read_database(now)
        self._drop_given_up(now)
        if self.source.changed():
            self._reload_or_tell()

    def learn(self, news: News) -> None:
        """Take in what the PBX told of its contacts."""
        if isinstance(news, Trouble):
            self._events.publish(PbxSilent(reason=news.reason))
        elif isinstance(news, Snapshot):
            self.contacts.replace(news.contacts, news.calling, self._clock())
            self._pbx_pings = news.keep_alive
        else:
            self.contacts.update(news, self._clock())
        self._lead_to_contacts()

    def reload(self) -> tuple[ChangeRow, ...]:
        """Read the configuration again and apply it; what has changed.

        PjkaError where it is unusable, and the one before stays in force.
        """
        before, self.plan = self.plan, self.source.load(self.contacts, self.plan)
        if self.plan.configuration == before.configuration:
            return ()
        self.loaded = time.time()
        self.attachment.configure(self.plan.assigner, self.plan.wanted)
        done = changes(before, self.plan, self._counts())
        self._events.publish(Reloaded(file=self.source.path, changes=done))
        return done

    def preview_reload(self) -> tuple[ChangeRow, ...]:
        """What `reload` would change; nothing is changed."""
        return changes(self.plan, self.source.read(self.contacts, self.plan), self._counts())

    def _counts(self) -> Counter[str]:
        return Counter(held.assignment.transport for held in self.attachment.connections.values())

    def _reload_or_tell(self) -> None:
        try:
            self.reload()
        except PjkaError as error:
            self._events.publish(ConfigurationKept(problem=str(error)))

    def competing(self, transport: str) -> tuple[str, ...]:
        """What competes with the kernel's keep-alive on a transport, in words."""
        told = self._pings_told.get(transport)
        return () if told is None else (f"the PBX sends CRLF every {told.interval:g} s: {told.advice}",)

    def _advice(self) -> str:
        """What to do about pings of the PBX."""
        in_file = self.plan.configuration.global_.keep_alive_interval
        if in_file:
            return f"set keep_alive_interval=0 instead of {in_file} in [global], then restart the PBX"
        if self._pbx_pings:
            return "keep_alive_interval is 0 in the file: reload the PBX, then restart it"
        return "only a restart of the PBX ends them; until then the user timeout bounds detection"

    def _look_for_pings(self, now: float) -> None:
        """See on a few connections of each transport whether the PBX pings where it should not."""
        if now < self._pings_due:
            return
        self._pings_due = now + _PING_LOOK
        self.pings = self._pings.look(self.attachment.samples(_PING_SAMPLES), now)
        for name in self.plan.wanted:
            interval = self.pings.get(name) or float(self._pbx_pings or 0)
            source = "wire" if name in self.pings else "pbx"
            if interval and self.plan.policies[name].mechanism is Mechanism.KERNEL:
                self._tell_pings(
                    PingsCompete(
                        transport=name, interval=round(interval, 1), source=source, advice=self._advice()
                    )
                )
            else:
                self._pings_told.pop(name, None)

    def _tell_pings(self, event: PingsCompete) -> None:
        before = self._pings_told.get(event.transport)
        if before is None or (before.source, before.advice) != (event.source, event.advice):
            self._pings_told[event.transport] = event
            self._events.publish(event)

    def _lead_to_contacts(self) -> None:
        """Assign outgoing connections to contacts that are known only now."""
        strangers = {held.connection.remote for held in self.attachment.strangers()}
        if strangers & {address for contact in self.contacts for address in addresses_of(contact)}:
            self.plan = self.source.lead(self.plan, self.contacts)
            self.attachment.configure(self.plan.assigner, self.plan.wanted)

    def _read_database(self, now: float) -> None:
        """Without a manager session, the contacts are those in Asterisk's database."""
        if self.contacts.known or now < self._database_due:
            return
        self._database_due = now + _DATABASE_LOOK
        try:
            found = astdb.contacts(inside(self.process.root(), self._database), time.time())
        except (AstdbError, OSError):
            return
        for contact in found:
            self.contacts.update(contact, now)
        self._lead_to_contacts()

    def _drop_given_up(self, now: float) -> None:
        """End the connections of contacts that `@close_wedged` or `@remove_unreachable` wants dropped."""
        for contact, aor in self.contacts.given_up(self.plan.configuration.aors, now):
            places = addresses_of(contact)
            if self.contacts.calls_are_older(contact) or contact.endpoint in self.contacts.calling:
                continue
            self.contacts.dealt_with(contact)
            cause = Cause.WEDGED if aor.close_wedged else Cause.UNREACHABLE
            for held in [*self.attachment.connections.values()]:
                if held.assignment.transport and held.connection.remote in places:
                    self._end(held, cause)

    def _end(self, held: Held, cause: Cause) -> None:
        try:
            self.attachment.kill(held, cause)
        except OSError as error:
            peer = printed(held.connection.remote)
            reason = f"the connection to {peer} cannot be ended: {error.strerror}"
            self._events.publish(PbxSilent(reason=reason))

    def _look_at_all(self, share: float) -> None:
        """It counts as what it takes of the processor: on a busy machine the clock says more."""
        before = time.thread_time()
        self._last_full = self._clock()
        self.attachment.look_at_all(self._last_full, share)
        self._cost = time.thread_time() - before
