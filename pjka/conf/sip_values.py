"""Values of SIP: URIs, users and digests, by the rules of Asterisk's ``location.c`` and ``config_auth.c``.

Every parser takes the text and raises ValueError with what it expected, which never repeats a secret.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pjka.conf.document import fold
from pjka.conf.values import parse_list

_URL_MAX: Final = 511
_HOST_MAX: Final = 255
# room for what a DNS lookup puts in front of a name that has no port
_SRV_PREFIX: Final = len("_sips.tcp.")
_URI: Final = f"a sip: or sips: URI of at most {_URL_MAX} characters with a host of at most {_HOST_MAX}"
_USER_MARKS: Final = frozenset("-._~%!$&'()*+,;=:")
_DIGEST_LENGTHS: Final = {"md5": ("MD5", 32), "sha-256": ("SHA-256", 64), "sha-512-256": ("SHA-512-256", 64)}
_ALGORITHMS: Final = ", ".join(name for name, _ in _DIGEST_LENGTHS.values())


class Digest(NamedTuple):
    """A password as the digest of user, realm and password."""

    algorithm: str
    digest: str

    def __repr__(self) -> str:
        return f"Digest(algorithm={self.algorithm!r})"


def parse_uri(text: str) -> str:
    """A URI within Asterisk's limits; raises ValueError for any other (``ast_sip_validate_uri_length``)."""
    bare = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    scheme, colon, rest = bare.partition(":")
    if len(text) > _URL_MAX or not colon or fold(scheme) not in ("sip", "sips"):
        raise ValueError(_URI)
    host = bare.split("@", 1)[1] if "@" in bare else rest
    _check_host(host)
    return text


def parse_contacts(text: str) -> tuple[str, ...]:
    """Comma-separated URIs; empty ones are left out."""
    return tuple(parse_uri(uri) for uri in parse_list(text))


def parse_user(text: str) -> str:
    """The user of a URI: ASCII letters, digits and ``-._~%!$&'()*+,;=:``."""
    if all((mark.isascii() and mark.isalnum()) or mark in _USER_MARKS for mark in text):
        return text
    raise ValueError("letters, digits and -._~%!$&'()*+,;=:")


def parse_algorithms(text: str) -> tuple[str, ...]:
    """Comma-separated names of digest algorithms."""
    return tuple(_algorithm(word)[0] for word in parse_list(text))


def parse_digests(text: str) -> tuple[Digest, ...]:
    """Comma-separated ``algorithm:hexadecimal``, or the hexadecimal alone for MD5."""
    digests = []
    for word in parse_list(text):
        name, colon, digest = word.partition(":")
        algorithm, length = _algorithm(name.strip() if colon and name.strip() else "MD5")
        secret = digest.strip() if colon else word
        if len(secret) != length:
            raise ValueError(f"{length} hexadecimal digits after {algorithm}")
        digests.append(Digest(algorithm, secret))
    return tuple(digests)


def _check_host(host: str) -> None:
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        if not bracket:
            raise ValueError(_URI)
        length, has_port = len(name + bracket), port.startswith(":")
    else:
        name, colon, _ = host.replace("?", ";").split(";", 1)[0].partition(":")
        length, has_port = len(name), bool(colon)
    if length > (_HOST_MAX if has_port else _HOST_MAX - _SRV_PREFIX):
        raise ValueError(_URI)


def _algorithm(name: str) -> tuple[str, int]:
    try:
        return _DIGEST_LENGTHS[fold(name)]
    except KeyError:
        raise ValueError(f"one of {_ALGORITHMS}") from None
