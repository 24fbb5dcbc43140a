"""Thousands of connections that got their policy at once do not probe at once."""

from __future__ import annotations

import pytest

from pjka.attach.herd import Herd


@pytest.mark.parametrize("tick", [0.5, 0.37, 2.0, 31.0])
def test_each_has_one_turn_within_one_idle_time(tick):
    herd = Herd(range(1000), 30.0)
    came: list[int] = []
    elapsed = 0.0
    while herd:
        due = herd.due(tick)
        assert len(due) <= 1000 / 30.0 * tick + 1
        came += due
        elapsed += tick
    assert came == [*range(1000)]
    assert 30.0 <= elapsed < 30.0 + 2 * tick


def test_a_short_idle_time_takes_a_second():
    herd = Herd(range(600), 0.0)
    assert len(herd.due(0.5)) == 300
    assert len(herd.due(0.5)) == 300
    assert not herd
