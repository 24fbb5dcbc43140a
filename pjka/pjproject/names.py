"""The addresses of a SIP server, found without ever blocking the reactor (RFC 3263).

pjproject by itself calls gethostbyname on the thread that polls. Here worker threads ask: SRV records where
no port is given, then the host's addresses as the system finds them, the hosts file included.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import dns.exception
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from pjka.pjproject.messages import Addresses
from pjka.pjproject.reactor import Reactor

_WORKERS = 4
_PATIENCE = 5.0  # s for one SRV question
_KEPT, _FAILURE_KEPT = 60.0, 5.0  # s
_SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}


@dataclass(frozen=True, slots=True)
class _Known:
    addresses: Addresses
    until: float


class Names:
    """Finds addresses and remembers them: ``find`` calls back at once where nothing has to be asked.

    ``lookup`` (protocol, host, port) is the blocking part and raises OSError when the name is not found.
    """

    def __init__(self, reactor: Reactor, lookup: Callable[[str, str, int], Addresses] | None = None) -> None:
        self._reactor = reactor
        self._lookup = lookup or look_up
        self._known: dict[tuple[str, str, int], _Known] = {}
        self._waiting: dict[tuple[str, str, int], list[Callable[[Addresses], None]]] = {}
        self._questions: SimpleQueue[tuple[str, str, int] | None] = SimpleQueue()
        self._workers = 0

    def find(self, protocol: str, host: str, port: int, done: Callable[[Addresses], None]) -> None:
        """Call ``done`` on the reactor with the addresses in the order to try them; none = not found."""
        if is_address(host):
            done(((host.strip("[]"), port or _DEFAULT_PORTS[protocol]),))
            return
        question = (protocol, host.lower(), port)
        known = self._known.get(question)
        if known is not None and known.until > self._reactor.now():
            done(known.addresses)
            return
        waiting = self._waiting.setdefault(question, [])
        waiting.append(done)
        if len(waiting) == 1:
            self._ask(question)

    def close(self) -> None:
        """Let the workers end; nobody is called back any more."""
        self._waiting.clear()
        for _ in range(self._workers):
            self._questions.put(None)

    def _ask(self, question: tuple[str, str, int]) -> None:
        if self._workers < min(_WORKERS, len(self._waiting)):
            self._workers += 1
            # A daemon, because a look-up cannot be interrupted and must not hold up the end of the program.
            threading.Thread(target=self._work, name=f"pjka-names-{self._workers}", daemon=True).start()
        self._questions.put(question)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            try:
                addresses = self._lookup(*question)
            except (OSError, UnicodeError):
                addresses = ()
            self._reactor.post(partial(self._answer, question, addresses))

    def _answer(self, question: tuple[str, str, int], addresses: Addresses) -> None:
        kept = _KEPT if addresses else _FAILURE_KEPT
        self._known[question] = _Known(addresses, self._reactor.now() + kept)
        for done in self._waiting.pop(question, ()):
            done(addresses)


def look_up(protocol: str, host: str, port: int) -> Addresses:
    """Ask for SRV unless a port is given, then for addresses; blocks. OSError where there are none."""
    targets = () if port else _services(f"{_SERVICES[protocol]}.{host}")
    found: dict[tuple[str, int], None] = {}
    for name, number in targets or ((host, port or _DEFAULT_PORTS[protocol]),):
        for _, _, _, _, address in socket.getaddrinfo(name, number, type=socket.SOCK_DGRAM):
            found[str(address[0]), number] = None
    return tuple(found)


def _services(name: str) -> Sequence[tuple[str, int]]:
    """The targets of SRV records in the order of RFC 2782; none where the question is not answered."""
    try:
        answer = dns.resolver.resolve(name, "SRV", lifetime=_PATIENCE)
    except dns.exception.DNSException:
        return ()
    ordered = answer.rrset.processing_order() if answer.rrset is not None else []
    return [(str(record.target).rstrip("."), record.port) for record in ordered if isinstance(record, SRV)]


def is_address(host: str) -> bool:
    """Whether this is an IP address, with or without brackets, and no name."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host.strip("[]"))
    except (OSError, UnicodeError):
        return False
    return True
