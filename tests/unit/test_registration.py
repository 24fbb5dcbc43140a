"""What a registration of ours does next: Asterisk's retries, RFC 5626 4.5, and the answers that it reads."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from pjka.errors import PjkaError
from pjka.registration.answer import Said, read
from pjka.registration.instance import instance_id
from pjka.registration.machine import Answer, Client, Do, Rules, State

OK = Answer(200, expires=600)
PLAIN = Rules(initial_delay=0, retry_interval=60, max_retries=3)
FLOW = Rules(initial_delay=0, outbound=True)
SUPERVISED = Answer(200, expires=600, supervised=True)


def client(rules: Rules = PLAIN, others: tuple[int, ...] = (), seed: int = 1) -> Client:
    made = Client(rules, Random(seed), lambda: [made.failures, *others])
    return made


def registering(rules: Rules = PLAIN, others: tuple[int, ...] = (), seed: int = 1) -> Client:
    made = client(rules, others, seed)
    made.start(0)
    made.handle_timer(0)
    assert made.actions() == [Do.REGISTER]
    return made


def again(made: Client) -> float:
    """Let the timer run out; the moment of it."""
    assert made.due is not None
    now = made.due
    made.handle_timer(now)
    assert made.actions() == [Do.REGISTER]
    return now


@pytest.mark.parametrize("seed", range(20))
def test_asterisk_5_3_first_register_within_the_random_initial_delay(seed: int) -> None:
    made = client(Rules(initial_delay=10), seed=seed)
    made.start(0)
    assert made.due is not None
    assert 1 <= made.due <= 10


@pytest.mark.parametrize(
    ("granted", "due"), [(600, 590), (20, 10), (15, 7.5), (1, 1)], ids=["usual", "20", "half", "1"]
)
def test_asterisk_5_3_refresh_10_s_before_expiry(granted: int, due: float) -> None:
    made = registering()
    made.answered(Answer(200, expires=granted), 0)
    assert (made.state, made.due, made.expires_at) == (State.REGISTERED, due, granted)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 600, 603])
def test_asterisk_5_3_temporary_is_tried_again_up_to_max_retries(status: int) -> None:
    made, now = registering(), 0.0
    for _ in range(3):
        made.answered(Answer(status), now)
        assert made.due == now + 60
        now = again(made)
    made.answered(Answer(status), now)
    assert (made.state, made.due) == (State.REJECTED, None)


@pytest.mark.parametrize(
    ("status", "options", "due"),
    [
        (403, {}, None),
        (403, {"forbidden_retry_interval": 300}, 300),
        (404, {}, None),
        (404, {"fatal_retry_interval": 400}, 400),
        (401, {}, None),
        (401, {"auth_rejection_permanent": False}, 60),
        (407, {"auth_rejection_permanent": False}, 60),
        (503, {}, 60),
    ],
    ids=str,
)
def test_asterisk_5_3_retry_options(status: int, options: dict[str, int], due: float | None) -> None:
    made = registering(Rules(initial_delay=0, **options))  # type: ignore[arg-type]
    made.answered(Answer(status), 0)
    assert made.due == due
    assert made.state is (State.REJECTED if due is None else State.WAITING)


def test_retry_after_lengthens() -> None:
    made = registering()
    made.answered(Answer(503, retry_after=200), 0)
    assert made.due == 200


def test_interval_too_brief_is_asked_for_what_it_takes_and_not_twice() -> None:
    made = registering(Rules(initial_delay=0, expiration=300))
    made.answered(Answer(423, min_expires=900), 0)
    assert (made.actions(), made.expiration) == ([Do.REGISTER], 900)
    made.answered(Answer(423, min_expires=900), 0)
    assert made.state is State.REJECTED


def test_rfc5626_4_2_1_first_hop_lacks_outbound_support_is_tried_without() -> None:
    made = registering(FLOW)
    made.answered(Answer(439), 0)
    assert (made.actions(), made.outbound) == ([Do.REGISTER], False)
    made.answered(Answer(439), 0)
    assert made.state is State.REJECTED


@pytest.mark.parametrize(("others", "low", "high"), [((), 30, 60), ((2,), 30, 60), ((0,), 90, 180)], ids=str)
def test_rfc5626_4_5_first_failure(others: tuple[int, ...], low: int, high: int) -> None:
    waits = []
    for seed in range(200):
        made = registering(FLOW, others, seed)
        made.unanswered("timeout", 0)
        assert made.actions() == [Do.CLOSE]
        waits.append(made.due or 0)
    assert low <= min(waits) < low * 1.1
    assert high * 0.9 < max(waits) <= high


def test_rfc5626_4_5_doubles_to_half_an_hour_for_ever() -> None:
    made, now, waits = registering(FLOW), 0.0, []
    for _ in range(20):
        made.unanswered("timeout", now)
        waits.append((made.due or 0) - now)
        assert made.actions() == [Do.CLOSE]
        now = again(made)
    for number, wait in enumerate(waits, 1):
        ceiling = min(1800, 30 * 2**number)
        assert ceiling / 2 <= wait <= ceiling


def test_rfc5626_4_5_success_only_after_a_first_pong() -> None:
    made = registering(FLOW)
    made.unanswered("timeout", 0)
    made.actions()
    now = again(made)
    made.answered(SUPERVISED, now)
    assert made.failures == 1
    made.connection_lost(now)
    assert (made.failures, made.state) == (2, State.WAITING)
    made.actions()
    now = again(made)
    made.answered(SUPERVISED, now)
    made.pong()
    assert made.failures == 0


def test_asterisk_5_3_lost_connection_is_registered_again_at_once() -> None:
    made = registering()
    made.answered(OK, 0)
    made.connection_lost(5)
    assert made.actions() == [Do.REGISTER]


def test_flow_that_worked_is_formed_anew_at_once_and_then_waits() -> None:
    made = registering(FLOW)
    made.answered(SUPERVISED, 0)
    made.pong()
    again(made)
    made.unanswered("timeout", 600)
    assert made.actions() == [Do.CLOSE, Do.REGISTER]
    made.unanswered("timeout", 632)
    assert made.actions() == [Do.CLOSE]
    assert made.failures == 1


def test_rfc5626_4_2_2_error_that_passes_leaves_the_connection() -> None:
    made = registering(FLOW)
    made.answered(SUPERVISED, 0)
    made.pong()
    now = again(made)
    made.answered(Answer(503, retry_after=100), now)
    assert made.actions() == []
    assert (made.due or 0) >= now + 100


def test_flow_failed_is_a_failure_of_the_flow() -> None:
    made = registering(FLOW)
    made.answered(Answer(430), 0)
    assert made.actions() == [Do.CLOSE]
    assert (made.state, made.failures) == (State.WAITING, 1)


def test_stop_says_whether_there_is_something_to_take_back() -> None:
    made = registering()
    assert not made.stop()
    made = registering()
    made.answered(OK, 0)
    assert made.stop()
    made.answered(OK, 1)
    assert (made.state, made.due) == (State.STOPPED, None)


RESPONSE = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z;keep=30\r\n{lines}\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("Flow-Timer: 120\r\nRequire: Outbound", Said(None, None, None, 120, True, 30)),
        ("Require: path, outbound", Said(require_outbound=True, keep=30)),
        ("Supported: outbound", Said(keep=30)),
        ("Contact: <sip:a@h>;expires=77", Said(expires=77, keep=30)),
        ("Contact: <sip:b@h>;expires=5, <sip:a@h>;expires=77", Said(expires=77, keep=30)),
        ('Contact: <sip:x@h>;reg-id=1;+sip.instance="<urn:1>";expires=9', Said(expires=9, keep=30)),
        ('Contact: <sip:x@h>;reg-id=2;+sip.instance="<urn:1>";expires=9', Said(keep=30)),
        ("Expires: 55", Said(expires=55, keep=30)),
        ("Retry-After: 18 (busy);duration=5", Said(retry_after=18, keep=30)),
        ("Min-Expires: 900", Said(min_expires=900, keep=30)),
        ("Flow-Timer: soon", Said(keep=30)),
    ],
    ids=str,
)
def test_r1_answer_is_read(lines: str, expected: Said) -> None:
    assert read(RESPONSE.format(lines=lines).encode(), "sip:a@h", "urn:1", 1) == expected


def test_answer_that_is_none() -> None:
    assert read(b"SIP/2.0 200 OK\r\ngarbage\r\n\r\n", "sip:a@h", "", None) == Said()


def test_r9_instance_id_is_made_once(tmp_path: Path) -> None:
    first = instance_id(tmp_path / "state")
    assert first.startswith("urn:uuid:")
    assert instance_id(tmp_path / "state") == first
    assert instance_id(None) != first


def test_r9_instance_id_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "instance-id").write_text("somebody\n")
    with pytest.raises(PjkaError, match="no instance-id"):
        instance_id(tmp_path)
