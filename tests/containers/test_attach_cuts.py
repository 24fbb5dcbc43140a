"""Phones of real Asterisks that are cut off: held for a minute without pjka, gone in time with it."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from pbx_container import AMI_PORT, AMI_SECRET, AMI_USER, Pbx, StartPbx
from pbx_phones import Phone

from pjka.attach import rows
from pjka.attach.watch import Target, Watch
from pjka.events import Events
from pjka.pbx.client import AmiClient

pytestmark = [pytest.mark.containers, pytest.mark.root, pytest.mark.timeout(150)]

PLAIN = "[phones]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0:5060\n"
TIMES = (
    "{at}tcp_keepalive_enable=yes\n{at}tcp_keepalive_idle_time=2\n"
    "{at}tcp_keepalive_interval_time=1\n{at}tcp_keepalive_probe_count=2\n"
)
ALICE = (
    "[alice]\ntype=endpoint\naors=alice\nrewrite_contact=yes\n"
    "[alice]\ntype=aor\nmax_contacts=1\nqualify_frequency=1\nqualify_timeout=0.5\n"
)
HELD_SECONDS = 60.0


@dataclass
class Cut:
    """A PBX whose phone was cut off at ``moment``."""

    pbx: Pbx
    phone: Phone
    moment: float


def cut_off(pbx: Pbx) -> Cut:
    """Register a phone, see it qualified, and drop everything that it sends."""
    phone = Phone(pbx.address)
    phone.register()
    answering = threading.Thread(target=phone.answer_until_closed, daemon=True)
    answering.start()
    until(lambda: "Avail" in pbx.rx("pjsip show contacts"))
    rule = f"type filter hook input priority 0\ntcp sport {phone.port} drop"
    table = f"table inet cut {{ chain path {{ {rule}\n}}\n}}"
    command = ["nsenter", "-t", str(pbx.pid), "-n", "nft", "-f", "-"]
    subprocess.run(command, input=table, text=True, check=True)
    return Cut(pbx, phone, time.monotonic())


def connection(cut: Cut) -> str:
    """What `ss` shows of the phone's connection in the PBX, "" once that has gone."""
    command = ["nsenter", "-t", str(cut.pbx.pid), "-n", "ss", "-Htno", f"dport = :{cut.phone.port}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


@contextmanager
def watched(pbx: Pbx) -> Iterator[Watch]:
    watch = Watch(Target(lambda: pbx.pid), Events())
    watch.attach()
    runner = threading.Thread(target=watch.run)
    client = AmiClient((pbx.address, AMI_PORT), AMI_USER, AMI_SECRET, watch.learn)
    runner.start()
    client.start()
    try:
        yield watch
    finally:
        client.stop()
        watch.stop()
        runner.join(10)
        watch.close()


@pytest.fixture(scope="module", autouse=True)
def left_alone(start_shared_pbx: StartPbx) -> Iterator[list[Cut]]:
    """16 has no keep-alive; that of 22 does not run while a request is in flight."""
    cuts = [
        cut_off(start_shared_pbx("16", PLAIN + ALICE)),
        cut_off(start_shared_pbx("22", PLAIN + TIMES.format(at="") + ALICE)),
    ]
    with cuts[0].phone, cuts[1].phone:
        yield cuts


@pytest.mark.parametrize("version", ["16", "22"])
def test_with_pjka_the_connection_and_the_contact_are_gone_in_the_predicted_time(
    start_pbx: StartPbx, version: str
) -> None:
    pbx = start_pbx(version, PLAIN + TIMES.format(at="@") + ALICE)
    with watched(pbx) as watch:
        cut = cut_off(pbx)
        (transport,) = watch.call(rows.transports)
        assert transport.detection_busy
        with cut.phone:
            # OPTIONS leave every second, so something is in flight within one
            latest = cut.moment + 1.0 + transport.detection_busy + 1.0
            until(lambda: not connection(cut))
            assert time.monotonic() < latest
            until(lambda: "alice" not in pbx.rx("pjsip show contacts"))
            assert time.monotonic() < latest + 1.0  # the command itself takes a while
            until(lambda: watch.call(rows.deaths))
            (death,) = watch.call(rows.deaths)
            assert death.cause == "user-timeout"


def test_asterisk_alone_holds_the_dead_connection_for_more_than_a_minute(left_alone: list[Cut]) -> None:
    """The last one: the others have filled the time."""
    time.sleep(max(left_alone[-1].moment + HELD_SECONDS + 1 - time.monotonic(), 0))
    for cut in left_alone:
        shown = connection(cut)
        assert shown.startswith("ESTAB"), shown
        assert re.search(r"timer:\(on,", shown), shown  # data is sent again and again, nothing is probed
