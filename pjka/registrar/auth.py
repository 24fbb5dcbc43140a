"""Who may register: digest authentication on the server's side (RFC 7616, RFC 8760, RFC 3261 section 22)."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from urllib.request import parse_http_list

from pjka.conf.objects import Auth
from pjka.pjproject.digest import Credential, digest_of

_MOST_NONCES = 65536


class Verdict(StrEnum):
    """What an Authorization header is worth."""

    GRANTED = auto()
    STALE = auto()  # right, but its nonce is too old or was used: a new one will do
    DENIED = auto()


@dataclass(frozen=True, slots=True)
class Login:
    """One way to be let in: a credential within a realm, by these algorithms, the best first."""

    credential: Credential
    realm: str
    algorithms: tuple[str, ...]
    lifetime: float  # s, of a nonce


def logins(auths: Iterable[Auth], default_realm: str, default_algorithms: Sequence[str]) -> tuple[Login, ...]:
    """What the ``auth`` objects of an endpoint let in."""
    return tuple(
        Login(
            Credential(
                auth.username,
                auth.password or None,
                digests=tuple(
                    (each.algorithm, each.digest) for each in (*auth.password_digest, *auth.md5_cred)
                ),
            ),
            auth.realm or default_realm,
            tuple(auth.supported_algorithms_uas or default_algorithms),
            auth.nonce_lifetime,
        )
        for auth in auths
    )


def stranger(realm: str, algorithms: Sequence[str]) -> Login:
    """What somebody is asked for whom no password is known: nothing that he answers is right."""
    return Login(Credential(""), realm, tuple(algorithms), 0)


class Doorman:
    """Gives out nonces and checks what is answered; ``secret`` makes its nonces unlike anybody else's.

    A nonce carries its time, so that none is remembered before it is used; with ``qop`` its count has to
    grow, so that an answer that was overheard is of no use.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._counts: OrderedDict[str, int] = OrderedDict()

    def challenges(self, logins: Iterable[Login], now: float, *, stale: bool) -> tuple[str, ...]:
        """One WWW-Authenticate line for each realm and algorithm."""
        nonce, suffix = self._nonce(now), ", stale=true" if stale else ""
        lines = dict.fromkeys(
            f'WWW-Authenticate: Digest realm="{login.realm}", nonce="{nonce}", algorithm={algorithm},'
            f' qop="auth"{suffix}'
            for login in logins
            for algorithm in login.algorithms
        )
        return tuple(lines)

    def check(
        self, given: Iterable[str], logins: Sequence[Login], method: str, uri: str, now: float
    ) -> Verdict:
        """The best verdict on the Authorization headers of a request."""
        verdicts = {
            self._check(_fields(value), login, method, uri, now) for value in given for login in logins
        }
        order = (Verdict.GRANTED, Verdict.STALE)
        return next((verdict for verdict in order if verdict in verdicts), Verdict.DENIED)

    def _check(self, said: dict[str, str], login: Login, method: str, uri: str, now: float) -> Verdict:
        algorithm = said.get("algorithm", "MD5").upper()
        secret = login.credential.secret(algorithm, login.realm) if algorithm in login.algorithms else None
        named = (said.get("username"), said.get("realm"), said.get("uri"))
        if secret is None or named != (login.credential.username, login.realm, uri):
            return Verdict.DENIED
        nonce = said.get("nonce", "")
        middle = nonce
        if said.get("qop"):
            middle = ":".join((nonce, *(said.get(name, "") for name in ("nc", "cnonce", "qop"))))
        right = digest_of(algorithm, f"{secret}:{middle}:{digest_of(algorithm, f'{method}:{uri}')}")
        if not hmac.compare_digest(right.encode(), said.get("response", "").lower().encode()):
            return Verdict.DENIED
        fresh = self._is_fresh(nonce, login.lifetime, now) and self._counts_up(nonce, said)
        return Verdict.GRANTED if fresh else Verdict.STALE

    def _nonce(self, now: float) -> str:
        time = f"{int(now):x}"
        return f"{time}.{self._sign(time)}"

    def _sign(self, time: str) -> str:
        return hmac.new(self._secret, time.encode(), hashlib.sha256).hexdigest()[:32]

    def _is_fresh(self, nonce: str, lifetime: float, now: float) -> bool:
        time, _, signature = nonce.partition(".")
        if not hmac.compare_digest(self._sign(time).encode(), signature.encode()):
            return False
        return 0 <= now - int(time, 16) <= lifetime

    def _counts_up(self, nonce: str, said: dict[str, str]) -> bool:
        """Whether this count of the nonce (per cnonce: clients of one second share a nonce) is a new one."""
        if not said.get("qop"):
            return True
        try:
            count = int(said.get("nc", ""), 16)
        except ValueError:
            return False
        use = f"{nonce} {said.get('username')} {said.get('cnonce')}"
        before = self._counts.get(use, 0)
        self._counts[use] = max(before, count)
        self._counts.move_to_end(use)
        while len(self._counts) > _MOST_NONCES:
            self._counts.popitem(last=False)
        return count > before


def _fields(value: str) -> dict[str, str]:
    scheme, _, rest = value.partition(" ")
    if scheme.lower() != "digest":
        return {}
    pairs = [item.partition("=") for item in parse_http_list(rest)]
    return {name.strip().lower(): _unquoted(text.strip()) for name, _, text in pairs}


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text
