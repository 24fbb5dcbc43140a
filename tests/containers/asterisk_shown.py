"""The options of an object as `pjsip show` prints them, and as pjka has them, in one form that compares."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import socket
from typing import Any

from pjka.conf.objects import Auth, ConfigObject, Transport

_LINE = re.compile(r"^ (\w+) +: ?(.*)$", re.MULTILINE)
_WORDS = {"true": "yes", "Yes": "yes", "yes": "yes", "false": "no", "No": "no", "no": "no"}
Values = dict[str, str]


def by_asterisk(answer: str) -> Values:
    """The table of parameters; several values of an option have a line each, or stand with commas in one."""
    found: Values = {}
    for name, value in _LINE.findall(answer):
        text = value.rstrip("\r")
        found[name] = f"{found[name]},{text}" if name in found else text
    found.pop("ParameterName", None)
    return found


def differences(thing: ConfigObject, answer: str) -> list[str]:
    """Where the two do not agree about an object that both have, in words."""
    theirs = by_asterisk(answer)
    names = {field.name for field in dataclasses.fields(thing)} & theirs.keys()
    assert names, answer
    ours = {name: _ours(thing, name) for name in names}
    return [
        f"{name} is {theirs[name]!r} for Asterisk and {ours[name]!r} for pjka"
        for name in sorted(names)
        if _theirs(thing, name, theirs[name]) != ours[name]
    ]


def _theirs(thing: ConfigObject, name: str, shown: str) -> str:
    value: Any = getattr(thing, name)
    if isinstance(value, bool):
        return _WORDS.get(shown, shown)
    if isinstance(thing, Auth) and name == "password_digest":
        return ",".join(sorted(shown.split(",")))
    if isinstance(value, tuple):
        return ",".join(word for part in shown.split(",") if (word := part.strip()))
    if name == "method" and value == "default":
        # shown as the oldest that the default takes in
        return "default" if shown == "tlsv1" else shown
    return shown


def _ours(thing: ConfigObject, name: str) -> str:
    value: Any = getattr(thing, name)
    if isinstance(thing, Transport) and name == "bind":
        return _bound(thing.bind_host, thing.bind_port)
    if isinstance(thing, Transport) and name == "local_net":
        return ",".join(map(_network, value))
    if isinstance(thing, Auth) and name.startswith("supported_algorithms"):
        return ",".join(value) or ("" if thing.auth_type == "google_oauth" else "MD5")
    if isinstance(thing, Auth) and name in ("md5_cred", "password_digest"):
        return _digests(thing, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:f}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _digests(auth: Auth, name: str) -> str:
    """Asterisk shows those of both options under both, MD5 alone without its name under
    the old one; of two for one algorithm, the last counts."""
    options = sorted(("md5_cred", "password_digest"), key=lambda each: auth.places.get(each, auth.place).line)
    both = {digest.algorithm: digest.digest for option in options for digest in getattr(auth, option)}
    if name == "md5_cred":
        return both.get("MD5", "")
    return ",".join(sorted(f"{algorithm}:{digest}" for algorithm, digest in both.items()))


def _bound(host: str, port: int) -> str:
    """The address as a number, which is what is shown of a name."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return f"[{address[0]}]:{port}" if family == socket.AF_INET6 else f"{address[0]}:{port}"


def _network(text: str) -> str:
    """Address and mask, both in full."""
    sign, bare = ("!", text[1:]) if text.startswith("!") else ("", text)
    address, _, mask = bare.partition("/")
    base = _address(address.strip("[]"))
    width = base.max_prefixlen
    if "." in mask or ":" in mask:
        bits = int(_address(mask))
    else:
        length = int(re.split(r"\D", mask.strip())[0]) if mask else width
        bits = (1 << width) - (1 << (width - length))
    return f"{sign}{type(base)(int(base) & bits)}/{type(base)(bits)}"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; one of IPv4 in any form that inet_aton takes, or mapped into IPv6."""
    if ":" not in text:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    address = ipaddress.IPv6Address(text)
    return address.ipv4_mapped or address
