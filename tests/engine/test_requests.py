"""Requests outside any dialog, against peers on raw sockets."""

from __future__ import annotations

import ctypes
import queue
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from sip_peers import Answer, Digest, Peer, header, headers, names, ok, response, says, silent

from pjka.conf.objects import Transport
from pjka.conf.options import Place
from pjka.conf.transport_values import Address
from pjka.errors import PjkaError
from pjka.pjproject.digest import Credential
from pjka.pjproject.endpoint import Endpoint, EndpointSettings
from pjka.pjproject.incoming import Incoming
from pjka.pjproject.names import Names
from pjka.pjproject.requests import Cause, Destination, Request, Requests, Result
from pjka.pjproject.transports import Listener, start_listener

PROTOCOLS = ["udp", "tcp", "tls"]


class Engine:
    """pjproject with one listener of each protocol, and requests on it."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        certificate = self.authority.issue_cert("127.0.0.1", "localhost")
        self.certificate = directory / "pbx.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.certificate))
        self.endpoint = Endpoint(EndpointSettings())
        self.endpoint.start()
        self.reactor = self.endpoint.reactor
        self.transports: dict[str, Transport] = {}
        self.listeners: dict[str, Listener] = self.reactor.call(self._listen)
        self.looked_up: list[tuple[str, str, int]] = []
        self.addresses: dict[str, tuple[tuple[str, int], ...]] = {}
        self.names = Names(self.reactor, self._look_up)
        self.requests = self.reactor.call(lambda: Requests(self.endpoint.native, self.reactor, self.names))
        self.incoming = Incoming(self.endpoint.native, self.requests.stray_response)
        self.reactor.call(self.incoming.install)

    def stop(self) -> None:
        self.reactor.call(self.requests.close)
        self.reactor.call(self.incoming.remove)
        self.names.close()
        self.endpoint.stop()

    def context(self) -> ssl.SSLContext:
        """A TLS server's, with a certificate of the authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context

    def peer(self, protocol: str, answer: Answer = ok, **options: object) -> Peer:
        return Peer(protocol, answer, context=self.context() if protocol == "tls" else None, **options)  # type: ignore[arg-type]

    def start(
        self,
        peer: Peer | None = None,
        timeout: float = 5,
        *,
        request: Request | None = None,
        destination: Destination | None = None,
        late: Callable[[], None] = lambda: None,
    ) -> queue.Queue[Result]:
        """Send, and return where the results come."""
        results: queue.Queue[Result] = queue.Queue()
        if peer is not None:
            selector = self.listeners[peer.protocol].selector
            destination = destination or Destination(peer.protocol, "127.0.0.1", peer.port, selector)
            request = request or options(peer.uri)
        assert request is not None
        assert destination is not None
        self.reactor.call(lambda: self.requests.send(request, destination, timeout, results.put, late))
        return results

    def ask(self, peer: Peer | None = None, timeout: float = 5, **options: object) -> Result:
        """Send, and return the result, of which there is only one."""
        return self.start(peer, timeout, **options).get(timeout=20)  # type: ignore[arg-type]

    def _listen(self) -> dict[str, Listener]:
        found = {}
        for protocol in PROTOCOLS:
            certificate = str(self.certificate) if protocol == "tls" else ""
            self.transports[protocol] = Transport(
                id=protocol,
                place=Place("test", 1),
                places={},
                protocol=protocol,  # type: ignore[arg-type]
                bind=_loopback(protocol),
                cert_file=certificate,
                priv_key_file=certificate,
            )
            found[protocol] = start_listener(self.endpoint, self.transports[protocol], ())
        return found

    def _look_up(self, protocol: str, host: str, port: int) -> tuple[tuple[str, int], ...]:
        self.looked_up.append((protocol, host, port))
        if host == "slow.example":
            time.sleep(1)
        if host not in self.addresses:
            raise OSError("not found")
        return self.addresses[host]


def _loopback(protocol: str) -> Address:
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", free.getsockname()[1])


def options(uri: str, **values: object) -> Request:
    """An OPTIONS to this URI."""
    return Request("OPTIONS", uri, "sip:peer@ex.org", uri, "sip:peer@127.0.0.1:5170", **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("engine"))
    yield running
    running.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "401 Unauthorized", "503 Service Unavailable"])
