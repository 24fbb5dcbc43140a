"""What the PBX knows of its phones, joined to their connections. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import sipmessage

from pjka.attach.assign import Address, Target, canonical
from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor
from pjka.pbx.contacts import PbxContact

_UNREACHABLE = "Unreachable"


class Contacts:
    """The contacts of the PBX by AOR and URI, and the endpoints that have calls."""

    def __init__(self) -> None:
        self.known = False
        self.calling: frozenset[str] = frozenset()
        self.asked = 0.0
        self._contacts: dict[tuple[str, str], PbxContact] = {}
        self._unreachable_since: dict[tuple[str, str], float] = {}

    def __iter__(self) -> Iterator[PbxContact]:
        return iter(self._contacts.values())

    def replace(self, contacts: Iterable[PbxContact], calling: frozenset[str], now: float) -> None:
        """These are all the contacts now, and the endpoints with calls."""
        self._contacts = {(one.aor, one.uri): one for one in contacts}
        self.calling, self.known, self.asked = calling, True, now
        for one in self._contacts.values():
            self._note(one, now)
        self._unreachable_since = {
            key: since for key, since in self._unreachable_since.items() if key in self._contacts
        }

    def update(self, contact: PbxContact, now: float) -> None:
        """The status of a contact has changed; where it registered from stays known."""
        key = contact.aor, contact.uri
        if contact.status == "Removed":
            self._contacts.pop(key, None)
            self._unreachable_since.pop(key, None)
            return
        before = self._contacts.get(key)
        if before is not None and not contact.via_host:
            contact = PbxContact(
                aor=contact.aor,
                uri=contact.uri,
                endpoint=contact.endpoint or before.endpoint,
                status=contact.status,
                rtt=contact.rtt,
                via_host=before.via_host,
                via_port=before.via_port,
                user_agent=before.user_agent,
                expires=before.expires,
            )
        self._contacts[key] = contact
        self._note(contact, now)

    def at(self, remote: Address) -> list[PbxContact]:
        """The contacts whose connection has this peer."""
        return [one for one in self if remote in addresses_of(one)]

    def carries_call(self, remote: Address) -> bool:
        """Whether an endpoint with a call has a contact at this peer."""
        return any(one.endpoint in self.calling for one in self.at(remote))

    def given_up(self, aors: Mapping[str, Aor], now: float) -> list[tuple[PbxContact, Aor]]:
        """The contacts that their AOR wants dropped, with that.

        The PBX calls one Unreachable after a single miss. It counts as ``@qualify_down`` misses once it has
        stayed so for the time that the others would have taken.
        """
        found = []
        for key, since in self._unreachable_since.items():
            aor = aors.get(key[0])
            if aor is None or not (aor.close_wedged or aor.remove_unreachable):
                continue
            if now - since >= (aor.qualify_down - 1) * aor.qualify_frequency:
                found.append((self._contacts[key], aor))
        return found

    def calls_are_older(self, contact: PbxContact) -> bool:
        """Whether the calls were asked for before this contact became unreachable."""
        return self.asked < self._unreachable_since.get((contact.aor, contact.uri), 0.0)

    def dealt_with(self, contact: PbxContact) -> None:
        """Do not give this contact up again before it has been reachable."""
        self._unreachable_since.pop((contact.aor, contact.uri), None)

    def _note(self, contact: PbxContact, now: float) -> None:
        key = contact.aor, contact.uri
        if contact.status == _UNREACHABLE:
            self._unreachable_since.setdefault(key, now)
        else:
            self._unreachable_since.pop(key, None)


def targets(contacts: Iterable[PbxContact], configuration: Configuration) -> Iterator[Target]:
    """The contacts as places that the PBX may connect to."""
    for contact in contacts:
        endpoint = configuration.endpoints.get(contact.endpoint)
        yield Target(contact.uri, endpoint.transport if endpoint else "")


def addresses_of(contact: PbxContact) -> set[Address]:
    """Where the contact's connection leads: where it registered from, or else what its URI says."""
    if contact.via_host and contact.via_port:
        return {(canonical(contact.via_host), contact.via_port)} | _of_uri(contact.uri)
    return _of_uri(contact.uri)


def _of_uri(text: str) -> set[Address]:
    try:
        uri = sipmessage.URI.parse(text)
    except ValueError:
        return set()
    secure = uri.scheme == "sips" or str(uri.parameters.get("transport")).lower() == "tls"
    return {(canonical(uri.host.strip("[]")), uri.port or (5061 if secure else 5060))}
