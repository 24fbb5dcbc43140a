"""The OPTIONS that qualifies a contact, field by field as Asterisk sends it (res_pjsip.c).

The request goes to the contact's URI with all its parameters, from the endpoint, by the endpoint's transport
or else the one that the URI asks for; the endpoint's outbound proxy comes before the AOR's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from pjka.conf.objects import Aor, Auth, Endpoint, Registration
from pjka.errors import PjkaError
from pjka.pjproject.digest import Credential
from pjka.pjproject.requests import Request

_URI = re.compile(
    r"(?P<scheme>sips?):(?:[^@]*@)?(?P<host>\[[0-9a-f:.]+\]|[^\s:;?@\[\]]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<parameters>(?:;[^?]*)?)(?:\?.*)?",
    re.IGNORECASE,
)
_TRANSPORT = re.compile(r";transport=([^;]+)", re.IGNORECASE)
_SYMMETRIC = re.compile(r";x-ast-txp(?:=([^;?>]*))?", re.IGNORECASE)
_USER_MARKS = "-_.!~*'()&=+$,;?/%"  # RFC 3261 section 25.1, user; % as it may be escaped already
_PROTOCOLS = ("udp", "tcp", "tls")


@dataclass(frozen=True, slots=True)
class Exit:
    """A transport of ours that a request can leave by, with the address that it shows to the destination."""

    transport: str
    protocol: str
    host: str
    port: int


class Exits(Protocol):
    """The transports that requests can leave by."""

    def named(self, transport: str, destination: str) -> Exit | None:
        """The transport of this id, as seen from ``destination``; None if there is none."""

    def any_of(self, protocol: str, destination: str) -> Exit | None:
        """A transport of this protocol, as seen from ``destination``; None if there is none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request and where it goes; ``transport`` is the id of ours that it leaves by, ``sent_by`` for Via."""

    request: Request
    transport: str
    protocol: str
    host: str
    port: int
    sent_by: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a URI points: ``port`` 0 = not said."""

    protocol: str
    host: str
    port: int


def plan(
    uri: str, aor: Aor, endpoint: Endpoint, auths: Mapping[str, Auth], exits: Exits, user_agent: str
) -> Plan:
    """The OPTIONS for a contact of ``aor`` in the name of ``endpoint``.

    PjkaError if the URI cannot be understood, or if no transport of ours leads there.
    """
    symmetric = _SYMMETRIC.search(uri)
    target = _SYMMETRIC.sub("", uri)
    routes = tuple(
        proxy.removeprefix("<").removesuffix(">")
        for proxy in (endpoint.outbound_proxy, aor.outbound_proxy)
        if proxy
    )
    first = hop(routes[0] if routes else target)
    wanted = endpoint.transport or (symmetric[1] if symmetric and symmetric[1] else "")
    leave = (exits.named(wanted, first.host) if wanted else None) or exits.any_of(first.protocol, first.host)
    if leave is None:
        raise PjkaError(
            f"no {first.protocol} transport leads to {first.host}", option="transport", value=wanted
        )
    request = Request(
        "OPTIONS",
        target,
        _from(endpoint, leave, target),
        target,
        _contact(endpoint, leave, target),
        routes,
        (("User-Agent", user_agent),) if user_agent else (),
        credentials=credentials(endpoint, auths),
    )
    sent_by = (leave.host, leave.port)
    return Plan(request, leave.transport, leave.protocol, first.host, first.port, sent_by)


def credentials(owner: Endpoint | Registration, auths: Mapping[str, Auth]) -> tuple[Credential, ...]:
    """What the owner's ``outbound_auth`` can answer a challenge with; unknown ids are left out."""
    known = [auths[name] for name in owner.outbound_auth if name in auths]
    return tuple(
        Credential(
            auth.username,
            auth.password or None,
            "" if auth.realm == "*" else auth.realm,
            tuple((digest.algorithm, digest.digest) for digest in (*auth.password_digest, *auth.md5_cred)),
        )
        for auth in known
    )


def hop(uri: str) -> Hop:
    """Where a request to this URI goes. PjkaError if that cannot be understood, or is no protocol of ours."""
    parsed = _URI.fullmatch(uri)
    if parsed is None:
        raise PjkaError("not a SIP URI", value=uri)
    said = _TRANSPORT.search(parsed["parameters"])
    secure = parsed["scheme"].lower() == "sips"
    protocol = said[1].lower() if said else "udp"
    if secure and protocol in ("udp", "tcp"):
        protocol = "tls"
    if protocol not in _PROTOCOLS:
        raise PjkaError(f"qualify over {protocol} is not possible", value=uri, expected="udp, tcp or tls")
    return Hop(protocol, parsed["host"].strip("[]"), int(parsed["port"] or 0))


def _from(endpoint: Endpoint, leave: Exit, target: str) -> str:
    """The user is from_user or the endpoint's id, the host from_domain or the transport's own."""
    return f"{_scheme(target)}:{_user(endpoint)}@{endpoint.from_domain or _bracketed(leave.host)}"


def _contact(endpoint: Endpoint, leave: Exit, target: str) -> str:
    """The listener's own address and port, not the ephemeral port of a connection."""
    user = quote(endpoint.contact_user, safe=_USER_MARKS) or _user(endpoint)
    place = f"{_scheme(target)}:{user}@{_bracketed(leave.host)}:{leave.port}"
    return place if leave.protocol == "udp" else f"{place};transport={leave.protocol.upper()}"


def _user(endpoint: Endpoint) -> str:
    return quote(endpoint.from_user or endpoint.id, safe=_USER_MARKS)


def _scheme(target: str) -> str:
    return "sips" if target.lower().startswith("sips:") else "sip"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
