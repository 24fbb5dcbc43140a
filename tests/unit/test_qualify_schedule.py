"""What is due when, with a numbered clock."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pjka.qualify.schedule import AT_ONCE, Schedule


def schedule(max_initial: float = 0, seed: int = 1) -> Schedule[str]:
    return Schedule(Random(seed), max_initial)


def moments(timers: Schedule[str], until: float) -> list[tuple[float, str]]:
    """Every OPTIONS up to ``until``, each answered at once."""
    sent = []
    while (due := timers.next_timer()) is not None and due <= until:
        for key in timers.handle_timer(due, 1):
            sent.append((due, key))
            timers.done(key)
    return sent


@given(st.integers(0, 2**32), st.integers(1, 86400), st.integers(0, 100))
def test_asterisk_3_4_the_first_moment_is_below_min_of_frequency_and_cap(
    seed: int, frequency: int, cap: int
) -> None:
    timers = schedule(cap, seed)
    timers.add("a", frequency, 1000)
    assert 1000 + AT_ONCE <= (timers.due("a") or 0) <= 1000 + min(frequency, cap or frequency)


def test_asterisk_3_4_the_first_moment_is_random() -> None:
    firsts = set()
    for seed in range(50):
        timers = schedule(seed=seed)
        timers.add("a", 60, 0)
        firsts.add(timers.due("a"))
    assert len(firsts) == 50
    assert min(firsts) < 10
    assert max(firsts) > 50


def test_asterisk_3_4_the_period_is_start_to_start_at_fixed_rate() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    times = [due for due, _ in moments(timers, 600)]
    assert len(times) == 10
    assert [b - a for a, b in pairwise(times)] == pytest.approx([60] * 9)


def test_a_late_run_keeps_the_phase() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    first = timers.next_timer()
    assert first is not None
    timers.handle_timer(first + 20, 1)
    assert timers.due("a") == pytest.approx(first + 60)


def test_after_a_long_stall_missed_periods_are_left_out_and_the_phase_is_kept() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    first = timers.next_timer()
    assert first is not None
    assert timers.handle_timer(first + 1000, 10) == ["a"]
    assert timers.due("a") == pytest.approx(first + 1020)


def test_asterisk_3_4_a_registered_contact_is_due_after_1_ms() -> None:
    timers = schedule()
    timers.add_registered("a", 3600, 5)
    assert timers.next_timer() == pytest.approx(5.001)


def test_a_registered_contact_gets_its_own_phase_in_the_second_half_of_its_period() -> None:
    timers = schedule()
    for number in range(1000):
        timers.add_registered(f"phone{number}", 60, 0)
    times = [due for due, _ in moments(timers, 120) if due > 1]
    assert 30 <= min(times) < 30.1
    in_second = Counter(int(due) for due in times if due < 60)
    assert len(in_second) == 30
    assert max(in_second.values()) <= 36


def test_a_registered_contact_leaves_the_phase_of_its_siblings() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    due = timers.due("a")
    timers.add_registered("b", 60, 1)
    assert timers.due("a") == due


def test_with_max_initial_contacts_spread_over_the_whole_period_from_the_second_options_on() -> None:
    timers = schedule(max_initial=5)
    for number in range(6000):
        timers.add(f"c{number}", 60, 0)
    sent = moments(timers, 180)
    assert Counter(due < 5 for due, _ in sent[:6000]) == {True: 6000}
    third_period = Counter(int(due) for due, _ in sent if 120 <= due < 180)
    assert len(third_period) == 60
    assert max(third_period.values()) <= 110


def test_ten_thousand_contacts_from_a_cold_start_give_no_burst_and_none_is_skipped() -> None:
    timers = schedule()
    for number in range(10_000):
        timers.add(f"c{number}", 60, 0)
    sent = moments(timers, 180)
    for start in (0, 60, 120):
        period = [(due, key) for due, key in sent if start <= due < start + 60]
        if start < 120:
            assert len({key for _, key in sent if _ < start + 60.001}) == 10_000
        assert busiest([due for due, _ in period], 0.1) <= 2 * 10_000 / 600


def busiest(times: list[float], window: float) -> int:
    """The most moments in any window of this length, wherever it begins."""
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_contacts_of_several_frequencies_are_spread_each_by_itself() -> None:
    timers = schedule()
    for number in range(9000):
        timers.add(f"c{number}", (30, 60, 90)[number % 3], 0)
    steady = [due for due, _ in moments(timers, 180) if due >= 90]
    assert busiest(steady, 0.1) <= 2 * len(steady) / 900


def test_no_overlap_a_contact_still_outstanding_is_left_out_and_counted() -> None:
    timers = schedule()
    timers.add("a", 10, 0)
    first = timers.next_timer()
    assert first is not None
    assert timers.handle_timer(first, 10) == ["a"]
    assert timers.handle_timer(first + 10.01, 10) == []
    assert timers.skipped("a") == 1
    timers.done("a")
    assert timers.handle_timer(first + 20.02, 10) == ["a"]


def test_a_limit_leaves_the_rest_due_at_once() -> None:
    timers = schedule()
    for name in "abc":
        timers.add_registered(name, 60, 0)
    assert timers.handle_timer(1, 2) == ["a", "b"]
    assert (timers.next_timer() or 9) <= 1
    assert timers.handle_timer(1, 2) == ["c"]


def test_what_is_overdue_after_a_stall_comes_at_twice_the_mean_rate() -> None:
    timers = schedule()
    for number in range(10_000):
        timers.add(f"c{number}", 60, 0)
    sent, now = [], 5.0  # the first five seconds are missed
    while now < 30:
        ready = timers.handle_timer(now, 16)
        sent += [now] * len(ready)
        now += timers.pause(16) if len(ready) == 16 else 0.001
    assert busiest(sent, 0.1) <= 2 * 10_000 / 600 + 16
    assert len(sent) == pytest.approx(5000, abs=32)


def test_the_pause_is_short_where_contacts_are_few() -> None:
    timers = schedule()
    assert timers.pause(16) == 0
    timers.add("a", 3600, 0)
    assert timers.pause(16) == 0.05
    timers.remove("a")
    assert timers.pause(16) == 0


def test_asterisk_3_4_a_changed_frequency_is_rescheduled_at_a_new_random_moment() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    timers.change("a", 30, 100)
    assert 100 < (timers.due("a") or 0) <= 130
    assert len(timers) == 1


def test_asterisk_3_4_the_same_frequency_keeps_the_moment() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    due = timers.due("a")
    timers.change("a", 60, 20)
    assert timers.due("a") == due


def test_asterisk_3_4_frequency_0_stops_and_another_starts_again() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    timers.change("a", 0, 20)
    assert (timers.next_timer(), "a" in timers) == (None, False)
    timers.change("a", 60, 100)
    assert 100 < (timers.due("a") or 0) <= 160


def test_a_changed_frequency_does_not_make_an_outstanding_options_overlap() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    assert timers.handle_timer(60, 1) == ["a"]
    timers.change("a", 10, 60)
    assert timers.handle_timer(70.5, 1) == []


def test_asterisk_3_4_the_last_contact_removed_cancels_the_timer() -> None:
    timers = schedule()
    timers.add("a", 60, 0)
    timers.remove("a")
    assert (timers.next_timer(), timers.due("a"), timers.skipped("a")) == (None, None, 0)
    timers.done("a")
    timers.remove("a")


def test_every_removed_contact_is_cleaned_not_only_the_first() -> None:
    timers = schedule()
    for number in range(1000):
        timers.add(f"c{number}", 60, 0)
    for number in range(999):
        timers.remove(f"c{number}")
    assert len(timers) == 1
    assert {key for _, key in moments(timers, 180)} == {"c999"}


def test_contacts_that_come_and_go_leave_nothing_in_the_heap() -> None:
    timers = schedule()
    for number in range(10_000):
        timers.add_registered(f"c{number % 10}", 3600, number)
    assert len(timers._heap) <= 2 * 10 + 65


def test_max_initial_is_read_at_each_scheduling() -> None:
    timers = schedule()
    timers.max_initial = 2
    timers.add("a", 3600, 0)
    assert (timers.due("a") or 9) <= 2
