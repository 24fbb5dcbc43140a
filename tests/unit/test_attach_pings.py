"""CRLF pings told from SIP by what the kernel counts."""

from __future__ import annotations

import pytest

from pjka.attach.pings import Pings, Sample


def look(pings: Pings, now: float, sent: int, received: int = 400, ago: float = 0.0, protocol: str = "tcp"):
    return pings.look([Sample(7, "phones", protocol, sent, received, ago)], now)


@pytest.mark.parametrize(("protocol", "size"), [("tcp", 4), ("tls", 26), ("tls", 33)])
def test_two_pings_tell_the_interval(protocol: str, size: int) -> None:
    pings = Pings()
    assert look(pings, 100.0, 500, protocol=protocol) == {}
    assert look(pings, 102.0, 500 + size, ago=0.5, protocol=protocol) == {}
    assert look(pings, 104.0, 500 + size, protocol=protocol) == {}
    assert look(pings, 107.0, 500 + 2 * size, ago=0.5, protocol=protocol) == {"phones": 5.0}


def test_several_pings_between_two_looks_count_as_many() -> None:
    pings = Pings()
    for now, sent in ((0.0, 100), (10.0, 104), (20.0, 112)):
        found = look(pings, now, sent)
    assert found == {"phones": 5.0}


@pytest.mark.parametrize(
    ("sent", "received"),
    [(900, 400), (504, 800), (500, 404)],
    ids=["a request", "an answer while something came", "the peer's pings"],
)
def test_sip_and_the_peer_s_own_pings_are_none(sent: int, received: int) -> None:
    pings = Pings()
    look(pings, 0.0, 500)
    look(pings, 5.0, sent, received)
    assert look(pings, 10.0, sent + 4, received) == {}


def test_pings_that_stop_are_forgotten() -> None:
    pings = Pings()
    for now, sent in ((0.0, 100), (5.0, 104), (10.0, 108)):
        found = look(pings, now, sent)
    assert found == {"phones": 5.0}
    assert look(pings, 24.0, 108) == {"phones": 5.0}
    assert look(pings, 26.0, 108) == {}


def test_a_silent_connection_and_one_that_has_gone_have_none() -> None:
    pings = Pings()
    look(pings, 0.0, 500)
    assert look(pings, 500.0, 500) == {}
    assert pings.look([], 501.0) == {}
