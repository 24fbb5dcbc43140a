"""A1: what a keep-alive is for. A firewall forgets a connection in use; a dead peer takes a call with it.

Each with `pjka attach` beside the PBX and without, at the same time on paths of their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pjka.check.policy import policies
from pjka.conf.loader import load
from pjka.keepalive.platforms import LINUX

from .attach_rig import AttachRig
from .matrix import KEEPALIVE, NEVER, Case, Mechanism, order

pytestmark = pytest.mark.root

REMEMBERS = 4
QUIET = 8.0


@pytest.fixture
def rigs(tmp_path: Path) -> Iterator[tuple[AttachRig, AttachRig]]:
    """A PBX with a phone, and pjka beside it; and another without."""
    kinds = (Mechanism("with", KEEPALIVE), Mechanism("without", KEEPALIVE, attached=False))
    cases = [Case(kind, "drop-both-ways", NEVER) for kind in kinds]
    with ExitStack() as undo:
        found = []
        for case in cases:
            rig = AttachRig(case, tmp_path / case.mechanism.name, tmp_path)
            undo.callback(rig.close)
            rig.lab.firewall.forget_after(REMEMBERS)
            rig.set_up()
            found.append(rig)
        yield found[0], found[1]


def call(rig: AttachRig) -> None:
    order(rig.pbx, "send", "invite")


def calls(rig: AttachRig) -> list[str]:
    return [words for _, words in rig.phone_heard.lines if words.startswith("got INVITE")]


def test_a1_a_call_through_a_firewall_that_forgets_arrives_with_pjka_and_is_lost_without(rigs):
    kept, forgotten = rigs
    time.sleep(QUIET)
    for rig in rigs:
        call(rig)
    kept.phone_heard.wait("got INVITE")
    time.sleep(1)
    assert calls(kept)
    assert not calls(forgotten)


def test_a1_a_peer_that_is_gone_is_found_in_the_predicted_time_with_pjka_and_not_without(rigs):
    watched, alone = rigs
    predicted = policies(load(watched.config))["t"].detection_idle(LINUX)
    for rig in rigs:
        rig.cut()
    found = watched.pbx_heard.wait("error 110") - watched.cut_at
    assert predicted - 0.6 <= found <= predicted + 1.2
    call(alone)
    time.sleep(predicted + 1)
    assert alone.found().after is None
