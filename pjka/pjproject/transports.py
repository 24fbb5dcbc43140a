"""``type=transport`` objects as listeners of pjproject (Asterisk's ``res_pjsip/config_transport.c``)."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from pjka.conf.objects import Transport
from pjka.keepalive.platforms import SocketOption
from pjka.pjproject.descriptors import Descriptor, find_listener
from pjka.pjproject.endpoint import Endpoint, HostedEndpoint, translated
from pjka.pjproject.layouts import Selector, String
from pjka.pjproject.native import TPSELECTOR_TRANSPORT
from pjka.pjproject.refusal import TransportError, failure
from pjka.pjproject.tls import check_tls, set_tls

TPSELECTOR_LISTENER = 2
_REFUSED = {
    "ws": "pjproject has no WebSocket transport; in a PBX the HTTP server carries these connections",
    "wss": "pjproject has no WebSocket transport; in a PBX the HTTP server carries these connections",
    "flow": "a flow has no listener: it is one connection of one registration",
}
_TRIAL = (
    "the trial engine does not listen where other hosts can reach it ({}), because any of them could end this"
    " process; `make engine` builds the production engine, --trial-engine overrules"
)


@dataclass(frozen=True, slots=True)
class Listener:
    """A started transport.

    ``transport_id`` is what pjsua2 calls it, for ``AccountConfig.sipConfig.transportId``; ``pointer`` is the
    factory of a tcp or tls transport, and the transport itself of a udp one. ``descriptor`` is None where
    nothing listens, as on a tls transport without a certificate.
    """

    id: str
    protocol: str
    host: str
    port: int
    transport_id: int
    pointer: int
    descriptor: Descriptor | None

    @property
    def address(self) -> str:
        """Host and port, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def selector(self) -> Selector:
        """What makes a request leave through this transport."""
        kind = TPSELECTOR_TRANSPORT if self.protocol == "udp" else TPSELECTOR_LISTENER
        return Selector(kind, 0, self.pointer)


def check_startable(endpoint: Endpoint | HostedEndpoint, transport: Transport) -> None:
    """TransportError if ``transport`` is one that pjproject cannot carry, or the wrong certificate."""
    if transport.protocol in _REFUSED:
        raise failure(
            transport, "protocol", f"protocol {transport.protocol} is refused: {_REFUSED[transport.protocol]}"
        )
    if transport.bind is None:
        raise failure(transport, "bind", "no address to bind to")
    if transport.protocol == "tls":
        check_tls(endpoint, transport)


def unexpressed(transport: Transport) -> tuple[TransportError, ...]:
    """What ``transport`` asks for and pjproject has no way to do; it starts without."""
    found = []
    if transport.protocol == "tls" and not transport.cert_file:
        found.append(
            ("protocol", "without cert_file nobody can connect; only connections of our own are made")
        )
    if transport.ca_list_path:
        found.append(
            ("ca_list_path", "pjsua2 takes no directory of certificates; put them in a ca_list_file")
        )
    if transport.allow_wildcard_certs and transport.verify_server:
        found.append(("allow_wildcard_certs", "pjproject accepts no wildcard certificate (RFC 5922 7.2)"))
    if transport.symmetric_transport:
        found.append(("symmetric_transport", "pjka registers nobody, so there is no contact to mark"))
    return tuple(failure(transport, option, message) for option, message in found)


def start_listener(
    endpoint: Endpoint | HostedEndpoint, transport: Transport, options: Sequence[SocketOption]
) -> Listener:
    """Start ``transport`` with these socket options on its listener and on every connection of it.

    As many options as the engine has room for are set by pjproject itself, in their order. On the reactor's
    thread. TransportError, with the place in the file, if it does not start.
    """
    check_startable(endpoint, transport)
    host = _resolve(transport)
    if endpoint.loopback_only and not ipaddress.ip_address(host).is_loopback:
        raise failure(transport, "bind", _TRIAL.format(host))
    if transport.protocol == "udp":
        return _start_udp(endpoint, transport, host)
    return _start_stream(endpoint, transport, host, options[: endpoint.engine.limits.socket_options])


def stop_listener(endpoint: Endpoint | HostedEndpoint, listener: Listener) -> None:
    """Close the listener; its connections go on. On the reactor's thread."""
    with translated(f"transport {listener.id} cannot be closed"):
        endpoint.pj.transportClose(listener.transport_id)


