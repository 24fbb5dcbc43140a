"""Which mechanism a transport gets, and what must not write beside it (A1 to A8, G8)."""

from __future__ import annotations

import pytest

from pjka.keepalive.competing import Demand, Writer, choose, conflicts, writers
from pjka.keepalive.policy import Mechanism, Qualify

EVERY_MINUTE = (Qualify(60, 3.0),)


def mechanism(**demand: object) -> Mechanism:
    return choose(Demand(stream=True, **demand)).mechanism  # type: ignore[arg-type]


def conflicting(**demand: object) -> list[Mechanism]:
    found = conflicts(Demand(stream=True, **demand))  # type: ignore[arg-type]
    return [conflict.writer.mechanism for conflict in found]


@pytest.mark.parametrize(
    ("demand", "chosen"),
    [
        ({"enabled": True, "crlf_interval": 90}, Mechanism.KERNEL),
        ({"wanted": "tcp"}, Mechanism.KERNEL),
        ({"wanted": "tcp", "crlf_interval": 90, "qualify": EVERY_MINUTE}, Mechanism.KERNEL),
        ({"wanted": "outbound", "enabled": True, "crlf_interval": 90}, Mechanism.OUTBOUND),
        ({"wanted": "none", "enabled": True, "crlf_interval": 90}, Mechanism.CRLF),
        ({"wanted": "none", "enabled": True}, Mechanism.NONE),
        ({"crlf_interval": 90, "pjproject_interval": 90, "qualify": EVERY_MINUTE}, Mechanism.CRLF),
        ({"pjproject_interval": 90, "qualify": EVERY_MINUTE}, Mechanism.PJPROJECT),
        ({"qualify": EVERY_MINUTE}, Mechanism.OPTIONS),
        ({}, Mechanism.NONE),
    ],
    ids=str,
)
def test_a7_one_mechanism_per_transport(demand: dict[str, object], chosen: Mechanism) -> None:
    assert mechanism(**demand) is chosen
    assert choose(Demand(stream=True, **demand)).reason.endswith(".")  # type: ignore[arg-type]


def test_asterisk_0_8_keepalive_options_mean_nothing_on_websockets() -> None:
    demand = Demand(stream=False, wanted="tcp", enabled=True, crlf_interval=90)
    assert choose(demand).mechanism is Mechanism.CRLF


def test_asterisk_1_1_crlf_is_never_sent_over_udp() -> None:
    demand = Demand(stream=False, connected=False, crlf_interval=90)
    assert choose(demand).mechanism is Mechanism.NONE
    assert writers(demand) == ()
    with_qualify = Demand(stream=False, connected=False, crlf_interval=90, qualify=EVERY_MINUTE)
    assert choose(with_qualify).mechanism is Mechanism.OPTIONS


def test_asterisk_0_2_crlf_is_always_sent_beside_tcp_keepalive() -> None:
    assert conflicting(enabled=True, crlf_interval=90) == [Mechanism.CRLF]


def test_asterisk_6_an_external_pjproject_sends_its_own_crlf_in_addition() -> None:
    assert conflicting(enabled=True, crlf_interval=90, pjproject_interval=90) == [
        Mechanism.CRLF,
        Mechanism.PJPROJECT,
    ]


def test_a5_two_senders_of_crlf_conflict_even_without_tcp_keepalive() -> None:
    found = conflicts(Demand(stream=True, crlf_interval=90, pjproject_interval=90))
    assert [conflict.writer.mechanism for conflict in found] == [Mechanism.PJPROJECT]
    assert "deadlock" in found[0].why


def test_crlf_conflicts_with_the_pings_of_outbound() -> None:
    assert conflicting(wanted="outbound", crlf_interval=90) == [Mechanism.CRLF]


def test_g8_p8_qualify_is_never_to_be_switched_off() -> None:
    assert conflicting(enabled=True, qualify=EVERY_MINUTE) == []
    assert conflicting(wanted="outbound", qualify=EVERY_MINUTE) == []


@pytest.mark.parametrize(
    ("expiry", "found"), [(60, [Mechanism.REGISTER]), (299, [Mechanism.REGISTER]), (300, [])]
)
def test_a3_a_short_registration_is_no_keepalive(expiry: int, found: list[Mechanism]) -> None:
    assert conflicting(enabled=True, registration=expiry) == found


def test_a_short_registration_is_left_alone_where_nothing_else_keeps_the_path_open() -> None:
    assert conflicting(registration=60) == []


def test_nothing_conflicts_where_only_the_kernel_is_at_work() -> None:
    assert conflicting(enabled=True, registration=3600) == []


def test_writers_are_all_that_write_with_the_quickest_qualify() -> None:
    demand = Demand(
        stream=True,
        wanted="outbound",
        crlf_interval=90,
        pjproject_interval=80,
        flow_timer=840,
        qualify=(Qualify(60, 3.0), Qualify(30, 3.0)),
        registration=3600,
    )
    assert writers(demand) == (
        Writer(Mechanism.CRLF, 90),
        Writer(Mechanism.PJPROJECT, 80),
        Writer(Mechanism.OUTBOUND, 840),
        Writer(Mechanism.OPTIONS, 30),
        Writer(Mechanism.REGISTER, 3600),
    )
