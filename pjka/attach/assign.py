"""Which transport a foreign socket belongs to. Pure: addresses and objects in, names out.

A listener belongs to the transport with its bind address and port, and what it accepted has its port. An
outgoing connection has a port of its own: only its peer tells, and a PBX talks to databases and web servers
too. So it is assigned only where an object of `pjsip.conf` or a contact leads to that very address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import sipmessage

from pjka.conf.loader import Configuration
from pjka.conf.objects import Transport

Address = tuple[str, int]
Resolver = Callable[[str], Iterable[str]]

STREAMS = ("tcp", "tls")
_WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where a connection belongs: a transport's id, or "" with the reason in ``note``."""

    transport: str
    incoming: bool
    note: str = ""

    @property
    def is_sip(self) -> bool:
        """Whether it may be SIP: a transport accepted it, or the process opened it, whatever to."""
        return bool(self.transport) or not self.incoming


UNASSIGNED = Assignment("", incoming=False, note="nothing in pjsip.conf leads to this peer")
NOT_SIP = Assignment("", incoming=True, note="its listener belongs to no transport")


@dataclass(frozen=True, slots=True)
class Target:
    """An object that leads to a peer: ``transport`` is the one it names, "" where it names none."""

    uri: str
    transport: str = ""


class Assigner:
    """Assigns sockets to the tcp and tls transports of one configuration.

    ``default`` is the transport of outgoing connections to peers that nothing in the configuration leads to.
    ``resolve`` is asked for the addresses to which transports are bound by name or in a short form.
    """

    def __init__(
        self,
        transports: Mapping[str, Transport],
        peers: Mapping[Address, str],
        default: str = "",
        resolve: Resolver = lambda host: (host,),
    ) -> None:
        self._streams = {
            name: transport for name, transport in transports.items() if transport.protocol in STREAMS
        }
        self._bound: dict[Address, str] = {}
        for name, transport in self._streams.items():
            for host in _bound_to(transport.bind_host, resolve):
                self._bound.setdefault((host, transport.bind_port), name)
        self._peers = peers
        self._default = default
        self._listening: dict[Address, str | None] = {}

    def listeners(self, held: Iterable[Address]) -> dict[Address, str]:
        """Assign the process's listening addresses; those of no transport are left out.

        `connection` goes by the latest answer.
        """
        self._listening = {address: self._bound.get(address) for address in held}
        return {address: name for address, name in self._listening.items() if name is not None}

    def connection(self, local: Address, remote: Address) -> Assignment:
        """Assign a connection of the process."""
        for address in (local, *((wildcard, local[1]) for wildcard in _WILDCARDS)):
            if address in self._listening:
                name = self._listening[address]
                return NOT_SIP if name is None else Assignment(name, incoming=True)
        if remote in self._peers:
            return Assignment(self._peers[remote], incoming=False)
        if self._default:
            return Assignment(self._default, incoming=False)
        return UNASSIGNED

    def protocol(self, transport: str) -> str:
        """The protocol of a transport, tcp for none."""
        return self._streams[transport].protocol if transport in self._streams else "tcp"


def peers(configuration: Configuration, contacts: Iterable[Target], resolve: Resolver) -> dict[Address, str]:
    """The addresses that objects and ``contacts`` lead to, each with its transport.

    It is the transport that the object names, else the only one of the protocol that its URI asks for.
    ``resolve`` turns a host name into addresses; it is asked once for each.
    """
    streams = {
        name: transport.protocol
        for name, transport in configuration.transports.items()
        if transport.protocol in STREAMS
    }
    found: dict[Address, str] = {}
    for target in (*static_targets(configuration), *contacts):
        for host, port, protocol in _hops(target.uri):
            transport = _choose(target.transport, protocol, streams)
            if transport:
                default = 5061 if streams[transport] == "tls" else 5060
                found.update({(canonical(address), port or default): transport for address in resolve(host)})
    return found


def static_targets(configuration: Configuration) -> Iterator[Target]:
    """What the PBX connects to by its configuration: static contacts, registrars and proxies."""
    for endpoint in configuration.endpoints.values():
        yield Target(endpoint.outbound_proxy, endpoint.transport)
        for aor in (configuration.aors[name] for name in endpoint.aors if name in configuration.aors):
            yield Target(aor.outbound_proxy, endpoint.transport)
            yield from (Target(uri, endpoint.transport) for uri in aor.contact)
    for registration in configuration.registrations.values():
        yield Target(registration.server_uri, registration.transport)
        yield Target(registration.outbound_proxy, registration.transport)


def canonical(host: str) -> str:
    """An address as the kernel's is printed; an IPv4 one inside IPv6 is plain IPv4. Names stay."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _bound_to(host: str, resolve: Resolver) -> list[str]:
    """What a listener is bound to: pjproject looks a name up as IPv4 (sock_common.c, pj_sockaddr_parse2)."""
    return [canonical(address) for address in resolve(host) if ":" in host or ":" not in address]


def _hops(text: str) -> Iterator[tuple[str, int, str]]:
    """Host, port and protocol of a URI; none for one that does not go over TCP or that cannot be read."""
    try:
        uri = sipmessage.URI.parse(text.strip().removeprefix("<").removesuffix(">"))
    except ValueError:
        return
    secure = uri.scheme == "sips"
    protocol = str(uri.parameters.get("transport") or ("tls" if secure else "")).lower()
    if secure and protocol == "tcp":
        protocol = "tls"
    if uri.scheme in ("sip", "sips") and uri.host and protocol in ("", *STREAMS):
        yield uri.host.strip("[]"), uri.port or 0, protocol


def _choose(named: str, protocol: str, streams: Mapping[str, str]) -> str:
    if named in streams:
        return named
    if named or not protocol:
        return ""
    of_that_kind = [name for name, kind in streams.items() if kind == protocol]
    return of_that_kind[0] if len(of_that_kind) == 1 else ""
