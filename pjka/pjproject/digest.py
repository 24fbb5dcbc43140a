"""Digest credentials for a challenged request (RFC 7616, RFC 8760; RFC 3261 section 22)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.request import parse_http_list

_CHALLENGE = re.compile(
    rb"^(www|proxy)-authenticate[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@dataclass(frozen=True, slots=True)
class Credential:
    """A user of a realm (``""`` = of any realm): a password, or per algorithm H(username:realm:password)."""

    username: str
    password: str | None = field(default=None, repr=False)
    realm: str = ""
    digests: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def secret(self, algorithm: str, realm: str) -> str | None:
        """H(username:realm:password) for this algorithm; None = it cannot be had."""
        if self.realm not in ("", realm):
            return None
        if self.password is not None:
            return digest_of(algorithm, f"{self.username}:{realm}:{self.password}")
        return dict(self.digests).get(algorithm)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What one WWW-Authenticate or Proxy-Authenticate header asks for."""

    answer: str  # the header that answers it: Authorization or Proxy-Authorization
    realm: str
    nonce: str
    algorithm: str
    qop: str  # "auth", or "" for a challenge without quality of protection
    opaque: str | None
    stale: bool


def challenges(response: bytes) -> list[Challenge]:
    """The Digest challenges of a response that this module can answer; anything else is left out."""
    head = re.sub(rb"\r?\n[ \t]+", b" ", response.partition(b"\r\n\r\n")[0]).replace(b"\r\n", b"\n")
    found = [_challenge(kind, value.decode("utf-8", "replace")) for kind, value in _CHALLENGE.findall(head)]
    return [challenge for challenge in found if challenge is not None]


def authorize(
    asked: Iterable[Challenge], credentials: Iterable[Credential], method: str, uri: str
) -> list[tuple[str, str]] | None:
    """One header (name, value) for every realm that asks; None if a realm has no credential.

    Where a realm offers several algorithms the first that a credential can answer is taken (RFC 8760 2.4).
    """
    known = list(credentials)
    headers: dict[tuple[str, str], str | None] = {}
    for challenge in asked:
        place = (challenge.answer, challenge.realm)
        headers[place] = headers.get(place) or _answer(challenge, known, method, uri)
    if not headers or None in headers.values():
        return None
    return [(name, value) for (name, _), value in headers.items() if value]


def digest_of(algorithm: str, text: str) -> str:
    """The hash of ``text`` in hexadecimal; ``algorithm`` is MD5, SHA-256 or SHA-512-256."""
    return hashlib.new(_ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _challenge(kind: bytes, value: str) -> Challenge | None:
    scheme, _, parameters = value.partition(" ")
    pairs = [pair.partition("=") for pair in parse_http_list(parameters)]
    asked = {name.strip().lower(): _unquoted(text.strip()) for name, _, text in pairs}
    algorithm = asked.get("algorithm", "MD5").upper()
    offered = [choice.strip().lower() for choice in asked.get("qop", "").split(",") if choice.strip()]
    answerable = scheme.lower() == "digest" and algorithm in _ALGORITHMS and "nonce" in asked
    if not answerable or (offered and "auth" not in offered):
        return None
    return Challenge(
        "Authorization" if kind.lower() == b"www" else "Proxy-Authorization",
        asked.get("realm", ""),
        asked["nonce"],
        algorithm,
        "auth" if offered else "",
        asked.get("opaque"),
        asked.get("stale", "").lower() == "true",
    )


def _unquoted(text: str) -> str:
    """Without its quotes, but with its escapes: it is sent back as it came."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _answer(challenge: Challenge, credentials: list[Credential], method: str, uri: str) -> str | None:
    for credential in credentials:
        secret = credential.secret(challenge.algorithm, challenge.realm)
        if secret is not None:
            return _header(challenge, credential.username, secret, method, uri)
    return None


def _header(challenge: Challenge, username: str, secret: str, method: str, uri: str) -> str:
    request = digest_of(challenge.algorithm, f"{method}:{uri}")
    middle = challenge.nonce
    bare = [f"algorithm={challenge.algorithm}"]
    if challenge.qop:
        cnonce = secrets.token_hex(8)
        middle = f"{challenge.nonce}:00000001:{cnonce}:{challenge.qop}"
        bare += [f"qop={challenge.qop}", "nc=00000001", f'cnonce="{cnonce}"']
    escaped = username.replace("\\", "\\\\").replace('"', '\\"')
    quoted = {"username": escaped, "realm": challenge.realm, "nonce": challenge.nonce, "uri": uri}
    quoted["response"] = digest_of(challenge.algorithm, f"{secret}:{middle}:{request}")
    if challenge.opaque is not None:
        quoted["opaque"] = challenge.opaque
    return "Digest " + ", ".join([f'{name}="{value}"' for name, value in quoted.items()] + bare)
