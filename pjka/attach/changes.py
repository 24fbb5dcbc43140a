"""What a new version of the configuration changes for the sockets of the process. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pjka.attach.assign import STREAMS
from pjka.attach.source import Plan
from pjka.changes import differences
from pjka.conf.checks import KEEPALIVE_OPTIONS
from pjka.conf.objects import Aor, Transport
from pjka.status import ChangeRow

_OURS = frozenset(
    {*KEEPALIVE_OPTIONS, "tcp_user_timeout", "keepalive", "firewall_timeout", "bind", "protocol"}
)
_OF_AORS = frozenset({"close_wedged", "remove_unreachable", "qualify_down", "qualify_frequency"})
_NOT_OURS = "the PBX itself has to take it on"


def changes(before: Plan, after: Plan, connections: Mapping[str, int]) -> tuple[ChangeRow, ...]:
    """One row for each object that changes, and one for what pjka leaves to the PBX.

    ``connections``: how many each transport has now.
    """
    rows = [*_transports(before, after), *_aors(before, after)]
    return tuple(
        _with_connections(row, connections.get(row.id, 0))
        if row.kind == "transport" and row.change in ("added", "changed", "removed")
        else row
        for row in rows
    )


def _with_connections(row: ChangeRow, count: int) -> ChangeRow:
    return ChangeRow(row.kind, row.id, row.change, row.options, row.reason, count, row.file, row.line)


def _transports(before: Plan, after: Plan) -> Iterator[ChangeRow]:
    old, new = _streams(before), _streams(after)
    for name, transport in new.items():
        if name in after.rejected:
            yield _row(transport, "rejected", reason=after.rejected[name])
        elif name not in old:
            yield _row(transport, "added")
        else:
            yield from _changed(before, after, name)
    for name in old.keys() - new.keys():
        yield _row(old[name], "removed", reason="what its sockets had before is put back")


def _changed(before: Plan, after: Plan, name: str) -> Iterator[ChangeRow]:
    transport = after.configuration.transports[name]
    texts = dict(differences(before.configuration.transports[name], transport))
    ours = [text for option, text in texts.items() if option in _OURS]
    was, then = before.policies[name].mechanism, after.policies[name].mechanism
    if was != then:
        ours.append(f"mechanism: {was} -> {then}")
    if ours:
        yield _row(transport, "changed", tuple(ours))
    theirs = tuple(text for option, text in texts.items() if option not in _OURS)
    if theirs:
        yield _row(transport, "kept", theirs, _NOT_OURS)


def _aors(before: Plan, after: Plan) -> Iterator[ChangeRow]:
    for name, aor in after.configuration.aors.items():
        old = before.configuration.aors.get(name)
        texts = dict(differences(old, aor)) if old is not None else {}
        ours = tuple(text for option, text in texts.items() if option in _OF_AORS)
        if ours:
            yield _row(aor, "changed", ours)


def _streams(plan: Plan) -> dict[str, Transport]:
    every = plan.configuration.transports
    return {name: transport for name, transport in every.items() if transport.protocol in STREAMS}


def _row(thing: Transport | Aor, change: str, options: tuple[str, ...] = (), reason: str = "") -> ChangeRow:
    kind = "transport" if isinstance(thing, Transport) else "aor"
    place = thing.place
    return ChangeRow(kind, thing.id, change, options, reason, file=place.file, line=place.line)
