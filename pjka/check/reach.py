"""Which AORs and registrations go over which transport, as Asterisk chooses it (``res_pjsip.c``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor, Registration, Transport

_TRANSPORT_PARAMETER: Final = re.compile(r";\s*transport\s*=\s*([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reach:
    """``transports`` are the ids of those over which an AOR's contacts can be reached, by the AOR's id.

    An AOR that no endpoint names is missing: nobody qualifies it.
    """

    transports: Mapping[str, tuple[str, ...]]
    aors: Mapping[str, tuple[Aor, ...]]
    registrations: Mapping[str, tuple[Registration, ...]]


def reach(configuration: Configuration) -> Reach:
    """Follow endpoints to their AORs, and both to transports.

    The endpoint's ``transport`` decides; without one the URI of a contact does, and a registered contact
    can be on any transport.
    """
    transports = _transports_of_aors(configuration)
    aors: dict[str, list[Aor]] = {name: [] for name in configuration.transports}
    for id, names in transports.items():
        for name in names:
            aors[name].append(configuration.aors[id])
    registrations: dict[str, list[Registration]] = {name: [] for name in configuration.transports}
    for registration in configuration.registrations.values():
        for name in _of_registration(registration, configuration.transports):
            registrations[name].append(registration)
    return Reach(
        transports,
        {name: tuple(found) for name, found in aors.items()},
        {name: tuple(found) for name, found in registrations.items()},
    )


def _transports_of_aors(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    everything = tuple(configuration.transports)
    for endpoint in configuration.endpoints.values():
        for id in endpoint.aors:
            aor = configuration.aors.get(id)
            if aor is None:
                continue
            names = _named(endpoint.transport, configuration.transports)
            if not endpoint.transport:
                names = everything if aor.max_contacts else _by_uri(aor.contact, configuration.transports)
            earlier = found.get(id)
            found[id] = names if earlier is None else tuple(dict.fromkeys((*earlier, *names)))
    return found


def _of_registration(registration: Registration, transports: Mapping[str, Transport]) -> tuple[str, ...]:
    if registration.transport:
        return _named(registration.transport, transports)
    return _by_uri((registration.server_uri,), transports)


def _named(id: str, transports: Mapping[str, Transport]) -> tuple[str, ...]:
    return (id,) if id in transports else ()


def _by_uri(uris: Iterable[str], transports: Mapping[str, Transport]) -> tuple[str, ...]:
    protocols = {_protocol(uri) for uri in uris}
    return tuple(id for id, transport in transports.items() if transport.protocol in protocols)


def _protocol(uri: str) -> str:
    if match := _TRANSPORT_PARAMETER.search(uri):
        return match[1].lower()
    return "tls" if uri.lower().startswith("sips:") else "udp"
