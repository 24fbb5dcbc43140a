"""A call on a connection of a real Asterisk: that connection is not ended unless forced."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from docker.types import Mount
from pbx_container import AMI_PORT, AMI_SECRET, AMI_USER, Pbx, StartPbx
from pbx_phones import Phone
from test_attach import pjka

from pjka.attach import contact_rows, rows
from pjka.attach.commands import commands
from pjka.attach.watch import Target, Watch
from pjka.errors import PjkaError
from pjka.events import Events
from pjka.linux import find
from pjka.pbx.client import AmiClient

pytestmark = [pytest.mark.containers, pytest.mark.root]

CONFIG = (
    "[phones]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0:5060\n@tcp_keepalive_enable=yes\n"
    "[alice]\ntype=endpoint\naors=alice\ncontext=default\ndisallow=all\nallow=ulaw\nrewrite_contact=yes\n"
    "[alice]\ntype=aor\nmax_contacts=1\nremove_existing=yes\nqualify_frequency=1\nqualify_timeout=0.5\n@close_wedged=yes\n"
)


@pytest.fixture(scope="module", params=["16", "22"])
def pbx(
    request: pytest.FixtureRequest, start_shared_pbx: StartPbx, tmp_path_factory: pytest.TempPathFactory
) -> Pbx:
    dialplan = tmp_path_factory.mktemp("dialplan") / "extensions.conf"
    dialplan.write_text("[default]\nexten => echo,1,Answer()\n same => n,Echo()\n")
    mount = Mount("/etc/asterisk/extensions.conf", str(dialplan), "bind", read_only=True)
    return start_shared_pbx(request.param, CONFIG, mounts=[mount])


@contextmanager
def watched(pbx: Pbx) -> Iterator[Watch]:
    watch = Watch(Target(lambda: pbx.pid), Events())
    watch.attach()
    runner = threading.Thread(target=watch.run)
    runner.start()
    try:
        yield watch
    finally:
        watch.stop()
        runner.join(10)
        watch.close()


@contextmanager
def asking(watch: Watch, pbx: Pbx) -> Iterator[None]:
    client = AmiClient((pbx.address, AMI_PORT), AMI_USER, AMI_SECRET, watch.learn)
    watch.ask_pbx = client.ask
    client.start()
    try:
        yield
    finally:
        client.stop()


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def serial_of(watch: Watch, phone: Phone) -> int:
    (row,) = [row for row in watch.call(rows.connections) if row.peer.endswith(f":{phone.port}")]
    return row.serial


def test_a_container_is_found_by_its_name(pbx: Pbx) -> None:
    assert find.container(pbx.container.name) == pbx.pid
    with Phone(pbx.address) as phone:
        phone.register()
        done = pjka(None, "--container", pbx.container.name, "--dry-run", "--json")
        assert {row["transport"] for row in json.loads(done.stdout)} == {"phones"}
        assert len(json.loads(done.stdout)) == 2
        assert pjka(None, "--container", pbx.container.name, "--once").returncode == 0
    missing = pjka(None, "--container", "no-such-container", "--once")
    assert missing.returncode == 2
    assert "knows no container" in missing.stderr


def test_a_connection_with_a_call_is_ended_only_by_force(pbx: Pbx) -> None:
    with Phone(pbx.address) as phone, watched(pbx) as watch, ExitStack() as stack:
        phone.register()
        call = phone.call()
        stack.callback(call.close)
        assert call.echoes()
        stack.enter_context(asking(watch, pbx))
        # the phone answers no OPTIONS: it is wedged, by all that the PBX knows
        until(lambda: [row.status for row in watch.call(contact_rows.contacts)] == ["Unreachable"])
        kill, serial = commands(watch)["kill"], serial_of(watch, phone)
        with pytest.raises(PjkaError, match="carries a call"):
            kill({"connection": serial})
        time.sleep(3)
        assert call.echoes()
        assert watch.call(rows.deaths) == []
        kill({"connection": serial, "force": True})
        until(lambda: [row.cause for row in watch.call(rows.deaths)] == ["killed"])


def test_a_call_that_has_just_begun_counts(pbx: Pbx) -> None:
    pbx.rewrite(CONFIG.replace("@close_wedged=yes", ""))  # pjka reads it; the PBX does not care
    with Phone(pbx.address) as phone, watched(pbx) as watch, asking(watch, pbx):
        phone.register()
        until(lambda: watch.call(contact_rows.contacts))
        time.sleep(2)  # the calls have been asked for, and again as the contact became unreachable
        call = phone.call()
        with pytest.raises(PjkaError, match="carries a call"):
            commands(watch)["kill"]({"connection": serial_of(watch, phone)})
        assert call.echoes()
        call.close()
    pbx.rewrite(CONFIG)


def test_a_pbx_that_does_not_say_is_taken_to_have_a_call(pbx: Pbx) -> None:
    with Phone(pbx.address) as phone, watched(pbx) as watch:
        phone.register()
        watch.ask_pbx = lambda: None
        until(lambda: watch.call(rows.connections))
        with pytest.raises(PjkaError, match="does not say whether it carries a call"):
            commands(watch)["kill"]({"connection": serial_of(watch, phone)})


def test_without_the_manager_calls_are_not_known_and_that_is_said(pbx: Pbx) -> None:
    with Phone(pbx.address) as phone, watched(pbx) as watch:
        phone.register()
        until(lambda: watch.call(rows.connections))
        row = commands(watch)["kill"]({"connection": serial_of(watch, phone)})
        assert row.note == "without --ami it is not known whether it carried a call"
