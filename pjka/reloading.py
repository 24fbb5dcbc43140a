"""Putting a new version of a configuration into force on a live system."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from pjka.changes import Action, Running, Step, differences, plan
from pjka.check.policy import policies
from pjka.conf.dialect import read
from pjka.conf.loader import Configuration
from pjka.errors import PjkaError
from pjka.listeners import Started
from pjka.pjproject.transports import check_startable
from pjka.status import ChangeRow

if TYPE_CHECKING:
    from pjka.module import TransportManagement

# As often as Asterisk tries to bind: a closed socket is free only when pjproject has polled.
_ATTEMPTS, _PAUSE = 3, 0.1


class Reload:
    """One reload. ``present`` are the ids of all transport sections in the file, rejected ones too."""

    def __init__(self, module: TransportManagement, new: Configuration, present: Collection[str]) -> None:
        self._module = module
        self._listeners = module.listeners
        self._new = new
        self._wanted = policies(new, module.platform)
        running = {
            id: Running(each.transport, each.policy, each.listener is not None, each.files)
            for id, each in module.listeners.all.items()
        }
        self._steps = plan(running, new, self._wanted, present)

    def rows(self) -> tuple[ChangeRow, ...]:
        """What would be done."""
        return (*(step.row for step in self._steps), *self._settings())

    def apply(self) -> tuple[ChangeRow, ...]:
        """Do it, and say what was done. Waits for the reactor; to be called from another thread."""
        call = self._module.reactor.call
        settings = self._settings()
        rows = [self._take(step) for step in self._steps]
        call(lambda: self._module.take_settings(self._new))
        reached = call(self._reach_connections, timeout=60.0)
        return (*(replace(row, connections=reached.get(row.id, 0)) for row in rows), *settings)

    def _take(self, step: Step) -> ChangeRow:
        call, row = self._module.reactor.call, step.row
        if step.action is Action.STOP:
            call(lambda: self._listeners.stop(row.id, row.reason))
        elif step.action is Action.CHANGE:
            call(lambda: self._change(step))
        elif step.action is not Action.KEEP:
            return self._start(step)
        return row

    def _change(self, step: Step) -> None:
        assert step.transport is not None
        assert step.policy is not None
        self._listeners.change(step.transport, step.policy)

    def _start(self, step: Step) -> ChangeRow:
        """Start, or stop and start again; what cannot be started leaves the old one as it was."""
        assert step.transport is not None
        before = self._listeners.all.get(step.row.id)
        if before is not None and before.listener is not None:
            try:
                check_startable(self._module.endpoint, step.transport)
            except PjkaError as error:
                return replace(step.row, change="rejected", reason=str(error))
            self._module.reactor.call(lambda: self._listeners.stop(step.row.id, step.row.reason))
        started = self._try(step)
        if started.listener is not None:
            return step.row
        if before is not None and before.listener is not None:
            self._try(replace(step, transport=before.transport, policy=before.policy))
        return replace(step.row, change="rejected", reason=started.problem)

    def _try(self, step: Step) -> Started:
        assert step.transport is not None
        assert step.policy is not None
        transport, policy = step.transport, step.policy
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE)
            started = self._module.reactor.call(lambda: self._listeners.start(transport, policy))
            if started.listener is not None:
                break
        return started

    def _reach_connections(self) -> dict[str, int]:
        """Bring existing connections to the policies that are now in force, without closing any."""
        touched = {step.row.id for step in self._steps if step.action in (Action.CHANGE, Action.RESTART)}
        reached: dict[str, int] = {}
        for connection in self._module.monitors:
            if connection.transport in touched:
                self._module.enforce(connection)
                reached[connection.transport] = reached.get(connection.transport, 0) + 1
        return reached

    def _settings(self) -> tuple[ChangeRow, ...]:
        """What changes in the objects that are not transports, as far as it concerns them."""
        old = self._module.configuration
        if old is None:
            return ()
        rows = []
        for kind, before, after in (
            ("global", old.global_, self._new.global_),
            ("system", old.system, self._new.system),
        ):
            changed = dict(differences(before, after))
            taken = tuple(text for name, text in changed.items() if name in _TAKEN)
            at_start = tuple(text for name, text in changed.items() if name in _AT_START)
            row = ChangeRow(kind, kind, "changed", file=after.place.file, line=after.place.line)
            if taken:
                rows.append(replace(row, options=taken))
            if at_start:
                reason = "it is taken at the start only"
                rows.append(replace(row, change="kept", options=at_start, reason=reason))
        return tuple(rows)


_TAKEN = frozenset({"keep_alive_interval", "timer_t1", "timer_b"})
_AT_START = frozenset({"user_agent"})


def transports_in(path: str) -> frozenset[str]:
    """The ids of all transport sections in the file, those too that are rejected."""
    return frozenset(
        section.name
        for section in read(path).sections
        if not section.template
        and any(option.name == "type" and option.value == "transport" for option in section.options)
    )
