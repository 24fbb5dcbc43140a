"""Requests outside any dialog, each with its own From, Contact, Route, transport, credentials and timeout.

They go through pjproject's transaction layer (RFC 3261 section 17.1.2), not through an account. The text of a
request is composed here and parsed by pjproject, so that what is sent is what is written below. To be used on
the reactor's thread only; callbacks come on it too, never from inside :meth:`Requests.send`.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pjka.errors import PjkaError
from pjka.keepalive.recovery import Pending, Recover, Resend, stale
from pjka.pjproject import digest
from pjka.pjproject.deadlines import Deadlines
from pjka.pjproject.layouts import Selector
from pjka.pjproject.messages import TRANSPORT_ERROR, Addresses, Envelope, Received, TransactionEnd
from pjka.pjproject.names import Names, is_address
from pjka.pjproject.native import PJ_SUCCESS, Native
from pjka.pjproject.reactor import Reactor
from pjka.pjproject.transactions import Transactions

_MAX_ROUNDS = 10
_LATE_KEPT = 32.0  # s: what RFC 3261 timer F gives an answer
_REFUSED = 120111  # ECONNREFUSED: nothing was stale, nobody listens
_BRANCH = "z9hG4bKPj"
_KINDS = {"udp": 1, "tcp": 2, "tls": 3}  # pjsip_transport_type_e

_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_REASON = re.compile(rb"SIP/2\.0 \d{3} ?([^\r\n]*)")


class Cause(StrEnum):
    """How a request ended."""

    ANSWER = "answer"  # a final response
    TIMEOUT = "timeout"  # none in time: ours, or the transaction's timer F
    TRANSPORT = "transport"  # the connection failed while the request was under way
    SEND = "send"  # it could not be sent at all


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. URIs are without angle brackets; ``contact`` "" = no Contact header.

    ``via`` are further parameters of Via, such as ``;keep`` (RFC 6223).

    ``call_id`` and ``cseq`` continue an earlier request (registrations); without them both are new.
    """

    method: str
    uri: str
    from_uri: str
    to_uri: str
    contact: str = ""
    routes: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = ""
    credentials: tuple[digest.Credential, ...] = ()
    call_id: str = ""
    cseq: int = 0
    via: str = ""

    def __post_init__(self) -> None:
        """Raise PjkaError for a value with a control character: it would end its header."""
        texts = [
            self.method,
            self.uri,
            self.from_uri,
            self.to_uri,
            self.contact,
            self.content_type,
            self.call_id,
            self.via,
        ]
        texts += [*self.routes, *(text for header in self.headers for text in header)]
        for text in texts:
            if not text.isprintable():
                raise PjkaError("a request with a control character", value=ascii(text))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes: over which protocol, from which transport or listener, to which host.

    ``selector`` None = pjproject's choice among those of the protocol; ``port`` 0 = by SRV, or the default.
    ``sent_by`` is our host and port in Via; None = those of the connection. ``recover`` tells whether a
    request whose connection is found stale is sent again over a fresh one.
    """

    protocol: str  # udp, tcp, tls
    host: str
    port: int = 0
    selector: Selector | None = None
    sent_by: tuple[str, int] | None = None
    recover: Recover = Recover.NO


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended; ``status`` is 0 without an answer.

    ``rtt`` is microseconds from :meth:`Requests.send` (so with name look-up, connecting and credentials) to
    the answer.
    ``received`` is the response and who sent it, ``address`` the one that was tried first. The bytes
    are those of all ``rounds``, without retransmissions.
    """

    cause: Cause
    status: int = 0
    reason: str = ""
    received: Received | None = field(default=None, repr=False)
    rtt: int = 0
    address: tuple[str, int] | None = None
    rounds: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


@dataclass(slots=True, eq=False)
class _Exchange:
    """A request under way, over all rounds of credentials."""

    token: int
    request: Request
    destination: Destination
    done: Callable[[Result], None]
    late: Callable[[], None]
    timeout: float
    started: float
    call_id: str
    tag: str
    cseq: int
    branch: str = ""
    rounds: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    address: tuple[str, int] | None = None
    realms: frozenset[str] = frozenset()
    credentials: Sequence[tuple[str, str]] = ()
    reopened: bool = False

    def result(
        self, cause: Cause, reason: str, status: int = 0, received: Received | None = None, rtt: int = 0
    ) -> Result:
        return Result(
            cause,
            status,
            reason,
            received,
            rtt,
            self.address,
            self.rounds,
            self.sent_bytes,
            self.received_bytes,
        )


