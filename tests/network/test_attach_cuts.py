"""A path that is cut while pjka is attached to the PBX: when that is found, and what it is called."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pjka.lab import PBX_ADDRESS, Lab
from pjka.linux.connections import Diagnostics, Timer
from pjka.status import Cause

from .conftest import Pbx, until

pytestmark = pytest.mark.root

TIMES = (1, 1, 3)
PREDICTED = 4.0


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture
def pbx(lab, start_pbx) -> Pbx:
    return start_pbx(f"{PBX_ADDRESS}:5060", popen=lab.pbx.popen)


@pytest.fixture
def phone(lab, pbx) -> Iterator[socket.socket]:
    with lab.phone.run(lambda: socket.create_connection((PBX_ADDRESS, 5060), timeout=10)) as one:
        assert pbx.answer() == "accepted"
        yield one


@pytest.fixture
def config(write_config):
    return write_config(("t1", "tcp", 5060), host=PBX_ADDRESS, times=TIMES)


def death(attached, seconds: float):
    until(lambda: attached.events("connection-down"), seconds)
    (one,) = attached.events("connection-down")
    return one


def test_an_idle_connection_ends_by_keepalive_in_the_predicted_time(lab, pbx, phone, config, attach):
    attached = attach(pbx, config)
    began = time.monotonic()
    lab.firewall.drop_both_ways()
    ended = death(attached, PREDICTED + 5)
    assert ended.cause is Cause.KEEPALIVE
    assert PREDICTED - 1.5 <= time.monotonic() - began <= PREDICTED + 1
    assert ended.silent == pytest.approx(PREDICTED, abs=1.2)
    assert pbx.answer() == "error 110"


def test_a_connection_with_a_request_in_flight_ends_by_user_timeout(lab, pbx, phone, config, attach):
    attached = attach(pbx, config)
    lab.firewall.drop_both_ways()
    began = time.monotonic()
    pbx.order("send", 0, "OPTIONS")
    ended = death(attached, PREDICTED + 5)
    assert ended.cause is Cause.USER_TIMEOUT
    assert PREDICTED - 0.5 <= time.monotonic() - began <= PREDICTED + 2


def test_without_pjka_the_pbx_holds_on_to_a_dead_connection(lab, pbx, phone):
    lab.firewall.drop_both_ways()
    pbx.order("send", 0, "OPTIONS")
    time.sleep(PREDICTED + 2)
    with lab.pbx.run(Diagnostics) as kernel:
        (one,) = kernel.connections()
    assert one.timer == Timer.RETRANSMIT


def test_a_long_silent_connection_survives_the_loss_of_its_first_probe(lab, pbx, phone, config, attach):
    """With the user timeout set at once, the second probe would end it: it has been exceeded for long."""
    time.sleep(PREDICTED + 1)
    lab.firewall.drop_both_ways()
    attached = attach(pbx, config)
    assert attached.events("applied")[-1].later == 1
    time.sleep(1.3)
    lab.firewall.mend()
    until(lambda: not attached.watch.call(lambda session: session.attachment.waiting), 5)
    assert not attached.events("connection-down")
    pbx.order("send", 0, "alive")
    assert phone.recv(5) == b"alive"
    assert attached.watch.call(lambda session: session.attachment.unmet()) == []


def test_pjka_killed_is_not_noticed_by_the_pbx(lab, pbx, phone, config):
    command = [sys.executable, "-c", "from pjka.cli import main; main()", "attach", "--pid", str(pbx.pid)]
    command += ["--config", str(config), "--socket", str(config.parent / "control.sock")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr
        assert any("attached" in line for line in child.stderr)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    pbx.order("send", 0, "alive")
    assert phone.recv(5) == b"alive"
    with lab.pbx.run(Diagnostics) as kernel:
        (one,) = kernel.connections()
    assert one.timer == Timer.KEEPALIVE
