"""`pjka run` through every cut, with every mechanism, over tcp and tls, in both directions."""

from __future__ import annotations

import pytest

from pjka.check.policy import policies
from pjka.conf.loader import load
from pjka.keepalive.platforms import LINUX
from pjka.status import Cause

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
    RunRig,
    assert_as_expected,
    certificate,
    ends,
    run_all,
    selected,
)

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

KERNEL = Mechanism("kernel+user-timeout", KEEPALIVE)
KERNEL_ALONE = Mechanism("kernel", KEEPALIVE + NO_USER_TIMEOUT)
CRLF = Mechanism("crlf", settings="keep_alive_interval=2")
CRLF_BOUND = Mechanism("crlf+user-timeout", "@tcp_user_timeout=4\n", "keep_alive_interval=2")
OPTIONS_AOR = "qualify_frequency=2\nqualify_timeout=1\n"
OPTIONS = Mechanism("options", aor=OPTIONS_AOR)
NOTHING = Mechanism("nothing")
BOTH = Mechanism("kernel,options", KEEPALIVE + NO_USER_TIMEOUT, aor=OPTIONS_AOR)
BOTH_BOUND = Mechanism("kernel+user-timeout,options", KEEPALIVE, aor=OPTIONS_AOR)
KERNEL_NOT_CRLF = Mechanism("kernel+user-timeout,crlf-configured", KEEPALIVE, "keep_alive_interval=1")

DROP = "drop-both-ways"
UNREACHABLE = Expected(unreachable=True)
FOUND = ends(Cause.KEEPALIVE, BUDGET)

MECHANISMS = [
    Case(KERNEL, DROP, FOUND),
    Case(KERNEL, DROP, ends(Cause.USER_TIMEOUT, BUSY), busy=True),
    Case(KERNEL_ALONE, DROP, FOUND),
    Case(KERNEL_ALONE, DROP, NEVER, busy=True),
    Case(CRLF, DROP, NEVER),
    # the tick comes anywhere within its interval, and then data is outstanding
    Case(CRLF_BOUND, DROP, Expected(frozenset({Cause.USER_TIMEOUT}), BUDGET - 0.3, 2 + BUSY + 1)),
    Case(OPTIONS, DROP, UNREACHABLE),
    Case(BOTH, DROP, UNREACHABLE),
    Case(
        BOTH_BOUND,
        DROP,
        Expected(frozenset({Cause.USER_TIMEOUT}), BUDGET - 0.3, 2 + BUSY + 1, unreachable=True),
    ),
    # pjka sends no CRLF beside the kernel's keep-alive, so it finds what it would find without
    Case(KERNEL_NOT_CRLF, DROP, FOUND),
]
CUTS = [
    Case(KERNEL, "drop-to-pbx", FOUND),
    Case(KERNEL, "drop-to-phone", FOUND),
    Case(KERNEL, "link-down", FOUND),
    Case(KERNEL, "power-off", FOUND),
    Case(KERNEL, "reset", ends(Cause.RESET, 0)),
    Case(KERNEL, "killed", ends(Cause.PEER_CLOSED, 0)),
    Case(KERNEL, "half-closed", ends(Cause.PEER_CLOSED, 0)),
    Case(KERNEL, "frozen", NEVER),
    Case(BOTH_BOUND, "frozen", UNREACHABLE),
]
CASES = [
    *(one for case in (*MECHANISMS, *CUTS) for one in case.everywhere()),
    # only a phone can open a connection through such firewalls; and what nothing keeps, pjproject closes
    # itself if it has opened it
    *Case(KERNEL, "forget", FOUND).everywhere("incoming"),
    *Case(KERNEL, "rebind", FOUND).everywhere("incoming"),
    *Case(NOTHING, DROP, NEVER).everywhere("incoming"),
]


@pytest.mark.parametrize(
    ("settings", "idle", "busy"),
    [("", BUDGET, BUSY), (NO_USER_TIMEOUT, BUDGET, 924.6 * 1.03)],
    ids=["kernel+user-timeout", "kernel"],
)
def test_the_times_of_the_matrix_are_those_that_the_policy_predicts(tmp_path, settings, idle, busy):
    path = tmp_path / "pjsip.conf"
    path.write_text(f"[t]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1\n{KEEPALIVE}{settings}")
    policy = policies(load(path))["t"]
    assert policy.detection_idle(LINUX) == idle
    assert policy.detection_busy(LINUX) == pytest.approx(busy)


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    directory = tmp_path_factory.mktemp("run")
    return run_all(RunRig, selected(request), directory, certificate(directory))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_run_finds_what_is_predicted_and_nothing_else(outcomes, case):
    found = outcomes[case.id]
    assert_as_expected(case, found)
    if case.expected.unreachable:
        assert found.contact == "Unreachable"
