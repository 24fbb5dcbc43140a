"""Which known defects a version of pjproject has."""

from __future__ import annotations

import pytest

from pjka.pjproject.defects import defects_of


def codes(version: str, *, trial: bool = False) -> set[str]:
    return {defect.code for defect in defects_of(version, trial=trial)}


@pytest.mark.parametrize(
    ("version", "deadlock", "dangling"),
    [
        ("2.15.1", True, True),
        ("2.16", False, True),
        ("2.17", False, True),
        ("2.17-dev", False, True),
        ("2.18", False, False),
        ("2.100", False, False),
    ],
)
def test_defect_is_gone_from_the_version_that_fixed_it(version: str, deadlock: bool, dangling: bool) -> None:
    assert ("send-queue-deadlock" in codes(version)) == deadlock
    assert ("dangling-socket-option" in codes(version)) == dangling


def test_defects_of_the_trial_wheel_are_not_those_of_the_source() -> None:
    assert codes("2.15.1", trial=True) - codes("2.15.1") == {
        "assertions",
        "openssl-1.0.2",
        "four-socket-options",
    }


def test_defects_are_each_told_once() -> None:
    every = [defect.code for defect in defects_of("0.1", trial=True)]
    assert len(every) == len(set(every))
