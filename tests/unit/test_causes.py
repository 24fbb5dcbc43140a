"""Why a connection ended: each status of pjproject with what the socket says."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pjka.causes import cause_of, cause_of_attempt, errno_of
from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.status import Cause


def info(retransmits: int, probes: int) -> TcpInfo:
    values: dict[str, object] = {field.name: 0 for field in fields(TcpInfo)}
    return TcpInfo(**{**values, "state": TcpState.CLOSE, "retransmits": retransmits, "probes": probes})


@pytest.mark.parametrize(
    ("status", "unanswered", "cause"),
    [
        pytest.param(70016, None, Cause.PEER_CLOSED, id="eof"),
        pytest.param(120104, info(0, 0), Cause.RESET, id="reset"),
        pytest.param(120032, None, Cause.RESET, id="broken-pipe"),
        pytest.param(120110, info(0, 3), Cause.KEEPALIVE, id="probes-unanswered"),
        pytest.param(120110, info(4, 0), Cause.USER_TIMEOUT, id="data-unanswered"),
        pytest.param(120110, None, Cause.KEEPALIVE, id="socket-already-closed"),
        pytest.param(120113, info(0, 2), Cause.KEEPALIVE, id="probes-with-icmp-host-unreachable"),
        pytest.param(120101, info(6, 0), Cause.USER_TIMEOUT, id="data-with-icmp-net-unreachable"),
        pytest.param(70014, None, Cause.CLOSED, id="shut-down-here"),
        pytest.param(0, None, Cause.CLOSED, id="destroyed-by-idle-timer"),
        pytest.param(171173, None, Cause.TLS_VERIFY, id="certificate-not-accepted"),
        pytest.param(470123, None, Cause.TLS_FAILED, id="tls-library"),
        pytest.param(171060, None, Cause.UNKNOWN, id="anything-else"),
    ],
)
def test_cause(status: int, unanswered: TcpInfo | None, cause: Cause) -> None:
    assert cause_of(status, unanswered) is cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [(120111, Cause.CONNECT_FAILED), (171173, Cause.TLS_VERIFY), (470001, Cause.TLS_FAILED)],
)
def test_cause_of_attempt(status: int, cause: Cause) -> None:
    assert cause_of_attempt(status) is cause


def test_errno_of() -> None:
    assert [errno_of(status) for status in (120104, 70016, 0, 171173)] == [104, None, None, None]
