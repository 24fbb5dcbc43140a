"""`pjka attach` beside a PBX through every cut, with everything that a PBX may write itself."""

from __future__ import annotations

import pytest

from pjka.status import Cause

from .attach_rig import AttachRig
from .matrix import (
    BUDGET,
    BUSY,
    KEEPALIVE,
    NEVER,
    NO_USER_TIMEOUT,
    Case,
    Expected,
    Found,
    Mechanism,
    assert_as_expected,
    certificate,
    ends,
    run_all,
    selected,
)

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

KERNEL = Mechanism("kernel+user-timeout", KEEPALIVE)
KERNEL_ALONE = Mechanism("kernel", KEEPALIVE + NO_USER_TIMEOUT)
NOTHING = Mechanism("nothing", attached=False)
CRLF = Mechanism("crlf", beat=(2, "crlf"), attached=False)
OPTIONS = Mechanism("options", beat=(2, "options"), attached=False)
TIMER = Mechanism("pjproject-timer", pjproject=2, attached=False)
CRLF_BESIDE = Mechanism("kernel,crlf", KEEPALIVE + NO_USER_TIMEOUT, beat=(1, "crlf"))
CRLF_BOUND = Mechanism("kernel+user-timeout,crlf", KEEPALIVE, beat=(1, "crlf"))
OPTIONS_BESIDE = Mechanism("kernel,options", KEEPALIVE + NO_USER_TIMEOUT, beat=(1, "options"))
OPTIONS_BOUND = Mechanism("kernel+user-timeout,options", KEEPALIVE, beat=(1, "options"))
TIMER_BESIDE = Mechanism("kernel,pjproject-timer", KEEPALIVE + NO_USER_TIMEOUT, pjproject=1)
TIMER_BOUND = Mechanism("kernel+user-timeout,pjproject-timer", KEEPALIVE, pjproject=1)

DROP = "drop-both-ways"
FOUND = ends(Cause.KEEPALIVE, BUDGET)
BESIDE = Expected(frozenset({Cause.USER_TIMEOUT}), BUDGET - 0.3, 1 + BUSY + 1)
# over TLS, OpenSSL 3 answers an end without a farewell with an alert, and the phone's kernel that with RST
CLOSED = Expected(frozenset({Cause.PEER_CLOSED, Cause.RESET}), 0, 1.2)

CASES = [
    one
    for case in (
        Case(KERNEL, DROP, FOUND),
        Case(KERNEL, DROP, ends(Cause.USER_TIMEOUT, BUSY), busy=True),
        Case(KERNEL_ALONE, DROP, FOUND),
        Case(KERNEL_ALONE, DROP, NEVER, busy=True),
        Case(NOTHING, DROP, NEVER),
        Case(CRLF, DROP, NEVER),
        Case(OPTIONS, DROP, NEVER),
        Case(CRLF_BESIDE, DROP, NEVER),
        Case(CRLF_BOUND, DROP, BESIDE),
        Case(OPTIONS_BESIDE, DROP, NEVER),
        Case(OPTIONS_BOUND, DROP, BESIDE),
        Case(KERNEL, "drop-to-pbx", FOUND),
        Case(KERNEL, "drop-to-phone", FOUND),
        Case(KERNEL, "link-down", FOUND),
        Case(KERNEL, "power-off", FOUND),
        Case(KERNEL, "reset", ends(Cause.RESET, 0)),
        Case(KERNEL, "killed", CLOSED),
        Case(KERNEL, "half-closed", ends(Cause.PEER_CLOSED, 0)),
        Case(KERNEL, "frozen", NEVER),
    )
    for one in case.everywhere()
] + [
    one
    for case in (
        Case(KERNEL, "forget", FOUND),
        Case(KERNEL, "rebind", FOUND),
        Case(TIMER, DROP, NEVER),
        Case(TIMER_BESIDE, DROP, NEVER),
        Case(TIMER_BOUND, DROP, BESIDE),
    )
    for one in case.everywhere("incoming")
]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    directory = tmp_path_factory.mktemp("attach")
    return run_all(AttachRig, selected(request), directory, certificate(directory))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_attach_finds_what_is_predicted_and_nothing_else(outcomes, case):
    assert_as_expected(case, outcomes[case.id])
    if case.expected is NEVER:
        assert outcomes[case.id].after is None
