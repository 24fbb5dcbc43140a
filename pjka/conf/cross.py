"""What only shows when all objects are there: defaults for all transports, names of other objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from pjka.conf.checks import KEEPALIVE_OPTIONS
from pjka.conf.objects import Aor, Auth, ConfigObject, Endpoint, Global, Registration, Transport
from pjka.conf.report import Problem
from pjka.conf.uris import parse_sip_uri

_SECURE: Final = ("tls", "wss")


def with_defaults(transport: Transport, settings: Global) -> Transport:
    """A tcp or tls ``transport`` with those ``@tcp_keepalive_*`` of ``[global]`` that it does not set."""
    names = [name for name in KEEPALIVE_OPTIONS if name in settings.places and name not in transport.places]
    if not names or transport.protocol not in ("tcp", "tls"):
        return transport
    return replace(
        transport,
        places={**transport.places, **{name: settings.places[name] for name in names}},
        at_options=transport.at_options | frozenset(names),
        **{name: getattr(settings, name) for name in names},
    )


def check_interval(transport: Transport) -> Iterator[Problem]:
    """Code and documentation of Asterisk have different defaults for the interval."""
    if transport.protocol not in ("tcp", "tls") or not transport.tcp_keepalive_enable:
        return
    if "tcp_keepalive_interval_time" not in transport.places:
        text = (
            "tcp_keepalive_interval_time is not set: 1 second is used, not the 10 of Asterisk's documentation"
        )
        yield Problem("interval-default", "tcp_keepalive_enable", text)


def check_endpoint_names(
    transports: Mapping[str, Transport],
    aors: Mapping[str, Aor],
    auths: Mapping[str, Auth],
    endpoint: Endpoint,
) -> Iterator[Problem]:
    """The transport, AORs and auths of an endpoint.

    AORs and auths are looked for only where the file has any: they may be in a database.
    """
    yield from _missing("transport", (endpoint.transport,), "transport", transports)
    if aors:
        yield from _missing("aors", endpoint.aors, "aor", aors)
    if auths:
        yield from _missing("auth", endpoint.auth, "auth", auths)
        yield from _missing("outbound_auth", endpoint.outbound_auth, "auth", auths)


def check_registration_names(
    transports: Mapping[str, Transport],
    endpoints: Mapping[str, Endpoint],
    auths: Mapping[str, Auth],
    registration: Registration,
) -> Iterator[Problem]:
    """The transport, endpoint and auths of a registration; the last two only where the file has any."""
    yield from _missing("transport", (registration.transport,), "transport", transports)
    yield from _check_reach(registration, transports)
    if endpoints:
        yield from _missing("endpoint", (registration.endpoint,), "endpoint", endpoints)
    if auths:
        yield from _missing("outbound_auth", registration.outbound_auth, "auth", auths)


def _check_reach(registration: Registration, transports: Mapping[str, Transport]) -> Iterator[Problem]:
    """Without a transport of its own, it needs one of the protocol and address family of its server.

    As ``sip_dialog_create_contact`` does, but only where the file has any: they may be in a database.
    """
    server = parse_sip_uri(registration.server_uri)
    protocol = server.transport or "udp"
    if server.scheme == "sips" and protocol not in _SECURE:
        protocol = "tls"
    version = 6 if ":" in server.host else 4
    found = [each for each in transports.values() if each.protocol == protocol and _version(each) == version]
    if transports and registration.transport not in transports and not found:
        text = f"there is no {protocol} transport of IPv{version} for server_uri"
        yield Problem("transport-missing", "server_uri", text)


def _version(transport: Transport) -> int:
    return 6 if ":" in transport.bind_host else 4


def _missing(
    option: str, names: tuple[str, ...], kind: str, there: Mapping[str, ConfigObject]
) -> Iterator[Problem]:
    for name in names:
        if name and name not in there:
            yield Problem("reference-missing", option, f"{option} names {kind} {name}, which is not loaded")
