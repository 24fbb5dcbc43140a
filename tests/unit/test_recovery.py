"""Stale connections with requests under way: who is sent again, who ends, and with what reason."""

from __future__ import annotations

import pytest

from pjka.keepalive.recovery import End, Pending, Recover, Resend, reopening_failed, stale


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE", "MESSAGE"])
def test_g4_p4_request_under_way_is_sent_again_with_its_cseq(method: str) -> None:
    assert stale(Pending(method), Recover.YES) == Resend(next_cseq=False)


def test_g4_p4_request_with_a_provisional_answer_gets_a_new_cseq() -> None:
    assert stale(Pending("INVITE", provisional=True), Recover.YES) == Resend(next_cseq=True)


def test_g6_p6_reopening_fails_with_503() -> None:
    assert reopening_failed("Connection refused", tls=False) == End(
        "reopening failed: Connection refused", status=503
    )


def test_g7_p7_over_tls_the_peer_has_to_accept_connections() -> None:
    assert "peer has to accept connections" in reopening_failed("Connection refused", tls=True).reason


@pytest.mark.parametrize(
    ("recover", "expected"), [(Recover.YES, End), (Recover.NO, End), (Recover.DNS, Resend)], ids=str
)
def test_g9_p9_target_found_by_name_only_with_recover_dns(recover: Recover, expected: type) -> None:
    assert isinstance(stale(Pending("INVITE", by_name=True), recover), expected)


@pytest.mark.parametrize(
    ("pending", "words"),
    [
        (Pending("OPTIONS", resent=True), "as well"),
        (Pending("ACK"), "ACK"),
        (Pending("CANCEL"), "CANCEL"),
        (Pending("INVITE", cancelled=True), "cancelled"),
    ],
    ids=["sent-again-before", "ack", "cancel", "cancelled"],
)
def test_never_sent_again(pending: Pending, words: str) -> None:
    decision = stale(pending, Recover.YES)
    assert isinstance(decision, End)
    assert decision.status == 503
    assert words in decision.reason


def test_recover_no_ends_every_request() -> None:
    assert stale(Pending("INVITE"), Recover.NO) == End("@recover is off")
