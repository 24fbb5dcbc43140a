"""The values that only transports have, by the rules of Asterisk's ``config_transport.c`` and ``acl.c``.

Every parser takes the text and raises ValueError with what it expected.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from pjka.conf.document import fold
from pjka.conf.values import INT32_MAX, int_between, one_of, parse_double, parse_int, parse_list

Protocol = Literal["udp", "tcp", "tls", "ws", "wss", "flow"]
Method = Literal[
    "default", "unspecified", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "sslv2", "sslv3", "sslv23"
]
KeepAlive = Literal["tcp", "outbound", "none"]
OutboundVersion = Literal["rfc5626", "draft03"]
Recover = Literal["yes", "no", "dns"]

_PROTOCOLS: Final[Mapping[str, Protocol]] = {word: word for word in get_args(Protocol)}
_METHODS: Final[Mapping[str, Method]] = {word: word for word in get_args(Method)}
_KEEPALIVES: Final[Mapping[str, KeepAlive]] = {word: word for word in get_args(KeepAlive)}
_VERSIONS: Final[Mapping[str, OutboundVersion]] = {word: word for word in get_args(OutboundVersion)}
_RECOVERS: Final[Mapping[str, Recover]] = {word: word for word in get_args(Recover)}

parse_protocol: Final = one_of(_PROTOCOLS)
parse_method: Final = one_of({"": "default", **_METHODS})
parse_keepalive: Final = one_of(_KEEPALIVES)
parse_outbound_version: Final = one_of(_VERSIONS)
parse_recover: Final = one_of(_RECOVERS)
parse_firewall_timeout: Final = int_between(1, INT32_MAX)

MAX_CIPHERS: Final = 64

_CIPHER: Final = re.compile(r"[A-Z0-9_-]+|0[xX][0-9a-fA-F]+", re.ASCII)
_BIND: Final = "an address, [IPv6 address] or host name, and a port up to 65535"
_NETWORK: Final = "networks as address/bits or address/mask, separated by commas without blanks"
_PORT_MAX: Final = 65535
_HOST_NAME: Final = re.compile(r"[\w.-]*", re.ASCII)
_PORT: Final = re.compile(r"[0-9]*", re.ASCII)
_LEADING_INTEGER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0(?![xX])[0-7]*|[1-9][0-9]*)", re.ASCII)
_LEADING_DECIMAL: Final = re.compile(r"[ \t]*[+]?([0-9]+)", re.ASCII)
_DSCP: Final = {
    **{f"cs{n}": 8 * n for n in range(8)},
    **{f"af{n}{drop}": 8 * n + 2 * drop for n in range(1, 5) for drop in range(1, 4)},
    "ef": 46,
}


class Address(NamedTuple):
    """Where to listen; port 0 means the default of the protocol."""

    host: str
    port: int


def parse_bind(text: str) -> Address:
    """``IPv4[:port]``, ``[IPv6][:port]`` or a host name, by ``pj_sockaddr_parse``; empty: ``0.0.0.0``."""
    if text.count(":") <= 1:
        host, _, port = text.partition(":")
        return Address(_host(host), _port(port))
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (":" not in port and not _PORT.fullmatch(port)):
            raise ValueError(_BIND)
        return Address(_host6(host), _port(port.rpartition(":")[2]))
    return _bare_ipv6(text)


def parse_ciphers(text: str) -> tuple[str, ...]:
    """Names in capitals as OpenSSL has them, or numbers. Whether the PBX has such a one is not known here."""
    ciphers = parse_list(text)
    if not all(_CIPHER.fullmatch(cipher) for cipher in ciphers):
        raise ValueError("names of ciphers in capitals, or their numbers")
    return ciphers


def parse_local_net(text: str) -> tuple[str, ...]:
    """Networks, each ``address[/bits]`` or ``address/mask``, ``!`` in front excepts it; no blanks between."""
    if not text:
        return ()
    networks = tuple(text.split(","))
    for network in networks:
        address, slash, mask = network.removeprefix("!").partition("/")
        _check_network(address, mask if slash else None)
    return networks


def parse_tos(text: str) -> int:
    """The type-of-service octet: a number, of which the lowest eight bits count, or the name of a DSCP."""
    if match := _LEADING_INTEGER.match(text.lstrip()[:30]):
        return _strtol(match[0]) & 0xFF
    try:
        return _DSCP[fold(text)] << 2
    except KeyError:
        raise ValueError("a number or one of CS0 to CS7, AF11 to AF43, EF") from None


def parse_system_int(text: str) -> int | None:
    """A 32-bit integer, or ``system`` (None) for what the kernel has."""
    return None if fold(text) == "system" else parse_int(text)


def parse_user_timeout(text: str) -> float | Literal["auto"] | None:
    """Seconds above 0, ``auto``, or ``no`` (None)."""
    word = fold(text)
    if word == "auto":
        return "auto"
    if word == "no":
        return None
    return _seconds(text, "seconds above 0, auto or no")


def parse_flow_timer(text: str) -> int | Literal["battery"]:
    """Seconds above 0, or ``battery`` for RFC 5626's longer range for devices that save power."""
    return "battery" if fold(text) == "battery" else int_between(1, INT32_MAX)(text)