def _start_stream(
    endpoint: Endpoint | HostedEndpoint, transport: Transport, host: str, options: Sequence[SocketOption]
) -> Listener:
    native = endpoint.native
    before = set(native.factories())
    kept = [pj.SockOpt(option.level, option.name, option.value) for option in options]
    configuration = _configuration(endpoint, transport, host, kept)
    kind = _kind(transport.protocol, host)
    try:
        number = endpoint.pj.transportCreate(kind, configuration)
    except pj.Error as error:
        raise failure(
            transport, "bind", f"{transport.bind_host}:{transport.bind_port}: {error.reason}"
        ) from None
    del kept  # pjproject copies the values as late as in transportCreate
    (factory,) = set(native.factories()) - before
    if transport.external_signaling_port:
        native.set_published_port(factory, transport.external_signaling_port)
    port = native.factory_address(factory)[1]
    return Listener(transport.id, transport.protocol, host, port, number, factory, find_listener(host, port))


def _configuration(
    endpoint: Endpoint | HostedEndpoint, transport: Transport, host: str, options: Sequence[Any]
) -> Any:
    configuration = pj.TransportConfig()
    configuration.boundAddress = host
    configuration.port = transport.bind_port
    configuration.publicAddress = _public(transport)
    tls = transport.protocol == "tls"
    target = configuration.tlsConfig if tls else configuration
    _set_quality(target.qosParams, transport)
    for option in options:
        target.sockOptParams.sockOpts.append(option)
    if tls:
        set_tls(endpoint, configuration.tlsConfig, transport)
    return configuration


def _set_quality(quality: Any, transport: Transport) -> None:
    if transport.tos:
        quality.flags |= pj.PJ_QOS_PARAM_HAS_DSCP
        quality.dscp_val = transport.tos >> 2
    if transport.cos:
        quality.flags |= pj.PJ_QOS_PARAM_HAS_SO_PRIO
        quality.so_prio = transport.cos


def _resolve(transport: Transport) -> str:
    try:
        found = socket.getaddrinfo(
            transport.bind_host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise failure(transport, "bind", f"{transport.bind_host}: {error.strerror}") from None
    return str(found[0][4][0])


def _kind(protocol: str, host: str) -> int:
    kinds = {
        ("tcp", 4): pj.PJSIP_TRANSPORT_TCP,
        ("tcp", 6): pj.PJSIP_TRANSPORT_TCP6,
        ("tls", 4): pj.PJSIP_TRANSPORT_TLS,
        ("tls", 6): pj.PJSIP_TRANSPORT_TLS6,
        ("udp", 4): pj.PJSIP_TRANSPORT_UDP,
        ("udp", 6): pj.PJSIP_TRANSPORT_UDP6,
    }
    return int(kinds[protocol, ipaddress.ip_address(host).version])


def _public(transport: Transport) -> str:
    return transport.external_signaling_address or transport.external_signaling_hostname


def _start_udp(endpoint: Endpoint | HostedEndpoint, transport: Transport, host: str) -> Listener:
    """With a socket of our own, because pjsua2 tells neither the transport nor takes a published port."""
    native = endpoint.native
    bound = _udp_socket(transport, host)
    port = bound.getsockname()[1]
    name = _published_name(transport, host).encode("ascii", "replace")
    published = _HostPort(String(name, len(name)), transport.external_signaling_port or port)
    pointer, number = ctypes.c_void_p(), ctypes.c_int()
    attach = native.declare(
        "pjsip_udp_transport_attach2",
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_long,
        *(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p),
    )
    register = native.declare("pjsua_transport_register", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    kind = _kind("udp", host)
    fd = bound.detach()
    status = attach(native.endpoint, kind, fd, ctypes.byref(published), 1, ctypes.byref(pointer))
    if status != 0:
        os.close(fd)
        raise failure(transport, "bind", f"{host}:{port}: {native.error_text(status)}")
    status = register(pointer, ctypes.byref(number))
    if status != 0:
        native.shut_down(pointer.value or 0)
        raise failure(transport, "bind", f"pjsua holds no more transports: {native.error_text(status)}")
    native.check_transport(pointer.value or 0)
    return Listener(transport.id, "udp", host, port, number.value, pointer.value or 0, None)


class _HostPort(ctypes.Structure):
    _fields_ = (("host", String), ("port", ctypes.c_int))


def _udp_socket(transport: Transport, host: str) -> socket.socket:
    version = ipaddress.ip_address(host).version
    bound = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if version == 6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, transport.tos & 0xFC)
        else:
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, transport.tos & 0xFC)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, transport.cos)
        bound.bind((host, transport.bind_port))
    except OSError as error:
        bound.close()
        raise failure(transport, "bind", f"{host}:{transport.bind_port}: {error.strerror}") from None
    return bound


def _published_name(transport: Transport, host: str) -> str:
    """What Via and Contact name: the external address, else the bound one, else the default route's."""
    if _public(transport):
        return _public(transport)
    if not ipaddress.ip_address(host).is_unspecified:
        return host
    v6 = ":" in host
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1" if v6 else "192.0.2.1", 9))  # a datagram socket: nothing is sent
        except OSError:
            return "::1" if v6 else "127.0.0.1"
        return str(probe.getsockname()[0])
