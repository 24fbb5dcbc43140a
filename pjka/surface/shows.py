"""The commands ``show transports``, ``show connections`` and so on, from functions that give the rows."""

from __future__ import annotations

import fnmatch
import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pjka.status import Row
from pjka.surface.protocol import Code, RequestError, check_arguments, text_argument

#: For each subject the filters that it takes, and the member that each looks at.
FILTERS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "transports": {"transport": "id"},
        "connections": {"transport": "transport", "peer": "peer"},
        "deaths": {"transport": "transport", "peer": "peer"},
        "contacts": {"transport": "transport", "peer": "peer", "aor": "aor"},
        "aors": {"aor": "id"},
        "endpoints": {"transport": "transport"},
        "flows": {"transport": "transport", "peer": "peer", "aor": "aor"},
        "engine": {},
    }
)
#: The filters of the ``events`` stream; an event without the member passes none of them.
EVENT_FILTERS: Final[Mapping[str, str]] = MappingProxyType(
    {"transport": "transport", "peer": "peer", "aor": "aor"}
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Command = Callable[[Mapping[str, object]], object]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows, or events, a client wants: each member named must match its pattern."""

    patterns: Mapping[str, Callable[[str], bool]]

    def admits(self, members: Mapping[str, object]) -> bool:
        """Whether all the members match."""
        return all(matches(str(members.get(name, ""))) for name, matches in self.patterns.items())


def parse_filter(arguments: Mapping[str, object], members: Mapping[str, str]) -> Filter:
    """The filter that the arguments describe; ``members`` tells which argument looks at which member.

    Patterns have ``*`` and ``?``; the one for ``peer`` may be a network (``192.0.2.0/24``) instead, and may
    leave the port out. Raises RequestError for an argument that is unknown, not a string, or a bad network.
    """
    check_arguments(arguments, frozenset(members))
    given = {name: text_argument(arguments, name) for name in arguments}
    return Filter(
        {members[name]: _peer(text) if name == "peer" else _like(text) for name, text in given.items()}
    )


def show_commands(sources: Mapping[str, Callable[[], Iterable[Row]]]) -> dict[str, Command]:
    """The command ``show SUBJECT`` for each source of rows; subjects are those of ``pjka.status.SHOWS``.

    A source is called in a thread of the control socket.
    """
    return {f"show {subject}": _show(subject, source) for subject, source in sources.items()}


def _show(subject: str, source: Callable[[], Iterable[Row]]) -> Command:
    def show(arguments: Mapping[str, object]) -> object:
        wanted = parse_filter(arguments, FILTERS[subject])
        rows = [members for row in source() if wanted.admits(members := row.to_json())]
        return {"subject": subject, "at": time.time(), "rows": rows}

    return show


def _like(pattern: str) -> Callable[[str], bool]:
    literal = pattern.replace("[", "[[]")
    return lambda text: fnmatch.fnmatchcase(text, literal)


def _peer(pattern: str) -> Callable[[str], bool]:
    if "/" in pattern:
        network = _network(pattern)
        return lambda peer: _within(peer, network)
    like = _like(pattern)
    return lambda peer: like(peer) or like(_host(peer))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise RequestError(Code.INVALID_ARGUMENT, f"argument peer: {error}", option="peer") from error


def _within(peer: str, network: Network) -> bool:
    try:
        address = ipaddress.ip_address(_host(peer))
    except ValueError:
        return False
    return address in network


def _host(peer: str) -> str:
    return peer.rpartition(":")[0].strip("[]")
