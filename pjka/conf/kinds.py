"""The types of object that a file may hold, and the names of their options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from pjka.conf.checks import (
    check_aor,
    check_auth,
    check_global,
    check_registration,
    check_system,
    check_transport,
    settle_aor,
    settle_global,
    settle_system,
    settle_transport,
)
from pjka.conf.endpoint_options import UNINTERPRETED
from pjka.conf.objects import (
    Aor,
    Auth,
    ConfigObject,
    Contact,
    Endpoint,
    Global,
    Registration,
    System,
    Transport,
)
from pjka.conf.options import Rule, Spelling, rules_of
from pjka.conf.report import Problem

C = TypeVar("C", bound=ConfigObject)

# How like a name must be to be suggested: misspellings are, other words are not.
_LIKENESS: Final = 0.7

_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})

# Names from web pages, and those of websocket_client.conf, with what pjsip.conf calls them.
_NEVER: Final = MappingProxyType(
    {
        "tcp_keepalive": "tcp_keepalive_enable",
        "tcp_keepidle": "tcp_keepalive_idle_time",
        "tcp_keepintvl": "tcp_keepalive_interval_time",
        "tcp_keepcnt": "tcp_keepalive_probe_count",
        "enable_tcp_keepalives": "tcp_keepalive_enable",
        "tcp_keepalive_time": "tcp_keepalive_idle_time",
        "tcp_keepalive_interval": "tcp_keepalive_interval_time",
        "tcp_keepalive_probes": "tcp_keepalive_probe_count",
    }
)
# The task pool was a thread pool until December 2025.
_RENAMED: Final = MappingProxyType(
    {
        f"threadpool_{name}": f"taskpool_{name}"
        for name in ("initial_size", "auto_increment", "idle_timeout", "max_size")
    }
)


def _no_check(_: ConfigObject) -> Iterator[Problem]:
    return iter(())


def _as_it_is(thing: C) -> C:
    return thing


@dataclass(frozen=True, slots=True)
class Kind(Generic[C]):
    """A type of object: its class, its options and its rules."""

    name: str
    make: Callable[..., C]
    rules: Mapping[str, Rule]
    check: Callable[[C], Iterator[Problem]]
    settle: Callable[[C], C]
    uninterpreted: frozenset[str]
    """Legal options that are not kept."""
    renamed: Mapping[str, str]
    never: Mapping[str, str]

    def standard(self) -> dict[str, Rule]:
        """The options that Asterisk reads, by name."""
        return {name: rule for name, rule in self.rules.items() if rule.spelling is not Spelling.PJKA}

    def with_at(self) -> dict[str, Rule]:
        """The options that may be spelled with ``@``, by name without it."""
        return {name: rule for name, rule in self.rules.items() if rule.spelling is not Spelling.STANDARD}

    def names(self) -> Iterator[str]:
        """All names that may stand in a file."""
        yield from self.standard()
        yield from self.uninterpreted
        yield from self.renamed
        yield from (f"@{name}" for name in self.with_at())


def _kind(
    make: type[C],
    check: Callable[[C], Iterator[Problem]] = _no_check,
    settle: Callable[[C], C] = _as_it_is,
    *,
    uninterpreted: frozenset[str] = frozenset(),
    renamed: Mapping[str, str] = _NO_NAMES,
    never: Mapping[str, str] = _NO_NAMES,
) -> Kind[C]:
    name = make.__name__.lower()
    return Kind(name, make, rules_of(make), check, settle, uninterpreted, renamed, never)


TRANSPORT: Final = _kind(Transport, check_transport, settle_transport, never=_NEVER)
AOR: Final = _kind(Aor, check_aor, settle_aor)
ENDPOINT: Final = _kind(Endpoint, uninterpreted=UNINTERPRETED)
AUTH: Final = _kind(Auth, check_auth)
REGISTRATION: Final = _kind(Registration, check_registration)
CONTACT: Final = _kind(Contact)
GLOBAL: Final = _kind(Global, check_global, settle_global, never=_NEVER)
SYSTEM: Final = _kind(System, check_system, settle_system, renamed=_RENAMED)

KINDS: Final[Mapping[str, Kind[Any]]] = MappingProxyType(
    {kind.name: kind for kind in (GLOBAL, SYSTEM, TRANSPORT, AOR, AUTH, ENDPOINT, REGISTRATION, CONTACT)}
)

ELSEWHERE: Final = frozenset(
    {
        "acl",
        "asterisk-publication",
        "domain_alias",
        "identify",
        "inbound-publication",
        "outbound-publish",
        "phoneprov",
        "resource_list",
    }
)
"""Types that other modules of Asterisk read from ``pjsip.conf``; pjka leaves them alone."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is most like ``name``, or None if none is."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=_LIKENESS)), None)


def owners(name: str) -> list[str]:
    """The types that have an option ``name``, which is without ``@``."""
    return [kind.name for kind in KINDS.values() if name in kind.rules or name in kind.uninterpreted]