def test_a_final_response_is_an_answer(engine: Engine, protocol: str, status: str) -> None:
    result = engine.ask(engine.peer(protocol, says(status)))
    assert (result.cause, f"{result.status} {result.reason}") == (Cause.ANSWER, status)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_silence_is_a_timeout_at_its_own_time(engine: Engine, protocol: str) -> None:
    peer, start = engine.peer(protocol, silent), time.monotonic()
    result = engine.ask(peer, timeout=0.7)
    assert (result.cause, result.status, result.rtt) == (Cause.TIMEOUT, 0, 0)
    assert 0.69 <= time.monotonic() - start < 2


def test_after_the_timeout_nothing_is_retransmitted(engine: Engine) -> None:
    peer = engine.peer("udp", silent)
    engine.ask(peer, timeout=0.7)
    before = len(peer.received)
    assert before == 2  # at once and after T1
    time.sleep(1.2)  # the next would come after 1.5 s
    assert len(peer.received) == before


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_late_answer_is_reported_as_such(engine: Engine, protocol: str) -> None:
    late: queue.Queue[str] = queue.Queue()
    peer = engine.peer(protocol, delay=0.6)
    result = engine.start(peer, 0.2, late=lambda: late.put("late"))
    assert result.get(timeout=5).cause is Cause.TIMEOUT
    assert late.get(timeout=5) == "late"
    assert result.empty()


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_a_refused_connection_is_a_transport_error_once(engine: Engine, protocol: str) -> None:
    peer = engine.peer(protocol)
    peer.close()
    for _ in range(3):  # the failed transport must not be picked up again
        results = engine.start(peer)
        result = results.get(timeout=5)
        assert (result.cause, result.reason) == (Cause.TRANSPORT, "Connection refused")
        time.sleep(0.1)
        assert results.empty()


def test_a_request_that_cannot_be_sent_fails_once(engine: Engine) -> None:
    destination = Destination("udp", "240.0.0.1", 5060, engine.listeners["udp"].selector)
    results = engine.start(request=options("sip:240.0.0.1"), destination=destination, timeout=3)
    assert results.get(timeout=5).cause in (Cause.TRANSPORT, Cause.SEND)
    time.sleep(0.1)
    assert results.empty()
    assert len(engine.requests) == 0


def test_a_uri_that_pjproject_cannot_parse_fails_once(engine: Engine) -> None:
    results = engine.start(request=options("sip:@@:x"), destination=Destination("udp", "127.0.0.1", 5060))
    assert results.get(timeout=5).cause is Cause.SEND
    time.sleep(0.1)
    assert results.empty()


def test_the_round_trip_is_in_microseconds(engine: Engine) -> None:
    assert 0 < engine.ask(engine.peer("udp")).rtt < 200_000
    assert 200_000 <= engine.ask(engine.peer("udp", delay=0.2)).rtt < 500_000


def test_the_response_and_its_source_are_handed_on(engine: Engine) -> None:
    peer = engine.peer("udp", says("200 OK", "X-Thing: 7"))
    received = engine.ask(peer).received
    assert received is not None
    assert header(received.data.decode(), "X-Thing") == "7"
    assert received.source == ("127.0.0.1", peer.port)


