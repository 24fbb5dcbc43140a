"""What qualify knows, as the rows that are shown, and ``pjka qualify`` as a command of the control socket."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from pjka.conf.objects import Endpoint
from pjka.pjproject.reactor import Reactor
from pjka.pjproject.requests import Cause, Result
from pjka.qualifier import Qualifier, Side
from pjka.qualify.contact import Contact, Rules, Status
from pjka.qualify.registry import Aor, Key
from pjka.status import AorRow, ContactRow, EndpointRow
from pjka.surface.protocol import TIMEOUT_LIMIT, Code, RequestError, check_arguments, text_argument


def contact_rows(qualifier: Qualifier, now: float) -> list[ContactRow]:
    """All contacts. On the reactor's thread."""
    return [
        _contact_row(qualifier, (name, uri), aor, contact, now)
        for name, aor in qualifier.registry.aors.items()
        for uri, contact in aor.contacts.items()
    ]


def aor_rows(qualifier: Qualifier) -> list[AorRow]:
    """All AORs. On the reactor's thread."""
    return [_aor_row(qualifier, name, aor) for name, aor in qualifier.registry.aors.items()]


def endpoint_rows(qualifier: Qualifier) -> list[EndpointRow]:
    """All endpoints. On the reactor's thread."""
    configuration = qualifier.configuration
    if configuration is None:
        return []
    return [_endpoint_row(qualifier, endpoint) for endpoint in configuration.endpoints.values()]


def qualify_command(
    qualifier: Qualifier, reactor: Reactor, arguments: Mapping[str, object]
) -> dict[str, object]:
    """``qualify`` of the control socket: the AOR's contacts once all have their result. On any other thread.

    RequestError for bad arguments or if it takes too long, PjkaError for an AOR that has no contacts.
    """
    check_arguments(arguments, frozenset({"aor"}))
    name = text_argument(arguments, "aor")
    finished, results = threading.Event(), dict[Key, Result]()

    def take(found: Mapping[Key, Result]) -> None:
        results.update(found)
        finished.set()

    reactor.call(lambda: qualifier.qualify_now(name, take))
    if not finished.wait(TIMEOUT_LIMIT):
        raise RequestError(Code.DEADLINE, "the contacts have no result yet", option="aor")
    rows = [row for row in reactor.call(lambda: contact_rows(qualifier, reactor.now())) if row.aor == name]
    rules = qualifier.registry.aors[name].rules
    if not rules.frequency:
        rows = [_with_result(row, results.get((name, row.uri)), rules) for row in rows]
    return {"rows": [row.to_json() for row in rows]}


def _with_result(row: ContactRow, result: Result | None, rules: Rules) -> ContactRow:
    """The row as this one result makes it: with frequency 0 nothing else keeps it."""
    if result is None:
        return row
    if result.cause is Cause.ANSWER and rules.accepts(result.status):
        return replace(row, status=Status.REACHABLE.value, rtt=_seconds(result.rtt))
    return replace(row, status=Status.UNREACHABLE.value)


def _contact_row(qualifier: Qualifier, key: Key, aor: Aor, contact: Contact, now: float) -> ContactRow:
    due = qualifier.registry.schedule.due(key)
    side = qualifier.sides.get(key, Side())
    registered = aor.registered.get(key[1])
    expires = registered.expires if registered else None
    rules, connection = aor.rules, qualifier.connection(side)
    return ContactRow(
        aor=key[0],
        uri=key[1],
        status=contact.status.value,
        rtt=_seconds(contact.rtt),
        rtt_min=_seconds(contact.rtt_min),
        rtt_avg=_seconds(contact.rtt_avg),
        rtt_max=_seconds(contact.rtt_max),
        sent=contact.sent,
        answered=contact.answered,
        late=contact.late,
        misses=contact.misses,
        last=f"{contact.last} ({side.note})" if side.note else contact.last,
        next_due=None if due is None else max(0.0, due - now),
        transport=side.transport,
        connection=connection,
        peer=_address(side.peer) if side.peer and connection is not None else "",
        frequency=rules.frequency,
        expires=None if expires is None else max(0.0, expires - now),
        user_agent=registered.user_agent if registered else "",
        endpoints=aor.settings.endpoints,
        detection=rules.frequency * rules.down + max(rules.timeout, 0.0) if rules.frequency else None,
        detected_by="options" if rules.frequency else "",
    )


def _aor_row(qualifier: Qualifier, name: str, aor: Aor) -> AorRow:
    configuration, rules = qualifier.configuration, aor.rules
    most = configuration.aors[name].max_contacts if configuration else 0
    return AorRow(
        id=name,
        available=aor.available > 0,
        contacts=len(aor.contacts),
        reachable=_reachable(aor),
        max_contacts=most,
        frequency=rules.frequency,
        timeout=max(rules.timeout, 0.0),
        down=rules.down,
        up=rules.up,
        endpoints=aor.settings.endpoints,
        note="" if aor.settings.endpoints else "no endpoint uses it: nothing is sent to its contacts",
    )


def _endpoint_row(qualifier: Qualifier, endpoint: Endpoint) -> EndpointRow:
    aors = [qualifier.registry.aors[name] for name in endpoint.aors if name in qualifier.registry.aors]
    return EndpointRow(
        id=endpoint.id,
        state="online" if qualifier.registry.online(endpoint.id) else "offline",
        aors=endpoint.aors,
        transport=endpoint.transport,
        contacts=sum(len(aor.contacts) for aor in aors),
        reachable=sum(_reachable(aor) for aor in aors),
    )


def _reachable(aor: Aor) -> int:
    return sum(contact.status is Status.REACHABLE for contact in aor.contacts.values())


def _address(peer: tuple[str, int]) -> str:
    host, port = peer
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _seconds(microseconds: int) -> float | None:
    return microseconds / 1e6 if microseconds else None
