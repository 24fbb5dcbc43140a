"""The running transports as exits for requests: which one leads there, and under which address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Protocol

from pjka.conf.objects import Transport
from pjka.pjproject.layouts import Selector
from pjka.pjproject.transports import Listener
from pjka.qualify_request import Exit


class Started(Protocol):
    """A transport of the configuration; ``listener`` is None where it did not start."""

    @property
    def transport(self) -> Transport:
        """As it is configured."""

    @property
    def listener(self) -> Listener | None:
        """As it runs."""


class ListenerExits:
    """The exits that listeners are; ``started`` are the transports by id, as they are at any time.

    The first of a protocol is the one for requests that name none.
    """

    def __init__(self, started: Mapping[str, Started]) -> None:
        self._started = started

    def selector(self, transport: str) -> Selector | None:
        """What makes a request leave through this transport; None if it is not running."""
        found = self._started.get(transport)
        return found.listener.selector if found and found.listener else None

    def named(self, transport: str, destination: str) -> Exit | None:
        """The transport of this id, as seen from ``destination``; None if it is not running."""
        found = self._started.get(transport)
        return _exit(found.transport, found.listener, destination) if found and found.listener else None

    def any_of(self, protocol: str, destination: str) -> Exit | None:
        """The first transport of this protocol and of the destination's IP version; None if there is none."""
        for found in self._started.values():
            listener = found.listener
            if listener and listener.protocol == protocol and _fits(listener.host, destination):
                return _exit(found.transport, listener, destination)
        return None


def _exit(transport: Transport, listener: Listener, destination: str) -> Exit:
    public = transport.external_signaling_address or transport.external_signaling_hostname
    if public and not _is_local(transport.local_net, destination):
        return Exit(
            transport.id, listener.protocol, public, transport.external_signaling_port or listener.port
        )
    return Exit(transport.id, listener.protocol, _own_host(listener.host, destination), listener.port)


def _is_local(nets: tuple[str, ...], destination: str) -> bool:
    """Whether ``local_net`` holds the destination; a leading ``!`` takes a part of it out."""
    address = _address(destination)
    if address is None:
        return False
    inside = {net.startswith("!") for net in nets if address in ipaddress.ip_network(net.lstrip("!"), False)}
    return inside == {False}


def _own_host(host: str, destination: str) -> str:
    """The bound address, or where that is all of them the one that the route to ``destination`` has."""
    bound, address = _address(host), _address(destination)
    if bound is None or not bound.is_unspecified:
        return host
    family = socket.AF_INET6 if bound.version == 6 else socket.AF_INET
    far = str(address) if address is not None else ("2001:db8::1" if bound.version == 6 else "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))  # a datagram socket: nothing is sent
        except OSError:
            return "::1" if bound.version == 6 else "127.0.0.1"
        return str(probe.getsockname()[0])


def _fits(host: str, destination: str) -> bool:
    bound, address = _address(host), _address(destination)
    return bound is None or address is None or bound.version == address.version


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