def test_provisional_responses_are_not_results(engine: Engine) -> None:
    def trying_first(request: str, _: int) -> str:
        return response(request, "100 Trying") + response(request, "200 OK")

    assert engine.ask(engine.peer("tcp", trying_first)).status == 200


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_an_answer_that_is_repeated_is_one_result(engine: Engine, status: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as repeating:

        def twice(request: str, _: int) -> str:
            host, port = header(request, "Via").split()[1].partition(";")[0].split(":")
            repeating.sendto(response(request, status).encode(), (host, int(port)))
            return response(request, status)

        peer = engine.peer("udp", twice)
        results = engine.start(peer)
        assert results.get(timeout=20).status == int(status[:3])
        assert engine.ask(peer).status == int(status[:3])
        assert results.empty()


def test_an_answered_transaction_over_udp_does_not_last_another_five_seconds(engine: Engine) -> None:
    count = engine.endpoint.native.declare("pjsip_tsx_layer_get_tsx_count", ctypes.c_uint)
    before, peer = engine.reactor.call(count), engine.peer("udp")
    assert engine.ask(peer).status == 200
    deadline = time.monotonic() + 2
    while engine.reactor.call(count) > before:
        assert time.monotonic() < deadline, "pjproject still keeps the transaction"
        time.sleep(0.02)


def test_requests_reuse_a_connection_with_the_same_remote_address(engine: Engine) -> None:
    peer = engine.peer("tcp")
    for _ in range(3):
        engine.ask(peer)
    assert len(peer.connections) == 1


def test_a_peer_that_stops_and_comes_back(engine: Engine) -> None:
    peer = engine.peer("tcp")
    assert engine.ask(peer).status == 200
    peer.close()
    assert engine.ask(peer).cause in (Cause.TRANSPORT, Cause.SEND)
    again = engine.peer("tcp", port=peer.port)
    assert engine.ask(again).status == 200


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("proxy", [False, True])
def test_a_challenge_is_answered(engine: Engine, algorithm: str, proxy: bool) -> None:
    peer = engine.peer("udp", Digest("alice", 'se"cret', algorithm=algorithm, proxy=proxy))
    request = options(peer.uri, credentials=(Credential("alice", 'se"cret'),))
    result = engine.ask(peer, request=request)
    assert (result.status, result.rounds) == (200, 2)
    first, second = peer.received
    assert header(first, "Call-ID") == header(second, "Call-ID")
    assert header(first, "From") == header(second, "From")
    sequence = [int(header(request, "CSeq").split()[0]) for request in (first, second)]
    assert sequence[1] == sequence[0] + 1
    assert header(first, "Via") != header(second, "Via")


def test_wrong_credentials_are_not_tried_again(engine: Engine) -> None:
    peer = engine.peer("udp", Digest("alice", "secret"))
    result = engine.ask(peer, request=options(peer.uri, credentials=(Credential("alice", "wrong"),)))
    assert (result.status, result.rounds, len(peer.received)) == (401, 2, 2)


def test_a_credential_of_another_realm_is_not_used(engine: Engine) -> None:
    peer = engine.peer("udp", Digest("alice", "secret", realm="pbx"))
    result = engine.ask(
        peer, request=options(peer.uri, credentials=(Credential("alice", "secret", "other"),))
    )
    assert (result.status, result.rounds) == (401, 1)


def test_the_timeout_covers_the_resend_with_credentials(engine: Engine) -> None:
    def only_asks(request: str, count: int) -> str | None:
        return Digest("alice", "secret")(request, count) if count == 0 else None

    peer, start = engine.peer("tcp", only_asks), time.monotonic()
    result = engine.ask(peer, 0.8, request=options(peer.uri, credentials=(Credential("alice", "secret"),)))
    assert (result.cause, result.rounds) == (Cause.TIMEOUT, 2)
    assert time.monotonic() - start < 2


def test_stale_nonces_end_after_ten_rounds(engine: Engine) -> None:
    ask = 'WWW-Authenticate: Digest realm="r", nonce="n", stale=true'
    peer = engine.peer("udp", says("401 Unauthorized", ask))
    result = engine.ask(peer, request=options(peer.uri, credentials=(Credential("alice", "secret"),)))
    assert (result.status, len(peer.received)) == (401, 10)


def test_a_name_is_looked_up_elsewhere_and_remembered(engine: Engine) -> None:
    peer = engine.peer("udp")
    engine.addresses["pbx.example"] = (("127.0.0.1", peer.port),)
    for _ in range(2):
        destination = Destination("udp", "pbx.example", 0, engine.listeners["udp"].selector)
        assert engine.ask(request=options("sip:bob@pbx.example"), destination=destination).status == 200
    assert engine.looked_up.count(("udp", "pbx.example", 0)) == 1
    assert peer.received[0].startswith("OPTIONS sip:bob@pbx.example SIP/2.0\r\n")


def test_the_next_address_is_tried_when_the_first_refuses(engine: Engine) -> None:
    gone, peer = engine.peer("tcp"), engine.peer("tcp")
    gone.close()
    engine.addresses["two.example"] = (("127.0.0.1", gone.port), ("127.0.0.1", peer.port))
    destination = Destination("tcp", "two.example", 0, engine.listeners["tcp"].selector)
    assert engine.ask(request=options("sip:two.example;transport=tcp"), destination=destination).status == 200


def test_a_name_that_is_not_found_fails(engine: Engine) -> None:
    result = engine.ask(request=options("sip:no.example"), destination=Destination("udp", "no.example"))
    assert (result.cause, result.reason) == (Cause.SEND, "name not found")


def test_the_timeout_covers_a_slow_look_up_and_nobody_waits_for_it(engine: Engine) -> None:
    results = engine.start(
        request=options("sip:slow.example"), destination=Destination("udp", "slow.example"), timeout=0.3
    )
    assert engine.ask(engine.peer("udp")).rtt < 200_000
    assert results.get(timeout=5).cause is Cause.TIMEOUT
    time.sleep(1)
    assert results.empty()


def test_a_body_and_headers_of_another_method(engine: Engine) -> None:
    peer = engine.peer("udp")
    request = Request(
        "MESSAGE",
        peer.uri,
        "sip:a@ex.org",
        "sip:b@ex.org",
        headers=(("X-One", "1"),),
        body=b"hello",
        content_type="text/plain",
        call_id="same@ex.org",
        cseq=42,
    )
    assert engine.ask(peer, request=request).status == 200
    text = peer.received[0]
    assert text.endswith("\r\n\r\nhello")
    assert [
        header(text, name) for name in ("X-One", "Call-ID", "CSeq", "Content-Type", "Content-Length")
    ] == [
        "1",
        "same@ex.org",
        "42 MESSAGE",
        "text/plain",
        "5",
    ]
    assert "Contact" not in names(text)
    assert names(text).count("Content-Length") == 1


def test_a_header_cannot_be_smuggled_in() -> None:
    with pytest.raises(PjkaError, match="control character"):
        options("sip:bob@ex.org\r\nEvil: 1")


def test_closing_forgets_what_is_under_way(engine: Engine) -> None:
    results = engine.start(engine.peer("udp", silent), 0.3)
    engine.reactor.call(engine.requests.close)
    time.sleep(0.5)
    assert results.empty()


def test_thousand_requests_at_once(engine: Engine) -> None:
    peer = engine.peer("udp")
    results = [engine.start(peer) for _ in range(1000)]
    assert {result.get(timeout=10).status for result in results} == {200}
    assert len(engine.requests) == 0


def ask_us(engine: Engine, method: str = "OPTIONS") -> str:
    """What pjproject answers to a request from outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.settimeout(5)
        own = asking.getsockname()[1]
        text = (
            f"{method} sip:127.0.0.1:{engine.listeners['udp'].port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{time.monotonic_ns()};rport\r\n"
            "From: <sip:a@ex.org>;tag=1\r\nTo: <sip:b@ex.org>\r\n"
            f"Call-ID: {time.monotonic_ns()}\r\nCSeq: 1 {method}\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        asking.sendto(text.encode(), ("127.0.0.1", engine.listeners["udp"].port))
        return asking.recv(65535).decode()


def test_incoming_options_are_answered_with_allow_accept_and_supported(engine: Engine) -> None:
    answer = ask_us(engine)
    assert answer.startswith("SIP/2.0 200 ")
    assert {"OPTIONS", "INVITE", "BYE"} <= set(header(answer, "Allow").replace(" ", "").split(","))
    assert "application/sdp" in header(answer, "Accept")
    assert headers(answer, "Supported")


def test_incoming_options_are_refused_while_shutting_down(engine: Engine) -> None:
    engine.reactor.call(engine.incoming.refuse_options)
    try:
        assert ask_us(engine).startswith("SIP/2.0 503 ")
        assert not ask_us(engine, "MESSAGE").startswith("SIP/2.0 503 ")
    finally:
        engine.reactor.call(engine.incoming.remove)
        engine.incoming = Incoming(engine.endpoint.native, engine.requests.stray_response)
        engine.reactor.call(engine.incoming.install)
