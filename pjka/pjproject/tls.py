"""What a ``type=transport`` object says of TLS, checked and given to pjproject."""

from __future__ import annotations

import ctypes
import ssl
from typing import Any

from pjka.conf.objects import Transport
from pjka.pjproject.endpoint import Endpoint, HostedEndpoint
from pjka.pjproject.refusal import failure

_TLS1, _TLS1_1, _TLS1_2, _TLS1_3 = 4, 8, 16, 32
_MODERN = _TLS1 | _TLS1_1 | _TLS1_2 | _TLS1_3
_VERSIONS = {
    "sslv2": 1,
    "sslv3": 2,
    "tlsv1": _TLS1,
    "tlsv1_1": _TLS1_1,
    "tlsv1_2": _TLS1_2,
    "tlsv1_3": _TLS1_3,
}


def check_tls(endpoint: Endpoint | HostedEndpoint, transport: Transport) -> None:
    """TransportError if the TLS library does not speak what is asked for, or a certificate is wrong."""
    _check_method(endpoint, transport)
    _check_certificate(transport)
    _cipher_numbers(endpoint, transport)


def set_tls(endpoint: Endpoint | HostedEndpoint, tls: Any, transport: Transport) -> None:
    """Put what the transport says of TLS into a ``pjsua2.TlsConfig``."""
    tls.CaListFile = transport.ca_list_file
    tls.certFile = transport.cert_file
    tls.privKeyFile = transport.priv_key_file
    tls.password = transport.password
    tls.verifyServer = transport.verify_server
    tls.verifyClient = transport.verify_client
    tls.requireClientCert = transport.require_client_cert
    tls.msecTimeout = endpoint.native.timers()[3]  # a peer that says nothing would keep its socket for good
    tls.proto = _VERSIONS.get(transport.method, _MODERN)
    for number in _cipher_numbers(endpoint, transport):
        tls.ciphers.append(number)


def _cipher_numbers(endpoint: Endpoint | HostedEndpoint, transport: Transport) -> list[int]:
    native = endpoint.native
    number_of = native.declare("pj_ssl_cipher_id", ctypes.c_int, ctypes.c_char_p)
    supported = native.declare("pj_ssl_cipher_is_supported", ctypes.c_int, ctypes.c_int)
    numbers = []
    for name in transport.cipher:
        number = int(name, 0) if name[:1].isdigit() else number_of(name.encode())
        if number < 0 or not supported(number):
            raise failure(transport, "cipher", f"cipher {name} is not one of this TLS library")
        numbers.append(number)
    return numbers


def _check_method(endpoint: Endpoint | HostedEndpoint, transport: Transport) -> None:
    """A version that the TLS library does not speak would fail with the first peer, and with every other."""
    tls = endpoint.engine.tls
    if transport.method in ("sslv2", "sslv3") or (transport.method == "tlsv1_3" and "OpenSSL 1.0" in tls):
        raise failure(transport, "method", f"method {transport.method} is not spoken by {tls}")


def _check_certificate(transport: Transport) -> None:
    """See that certificate and key belong together; pjproject would notice with the first peer only."""
    if transport.cert_file:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        key = transport.priv_key_file or None
        try:
            context.load_cert_chain(transport.cert_file, key, lambda: transport.password)
        except (OSError, ValueError) as error:
            raise failure(transport, "cert_file", f"certificate or key cannot be used: {error}") from None
    if transport.ca_list_file:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(transport.ca_list_file)
        except OSError as error:
            raise failure(transport, "ca_list_file", f"certificates cannot be used: {error}") from None