class _Ending(NamedTuple):
    """What a callback of pjproject, or a failed call to it, noted down about an exchange."""

    token: int
    at: float
    end: TransactionEnd | None
    error: int = 0


def _no_matter() -> None:
    """A late answer that nobody counts."""


class Requests:
    """The client side of every request that pjka sends by itself."""

    def __init__(self, native: Native, reactor: Reactor, names: Names) -> None:
        self._native = native
        self._reactor = reactor
        self._names = names
        self._transactions = Transactions(native, self._ended)
        self._exchanges: dict[int, _Exchange] = {}
        self._deadlines = Deadlines(reactor, self._time_out)
        self._expired: OrderedDict[str, tuple[float, Callable[[], None]]] = OrderedDict()
        self._endings: deque[_Ending] = deque()
        self._settling = False
        self._tokens = itertools.count(1)

    def __len__(self) -> int:
        """How many requests are under way."""
        return len(self._exchanges)

    def send(
        self,
        request: Request,
        destination: Destination,
        timeout: float,
        done: Callable[[Result], None],
        late: Callable[[], None] = _no_matter,
    ) -> None:
        """Send, and call ``done`` once, whatever happens; ``late`` for an answer after the timeout.

        ``timeout`` (s) covers name look-up, connecting and every resend; 0 or less = the transaction's only.
        """
        now = self._reactor.now()
        token, unique = next(self._tokens), os.urandom(26).hex()
        exchange = _Exchange(
            token,
            request,
            destination,
            done,
            late,
            timeout,
            now,
            request.call_id or unique[:32],
            unique[32:48],
            request.cseq or int(unique[48:], 16) + 1,
        )
        self._exchanges[token] = exchange
        if timeout > 0:
            self._deadlines.set(token, timeout)
        self._locate(exchange, ())

    def close(self) -> None:
        """Forget every request under way; no callback comes any more."""
        for exchange in list(self._exchanges.values()):
            self._drop(exchange)
        self._expired.clear()

    def stray_response(self, received: Received) -> None:
        """A response that belongs to no transaction: perhaps the late answer to a request of ours."""
        found = _CALL_ID.search(received.data)
        kept = self._expired.pop(found[1].decode("utf-8", "replace"), None) if found else None
        if kept is not None:
            self._reactor.post(kept[1])

    def _locate(self, exchange: _Exchange, credentials: Sequence[tuple[str, str]]) -> None:
        """Find the addresses, then transmit: at once where no name has to be looked up."""
        where = exchange.destination

        def found(addresses: Addresses) -> None:
            if exchange.token in self._exchanges:
                self._transmit(exchange, addresses, credentials)

        self._names.find(where.protocol, where.host, where.port, found)

    def _transmit(
        self,
        exchange: _Exchange,
        addresses: Addresses,
        credentials: Sequence[tuple[str, str]],
    ) -> None:
        if not addresses:
            self._note(_Ending(exchange.token, self._reactor.now(), None))
            return
        exchange.address = addresses[0]
        exchange.rounds += 1
        exchange.branch = _BRANCH + os.urandom(12).hex()
        text = self._compose(exchange, credentials)
        exchange.sent_bytes += len(text)
        where = exchange.destination
        envelope = Envelope(text, _KINDS[where.protocol], where.host, addresses, where.sent_by)
        status = self._transactions.send(exchange.token, envelope, where.selector)
        if status != PJ_SUCCESS:
            self._note(_Ending(exchange.token, self._reactor.now(), None, status))

    def _compose(self, exchange: _Exchange, credentials: Sequence[tuple[str, str]]) -> bytes:
        """The whole message, but for the Content-Length that pjproject adds."""
        request = exchange.request
        routes = "".join([f"Route: <{route}>\r\n" for route in request.routes])
        contact = f"Contact: <{request.contact}>\r\n" if request.contact else ""
        more = "".join([f"{name}: {value}\r\n" for name, value in (*request.headers, *credentials)])
        body = f"Content-Type: {request.content_type}\r\n" if request.body else ""
        head = (
            f"{request.method} {request.uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{exchange.destination.protocol.upper()} 0.0.0.0;rport;branch={exchange.branch}"
            f"{request.via}\r\n"
            f"{routes}From: <{request.from_uri}>;tag={exchange.tag}\r\nTo: <{request.to_uri}>\r\n{contact}"
            f"Call-ID: {exchange.call_id}\r\nCSeq: {exchange.cseq} {request.method}\r\n"
            f"Max-Forwards: 70\r\n{more}{body}\r\n"
        )
        return head.encode() + request.body

    def _ended(self, token: int, end: TransactionEnd) -> None:
        if token in self._exchanges:
            self._note(_Ending(token, self._reactor.now(), end))

    def _note(self, ending: _Ending) -> None:
        """From any thread: where a program polls its own endpoint, pjproject calls back on another one."""
        self._endings.append(ending)
        if not self._settling:
            self._settling = True
            self._reactor.post(self._settle)

    def _settle(self) -> None:
        try:
            while self._endings:
                self._take(self._endings.popleft())
        finally:
            self._settling = False
            if self._endings:  # one callback failed: the others are not to suffer from it
                self._note(self._endings.popleft())

    def _take(self, ending: _Ending) -> None:
        """A failed send may both return an error and call back: the first note counts."""
        exchange = self._exchanges.get(ending.token)
        if exchange is None:
            return
        if ending.end is not None and ending.end.received is not None:
            exchange.received_bytes += len(ending.end.received.data)
        if not self._resend(exchange, ending.end) and not self._reopen(exchange, ending.end):
            self._drop(exchange)
            exchange.done(self._result(exchange, ending))

    def _resend(self, exchange: _Exchange, end: TransactionEnd | None) -> bool:
        """Answer a challenge; False if there is none, or nothing new to answer it with."""
        if end is None or end.code not in (401, 407) or end.received is None:
            return False
        asked = digest.challenges(end.received.data)
        rejected = any(challenge.realm in exchange.realms and not challenge.stale for challenge in asked)
        request = exchange.request
        headers = digest.authorize(asked, request.credentials, request.method, request.uri)
        if headers is None or rejected or exchange.rounds >= _MAX_ROUNDS:
            return False
        exchange.realms |= {challenge.realm for challenge in asked}
        exchange.credentials = headers
        exchange.cseq += 1
        self._locate(exchange, headers)
        return True

    def _reopen(self, exchange: _Exchange, end: TransactionEnd | None) -> bool:
        """Send again over a fresh connection where the one under way was found stale; False if not.

        No answer came, so Call-ID and CSeq stay; the branch is a new one.
        """
        if end is None or end.kind != TRANSPORT_ERROR or end.error == _REFUSED:
            return False
        where = exchange.destination
        named = not is_address(where.host)
        pending = Pending(exchange.request.method, by_name=named, resent=exchange.reopened)
        if not isinstance(stale(pending, where.recover), Resend):
            return False
        exchange.reopened = True
        self._locate(exchange, exchange.credentials)
        return True

    def _time_out(self, token: int) -> None:
        """Our own timer: end the transaction, so that nothing is retransmitted to a peer that we gave up."""
        exchange = self._exchanges.get(token)
        if exchange is None:
            return
        now = self._reactor.now()
        self._drop(exchange)
        self._expired[exchange.call_id] = (now, exchange.late)
        while self._expired and next(iter(self._expired.values()))[0] < now - _LATE_KEPT:
            self._expired.popitem(last=False)
        self._transactions.terminate(exchange.request.method, exchange.branch)
        exchange.done(exchange.result(Cause.TIMEOUT, "no answer in time"))

    def _drop(self, exchange: _Exchange) -> None:
        self._exchanges.pop(exchange.token, None)
        self._deadlines.lift(exchange.token, exchange.timeout)

    def _result(self, exchange: _Exchange, ending: _Ending) -> Result:
        end = ending.end
        if end is not None and end.received is not None:
            rtt = max(1, round((ending.at - exchange.started) * 1e6))
            return exchange.result(Cause.ANSWER, _words(end.received.data), end.code, end.received, rtt)
        if end is None:
            words = self._native.error_text(ending.error) if ending.error else "name not found"
            return exchange.result(Cause.SEND, words)
        if end.kind == TRANSPORT_ERROR:
            return exchange.result(Cause.TRANSPORT, self._native.error_text(end.error))
        return exchange.result(Cause.TIMEOUT, "no answer in time")


def _words(response: bytes) -> str:
    reason = _REASON.match(response)
    return reason[1].decode("utf-8", "replace") if reason else ""