def parse_pong_timeout(text: str) -> float:
    """Seconds above 0."""
    return _seconds(text, "seconds above 0")


def _seconds(text: str, expected: str) -> float:
    try:
        seconds = parse_double(text)
    except ValueError:
        raise ValueError(expected) from None
    if not 0 < seconds <= INT32_MAX / 1000:
        raise ValueError(expected)
    return seconds


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or len(text) > 20 or int(text or 0) > _PORT_MAX:
        raise ValueError(_BIND)
    return int(text or 0)


def _host(text: str) -> str:
    """An IPv4 address or a host name; a thing of digits and dots can only be an address."""
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(_BIND)
    if text and text.strip("0123456789.") == "" and not _numeric_ipv4(text):
        raise ValueError(_BIND)
    return text or "0.0.0.0"


def _host6(text: str) -> str:
    if ":" in text and not _ipv6(text):
        raise ValueError(_BIND)
    return text or "::"


def _bare_ipv6(text: str) -> Address:
    """All of it an address, or else what follows the last colon a port."""
    if _ipv6(text):
        return Address(text, 0)
    host, _, port = text.rpartition(":")
    if not _ipv6(host):
        raise ValueError(_BIND)
    return Address(host, _port(port))


def _check_network(address: str, mask: str | None) -> None:
    width = _address_width(address)
    if mask is None:
        return
    if ":" in mask or "." in mask:
        valid = _address_width(mask) == width
    else:
        bits = _LEADING_DECIMAL.match(mask)
        valid = bits is not None and int(bits[1][:10]) <= width
    if not valid:
        raise ValueError(_NETWORK)


def _address_width(text: str) -> int:
    """The bits of an address, which may stand in brackets; one of IPv4 mapped into IPv6 has 32."""
    host, _, rest = text[1:].partition("]") if text.startswith("[") else (text, "", "")
    if _numeric_ipv4(host):
        width = 32
    elif _ipv6(host):
        width = 32 if ipaddress.IPv6Address(host).ipv4_mapped else 128
    else:
        raise ValueError(_NETWORK)
    if rest.startswith(":"):
        raise ValueError(_NETWORK)
    return width


def _ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _numeric_ipv4(text: str) -> bool:
    """What inet_aton takes for an address: one to four numbers, the last filling what the others leave."""
    parts = text.split(".")
    if len(parts) > 4 or not all(_LEADING_INTEGER.fullmatch(part) and part[0] not in "+-" for part in parts):
        return False
    *leading, last = [_strtol(part) for part in parts]
    return all(number <= 255 for number in leading) and last < 256 ** (4 - len(leading))


def _strtol(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    if digits[:2].lower() == "0x":
        return sign * int(digits, 16)
    return sign * int(digits, 8 if digits[0] == "0" else 10)
