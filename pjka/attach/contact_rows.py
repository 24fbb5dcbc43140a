"""The rows of contacts, AORs and endpoints, by what the PBX has told of its contacts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from pjka.attach.assign import Address
from pjka.attach.contacts import addresses_of
from pjka.attach.held import Held
from pjka.attach.rows import detection_now, mechanism_of
from pjka.attach.session import Session
from pjka.conf.objects import Aor
from pjka.linux.connections import printed
from pjka.pbx.contacts import PbxContact
from pjka.status import AorRow, ContactRow, EndpointRow

_AVAILABLE = ("Reachable", "NonQualified", "Unknown", "")


def contacts(session: Session) -> list[ContactRow]:
    """One row for each contact that the PBX has told of, with the connection that carries it."""
    held = {one.connection.remote: one for one in session.attachment.connections.values()}
    return [_contact_row(session, contact, held) for contact in session.contacts]


def aors(session: Session) -> list[AorRow]:
    """One row for each AOR of the configuration."""
    configuration = session.plan.configuration
    rows = []
    for name, aor in configuration.aors.items():
        its = [one for one in session.contacts if one.aor == name]
        row = AorRow(
            id=name,
            available=_available(its),
            contacts=len(its),
            reachable=_reachable(its),
            max_contacts=aor.max_contacts,
            frequency=aor.qualify_frequency,
            timeout=max(aor.qualify_timeout, 0.0),
            down=aor.qualify_down,
            endpoints=tuple(each.id for each in configuration.endpoints.values() if name in each.aors),
            note="" if session.contacts.known else "without --ami the status of contacts is not known",
        )
        rows.append(row)
    return rows


def endpoints(session: Session) -> list[EndpointRow]:
    """One row for each endpoint of the configuration."""
    rows = []
    for endpoint in session.plan.configuration.endpoints.values():
        its = [one for one in session.contacts if one.aor in endpoint.aors]
        row = EndpointRow(
            id=endpoint.id,
            state="online" if _available(its) else "offline",
            aors=endpoint.aors,
            transport=endpoint.transport,
            contacts=len(its),
            reachable=_reachable(its),
        )
        rows.append(row)
    return rows


def _available(contacts: Iterable[PbxContact]) -> bool:
    """As Asterisk dials: every contact that is not known to be unreachable is tried."""
    return any(one.status in _AVAILABLE for one in contacts)


def _reachable(contacts: Iterable[PbxContact]) -> int:
    return sum(one.status == "Reachable" for one in contacts)


def _contact_row(session: Session, contact: PbxContact, held: Mapping[Address, Held]) -> ContactRow:
    found = [held[address] for address in addresses_of(contact) if address in held]
    one = found[0] if found else None
    transport = one.assignment.transport if one else ""
    aor = session.plan.configuration.aors.get(contact.aor)
    policy = session.plan.policies.get(transport)
    idle = detection_now(session, policy, 0) if one else None
    by_options = _missed(aor)
    soonest = min((seconds for seconds in (idle, by_options) if seconds is not None), default=None)
    return ContactRow(
        aor=contact.aor,
        uri=contact.uri,
        status=contact.status or "Unknown",
        rtt=contact.rtt,
        transport=transport,
        connection=one.serial if one else None,
        peer=printed(one.connection.remote) if one else "",
        mechanism=mechanism_of(session, transport) if one else "",
        frequency=aor.qualify_frequency if aor else 0,
        expires=None if contact.expires is None else max(contact.expires - time.time(), 0.0),
        user_agent=contact.user_agent,
        endpoints=(contact.endpoint,) if contact.endpoint else (),
        detection=soonest,
        detected_by="" if soonest is None else "kernel" if soonest == idle else "options",
    )


def _missed(aor: Aor | None) -> float | None:
    """Seconds until OPTIONS that go unanswered make a contact of the AOR unreachable, in the worst case."""
    if aor is None or not aor.qualify_frequency:
        return None
    return aor.qualify_frequency * aor.qualify_down + max(aor.qualify_timeout, 0.0)
