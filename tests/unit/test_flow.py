"""RFC 5626 flows: both ends, alone and against each other over a simulated link."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from pjka.keepalive.backoff import BackOff
from pjka.keepalive.crlf import PING, PONG, CrlfReader
from pjka.keepalive.flow import (
    BATTERY_RANGE,
    DEFAULT_RANGE,
    ClientFlow,
    ClientSettings,
    Event,
    PingRange,
    Registered,
    ServerFlow,
    ServerState,
    State,
    Version,
    flow_timer_range,
)

OUTBOUND = Registered(flow_timer=100, require_outbound=True)


def client(settings: ClientSettings | None = None, seed: int = 1) -> ClientFlow:
    return ClientFlow(settings or ClientSettings(), Random(seed))


def pinged(flow: ClientFlow, answer: Registered = OUTBOUND) -> float:
    """Register at 0 and send the first ping; the moment of it."""
    flow.registered(answer, 0)
    now = flow.next_ping
    assert now is not None
    flow.handle_timer(now)
    assert flow.events() == [Event.SEND_PING]
    return now


# --- framing ------------------------------------------------------------------------------------------------


def splits(data: bytes):
    """Every way to cut ``data`` into reads."""
    for cuts in itertools.product((False, True), repeat=len(data) - 1):
        parts, start = [], 0
        for position, cut in enumerate(cuts, 1):
            if cut:
                parts.append(data[start:position])
                start = position
        yield [*parts, data[start:]]


@pytest.mark.parametrize("parts", list(splits(PING)), ids=repr)
def test_rfc5626_4_4_1_ping_split_over_reads_is_one_ping(parts: list[bytes]) -> None:
    reader = CrlfReader()
    assert [token for part in parts for token in reader.read(part, 0)] == [PING]


def test_rfc5626_4_4_1_several_pings_in_one_read() -> None:
    assert CrlfReader().read(PING * 3, 0) == [PING] * 3


def test_rfc5626_4_4_1_half_a_ping_before_a_message_is_none() -> None:
    reader = CrlfReader()
    assert reader.read(PONG, 0) == []
    reader.message()
    assert reader.read(PONG, 0) == []
    assert reader.read(PONG, 0) == [PING]


@pytest.mark.parametrize("parts", list(splits(PONG + PING)), ids=repr)
def test_pong_and_ping_are_told_apart_however_split(parts: list[bytes]) -> None:
    reader, awaiting, tokens = CrlfReader(), 1, []
    for part in parts:
        found = reader.read(part, awaiting)
        awaiting -= found.count(PONG)
        tokens += found
    assert tokens == [PONG, PING]


def test_two_pongs_are_no_ping() -> None:
    reader = CrlfReader()
    assert reader.read(PONG, 1) + reader.read(PONG, 1) == [PONG, PONG]


def test_other_bytes_break_a_ping() -> None:
    assert CrlfReader().read(b"\r\n \r\n", 0) == []
    assert CrlfReader().read(b"\r\r\n\r\n", 0) == [PING]


# --- client -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(50))
def test_r2_ping_between_80_and_100_percent_of_flow_timer(seed: int) -> None:
    flow = client(seed=seed)
    flow.registered(OUTBOUND, 1000)
    assert flow.next_ping is not None
    assert 1080 <= flow.next_ping <= 1100


def test_r2_each_interval_is_a_new_draw_over_the_whole_range() -> None:
    flow, now, intervals = client(), 0.0, []
    flow.registered(OUTBOUND, now)
    for _ in range(500):
        assert flow.next_ping is not None
        intervals.append(flow.next_ping - now)
        now = flow.next_ping
        flow.handle_timer(now)
        flow.receive(PONG, now)
    assert len(set(intervals)) > 490
    assert 80 <= min(intervals) < 81
    assert 99 < max(intervals) <= 100
    assert 89 < sum(intervals) / len(intervals) < 91


@pytest.mark.parametrize(
    ("settings", "low", "high"),
    [
        (ClientSettings(), 95, 120),
        (ClientSettings(without_flow_timer=BATTERY_RANGE), 672, 840),
        (ClientSettings(without_flow_timer=PingRange(5, 6)), 5, 6),
    ],
    ids=["default", "battery", "own"],
)
def test_r3_without_flow_timer_at_own_discretion(settings: ClientSettings, low: int, high: int) -> None:
    flow = client(settings)
    flow.registered(Registered(flow_timer=None, require_outbound=True), 0)
    assert flow.next_ping is not None
    assert low <= flow.next_ping <= high


def test_flow_timer_0_is_none() -> None:
    flow = client()
    flow.registered(Registered(flow_timer=0, require_outbound=True), 0)
    assert flow.range == DEFAULT_RANGE


def test_r4_missed_pong_fails_the_flow_10_s_after_the_ping() -> None:
    flow = client()
    sent = pinged(flow)
    assert flow.pong_due == sent + 10
    flow.handle_timer(sent + 9.999)
    assert flow.events() == []
    flow.handle_timer(sent + 10)
    assert flow.events() == [Event.FAILED]
    assert flow.state is State.FAILED
    assert flow.next_timer() is None


def test_r4_pong_in_time_and_its_round_trip_time() -> None:
    flow = client()
    sent = pinged(flow)
    flow.receive(PONG, sent + 0.25)
    assert flow.events() == [Event.FIRST_PONG]
    assert flow.rtt == pytest.approx(0.25)
    assert flow.pong_due is None
    assert flow.next_ping is not None
    flow.handle_timer(sent + 10)
    assert flow.state is State.RESTING


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Registered(flow_timer=10, require_outbound=False), "no Require: outbound"),
        (Registered(flow_timer=10, require_outbound=True, reg_id=False), "no reg-id"),
    ],
    ids=["no-require-outbound", "no-reg-id"],
)
def test_r5_without_outbound_no_pong_is_due(answer: Registered, reason: str) -> None:
    flow = client()
    now = pinged(flow, answer)
    assert flow.pong_due is None
    assert reason in flow.why_not
    for _ in range(100):
        assert flow.next_ping is not None
        now = flow.next_ping
        flow.handle_timer(now)
        assert flow.events() == [Event.SEND_PING]
    assert flow.successful


def test_r11_draft03_no_pong_and_no_flow_timer() -> None:
    flow = client(ClientSettings(version=Version.DRAFT03))
    sent = pinged(flow, Registered(flow_timer=5, require_outbound=True))
    assert DEFAULT_RANGE.low <= sent <= DEFAULT_RANGE.high
    assert flow.pong_due is None
    assert "draft03" in flow.why_not
    flow.receive(PING, sent + 1)
    assert flow.events() == [Event.SEND_PONG]
    assert flow.pongs == 0


def test_rfc5626_4_4_1_a_message_being_received_postpones_the_verdict() -> None:
    flow = client()
    sent = pinged(flow)
    flow.receiving(sent + 8)
    flow.receiving(sent + 17)
    flow.handle_timer(sent + 20)
    assert flow.state is State.AWAITING
    flow.received()
    flow.handle_timer(sent + 20)
    assert flow.events() == [Event.FAILED]


def test_rfc5626_4_4_1_a_message_that_makes_no_progress_postpones_once() -> None:
    flow = client()
    sent = pinged(flow)
    flow.receiving(sent + 9)
    assert flow.pong_due == sent + 19
    flow.handle_timer(sent + 19)
    assert flow.events() == [Event.FAILED]


def test_pong_right_after_the_message_saves_the_flow() -> None:
    flow = client()
    sent = pinged(flow)
    flow.receiving(sent + 9)
    flow.received()
    flow.receive(PONG, sent + 12)
    flow.handle_timer(sent + 12)
    assert flow.state is State.RESTING


def test_trust_but_verify_no_deadline_before_a_first_pong() -> None:
    flow = client(ClientSettings(verify_first=True))
    sent = pinged(flow)
    assert flow.pong_due is None
    assert "no pong has come yet" in flow.why_not
    flow.receive(PONG, sent + 30)
    assert flow.why_not == ""
    assert flow.next_ping is not None
    flow.handle_timer(flow.next_ping)
    assert flow.pong_due is not None


def test_refresh_keeps_the_deadline_of_a_ping_that_is_out() -> None:
    flow = client()
    sent = pinged(flow)
    flow.registered(OUTBOUND, sent + 5)
    assert flow.pong_due == sent + 10


def test_refresh_without_require_outbound_lifts_the_deadline() -> None:
    flow = client()
    sent = pinged(flow)
    flow.registered(Registered(100, require_outbound=False), sent + 5)
    assert flow.pong_due is None


def test_pong_timeout_above_the_interval_waits_for_the_oldest_ping() -> None:
    flow = client()
    sent = pinged(flow, Registered(flow_timer=4, require_outbound=True))
    second = flow.next_ping
    assert second is not None
    flow.handle_timer(second)
    flow.receive(PONG, second + 0.1)
    assert flow.pong_due == second + 10
    flow.receive(PONG, second + 0.2)
    assert flow.pong_due is None
    assert flow.rtt == pytest.approx(0.2)
    assert sent < second


def test_closed_flow_does_nothing_more() -> None:
    flow = client()
    pinged(flow)
    flow.close(100)
    flow.receive(PONG, 101)
    flow.handle_timer(10_000)
    assert Event.SEND_PING not in flow.events()
    assert flow.next_timer() is None


# --- server -------------------------------------------------------------------------------------------------


def test_r6_closed_at_flow_timer_plus_grace_without_a_ping() -> None:
    flow = ServerFlow(grace=1)
    flow.registered(30, 100)
    assert flow.next_timer() == 131
    flow.handle_timer(130.9)
    assert flow.events() == []
    flow.handle_timer(131)
    assert flow.events() == [Event.EXPIRED]
    assert flow.state is ServerState.EXPIRED
    assert flow.next_timer() is None


def test_r7_without_flow_timer_no_timer() -> None:
    flow = ServerFlow()
    flow.registered(None, 0)
    assert flow.next_timer() is None
    flow.receive(PING, 5)
    assert flow.events() == [Event.SEND_PONG]
    assert flow.next_timer() is None


def test_r8_every_ping_is_answered_and_restarts_the_timer() -> None:
    flow = ServerFlow()
    flow.registered(30, 0)
    for now in (10, 20, 30, 31):
        flow.receive(PING, now)
        assert flow.events() == [Event.SEND_PONG]
        assert flow.next_timer() == now + 31


def test_r8_no_pong_where_the_engine_answers_by_itself() -> None:
    flow = ServerFlow(answers=False)
    flow.registered(30, 0)
    flow.receive(PING, 10)
    assert flow.events() == []
    assert flow.next_timer() == 41


def test_refresh_without_flow_timer_stops_the_timer() -> None:
    flow = ServerFlow()
    flow.registered(30, 0)
    flow.registered(None, 10)
    assert flow.next_timer() is None


# --- both ends over a link ----------------------------------------------------------------------------------


def run_link(seed: int) -> tuple[float, float, float, ClientFlow, ServerFlow, int]:
    """Two ends over a link that delays, splits reads, and is cut for good; all in virtual time."""
    random = Random(seed)
    timer = random.choice([5, 20, 60, 120])
    cut = random.uniform(2 * timer, 60 * timer)
    near, far = ClientFlow(ClientSettings(), random), ServerFlow()
    near.registered(Registered(timer, require_outbound=True), 0)
    far.registered(timer, 0)
    air: list[tuple[float, str, bytes]] = []
    failed = expired = None
    certain = 0  # pings whose pong must have come before the cut
    last_arrival = {"near": 0.0, "far": 0.0}

    def send(to: str, data: bytes, now: float) -> None:
        if now >= cut:
            return
        half = random.randint(0, len(data))
        for part in (data[:half], data[half:]):
            last_arrival[to] = max(last_arrival[to], now + random.uniform(0.001, 0.4))
            if part:
                air.append((last_arrival[to], to, part))

    def pump(now: float) -> None:
        nonlocal failed, expired, certain
        for event in near.events():
            if event is Event.SEND_PING:
                certain += now + 1.6 < cut
                send("far", PING, now)
            elif event is Event.FAILED:
                failed = now
        for event in far.events():
            if event is Event.SEND_PONG:
                send("near", PONG, now)
            elif event is Event.EXPIRED:
                expired = now

    while failed is None or expired is None:
        moments = [at for at, _, _ in air] + [
            t for t in (near.next_timer(), far.next_timer()) if t is not None
        ]
        now = min(moments)
        air.sort(key=lambda item: item[0])
        while air and air[0][0] <= now:
            _, to, data = air.pop(0)
            (near if to == "near" else far).receive(data, now)
        near.handle_timer(now)
        far.handle_timer(now)
        pump(now)
    return cut, failed, expired, near, far, certain


@pytest.mark.parametrize("block", range(10))
def test_thousand_seeds_no_pong_missed_while_up_and_every_cut_found_in_time(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        cut, failed, expired, near, far, certain = run_link(seed)
        assert near.flow_timer is not None
        assert cut <= failed <= cut + near.flow_timer + 10, seed
        assert cut <= expired <= cut + near.flow_timer + far.grace + 0.4, seed
        assert near.pings >= near.pongs >= certain > 0, seed


# --- RFC 5626 4.5 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "own", "expected"),
    [
        ([1], 1, 60),
        ([3], 3, 240),
        ([1, 0], 1, 180),
        ([4, 0], 4, 1440),
        ([5, 0], 5, 1800),
        ([20], 20, 1800),
        ([100_000], 100_000, 1800),
    ],
    ids=["all-first", "all-third", "one-of-two", "one-of-two-fourth", "cap-90", "cap-30", "for-ever"],
)
def test_rfc5626_4_5_ceiling(failures: list[int], own: int, expected: float) -> None:
    assert BackOff().ceiling(failures, own) == expected


def test_rfc5626_4_5_wait_is_uniform_over_50_to_100_percent() -> None:
    random = Random(7)
    waits = sorted(BackOff().wait([1], 1, random) for _ in range(4000))
    assert 30 <= waits[0] < 30.2
    assert 59.8 < waits[-1] <= 60
    for quarter in (1, 2, 3):
        assert waits[quarter * 1000] == pytest.approx(30 + 30 * quarter / 4, abs=1)


def test_rfc5626_4_5_retry_after_only_lengthens() -> None:
    assert BackOff().wait([1], 1, Random(1), retry_after=500) == 500
    assert 30 <= BackOff().wait([1], 1, Random(1), retry_after=3) <= 60


def test_flow_timer_range_is_80_to_100_percent() -> None:
    assert flow_timer_range(120) == PingRange(96, 120)
