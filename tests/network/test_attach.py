"""`attach` on a stand-in for a PBX: what becomes of its sockets, seen by another look at them."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

import pytest

from pjka.attach import commands, names, rows
from pjka.attach.session import Session
from pjka.attach.source import Source
from pjka.attach.watch import Target, Watch
from pjka.conf.loader import ConfigurationError
from pjka.errors import PjkaError
from pjka.events import ConnectionDown, ConnectionUp, Drift, Events
from pjka.keepalive.platforms import LINUX
from pjka.linux import sockopts
from pjka.linux.process import Process
from pjka.linux.sockopts import SocketSettings
from pjka.pbx.client import Snapshot
from pjka.pbx.contacts import PbxContact
from pjka.status import Cause

from .conftest import Attached, Pbx, until

WANTED = SocketSettings(True, 30, 10, 5, 80.0)
UNTOUCHED = SocketSettings(False, 7200, 75, 9, 0.0)

pytestmark = pytest.mark.root


def settings(pid: int) -> dict[tuple[int, int], SocketSettings]:
    """The settings of each TCP socket of a process by its two ports, not by pjka's list of them."""
    found = {}
    with Process(pid) as process:
        for inode, fd in process.sockets().items():
            with process.duplicate(fd, inode) as copy:
                look = socket.socket(fileno=os.dup(copy))
                with look:
                    try:
                        peer = look.getpeername()[1]
                    except OSError:
                        peer = 0
                    found[look.getsockname()[1], peer] = sockopts.read(copy)
    return found


def phone(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def port_of(sock: socket.socket) -> int:
    return sock.getsockname()[1]


def test_listener_and_connections_get_the_policy_within_a_second(start_pbx, write_config, attach):
    pbx = start_pbx()
    phones = [phone(pbx.ports[0]) for _ in range(20)]
    for _ in phones:
        assert pbx.answer() == "accepted"
    attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
    found = settings(pbx.pid)
    assert len(found) == 21
    assert set(found.values()) == {WANTED}
    for one in phones:
        one.close()


@pytest.mark.parametrize("host", ["localhost", "127.1"])
def test_a_transport_bound_by_name_or_short_form_has_its_listener(start_pbx, write_config, attach, host):
    pbx = start_pbx()
    with phone(pbx.ports[0]):
        assert pbx.answer() == "accepted"
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), host=host))
        assert [*settings(pbx.pid).values()] == [WANTED, WANTED]
        (row,) = attached.watch.call(rows.transports)
        assert (row.state, row.connections, row.problem) == ("attached", 1, "")


def test_names_of_peers_that_take_all_the_time_do_not_lose_a_listener_bound_by_name(
    write_config, monkeypatch
):
    ask = names._ask

    def slow(host: str, found: list[str]) -> None:
        if host == "slow.invalid":
            time.sleep(1)
        else:
            ask(host, found)

    monkeypatch.setattr(names, "_ask", slow)
    monkeypatch.setattr("pjka.attach.source._NAMES_SECONDS", 0.5)
    trunk = "[trunk]\ntype=registration\ntransport=t1\nclient_uri=sip:a@b\nserver_uri=sip:slow.invalid\n"
    path = write_config(("t1", "tcp", 5060), host="localhost", more=trunk)
    plan = Source(str(path), None, LINUX).load()
    assert plan.assigner.listeners([("127.0.0.1", 5060)]) == {("127.0.0.1", 5060): "t1"}


def test_a_transport_bound_to_a_name_that_is_nowhere_says_that_nothing_listens(
    start_pbx, write_config, attach
):
    pbx = start_pbx()
    attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), host="nobody.invalid"))
    (row,) = attached.watch.call(rows.transports)
    assert (row.state, row.problem) == ("closed", "the process does not listen there")
    assert {*settings(pbx.pid).values()} == {UNTOUCHED}


def test_a_connection_accepted_later_has_the_policy_from_its_first_packet(start_pbx, write_config, attach):
    pbx = start_pbx()
    attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)] == WANTED


def test_sockets_that_belong_to_no_transport_are_never_touched(start_pbx, write_config, attach):
    """AMI and HTTP listeners, what they accepted, and connections to a database."""
    pbx = start_pbx("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
    sip, ami, http = pbx.ports
    with socket.create_server(("127.0.0.1", 0)) as database:
        pbx.order("connect", *database.getsockname())
        with phone(ami) as operator, phone(http) as browser, phone(sip) as one:
            for _ in range(3):
                pbx.answer()
            attached = attach(pbx, write_config(("t1", "tcp", sip)))
            attached.watch.call(Session.step)
            found = settings(pbx.pid)
            assert found.pop((sip, 0)) == found.pop((sip, port_of(one))) == WANTED
            assert len(found) == 5
            assert {(ami, port_of(operator)), (http, port_of(browser)), (ami, 0), (http, 0)} < found.keys()
            assert set(found.values()) == {UNTOUCHED}
            shown = {row.peer: row for row in attached.watch.call(rows.connections)}
            row = shown.pop(f"127.0.0.1:{port_of(database)}")
            assert (row.transport, row.note) == ("", "nothing in pjsip.conf leads to this peer")
            assert shown.keys() == {f"127.0.0.1:{port_of(one)}"}


def test_what_a_listener_of_no_transport_accepted_is_not_listed_told_or_taken_by_default(
    start_pbx, write_config, attach
):
    """The manager's connections come and go, and SIP's alone are told of."""
    pbx = start_pbx("127.0.0.1:0", "127.0.0.1:0")
    sip, ami = pbx.ports
    attached = attach(pbx, write_config(("t1", "tcp", sip)), default_transport="t1")
    with phone(ami) as operator, phone(sip) as one:
        assert (pbx.answer(), pbx.answer()) == ("accepted", "accepted")
        attached.watch.call(lambda session: session.attachment.look_at_all(session.now(), 1.0))
        assert settings(pbx.pid)[ami, port_of(operator)] == UNTOUCHED
        (row,) = attached.watch.call(rows.connections)
        phones = [f"127.0.0.1:{port_of(one)}"]
        assert [row.peer] == phones
    until(lambda: len(attached.watch.call(lambda session: session.attachment.connections)) == 0)
    until(lambda: attached.events("connection-down"))
    assert [event.peer for event in attached.events("connection-up")] == phones
    assert [event.peer for event in attached.events("connection-down")] == phones


def test_an_outgoing_connection_to_a_configured_peer_gets_the_policy_within_a_second(
    start_pbx, write_config, attach
):
    pbx = start_pbx()
    with socket.create_server(("127.0.0.1", 0)) as registrar:
        trunk = (
            f"[trunk]\ntype=registration\ntransport=t1\nclient_uri=sip:a@b\n"
            f"server_uri=sip:127.0.0.1:{port_of(registrar)}\\;transport=tcp\n"
        )
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), more=trunk))
        pbx.order("connect", *registrar.getsockname())
        until(lambda: WANTED in [v for k, v in settings(pbx.pid).items() if k[1] == port_of(registrar)], 1.5)
        until(lambda: attached.events("connection-up"))
        (up,) = attached.events("connection-up")
        assert (up.transport, up.direction) == ("t1", "outgoing")


def test_default_transport_takes_outgoing_connections_that_nothing_leads_to(start_pbx, write_config, attach):
    pbx = start_pbx()
    with socket.create_server(("127.0.0.1", 0)) as peer:
        pbx.order("connect", *peer.getsockname())
        attach(pbx, write_config(("t1", "tcp", pbx.ports[0])), default_transport="t1")
        assert WANTED in [v for k, v in settings(pbx.pid).items() if k[1] == port_of(peer)]


def test_an_unknown_default_transport_is_refused_before_anything_is_changed(start_pbx, write_config):
    pbx = start_pbx()
    watch = Watch(Target(lambda: pbx.pid, str(write_config(("t1", "tcp", pbx.ports[0]))), "nobody"), Events())
    with pytest.raises(PjkaError, match="no such transport"):
        watch.attach()
    watch.close()
    assert set(settings(pbx.pid).values()) == {UNTOUCHED}


def test_drift_is_told_and_mended(start_pbx, write_config, attach):
    pbx = start_pbx()
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
        pbx.order("option", 0, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
        attached.watch.call(lambda session: session.attachment.look_at_all(session.now(), 0.0))
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)] == WANTED
        (drift,) = attached.events("drift")
        assert isinstance(drift, Drift)
        assert drift.mended
        assert drift.drift == ("SO_KEEPALIVE is 0, wanted 1",)


def test_drift_that_no_timer_shows_is_found_by_reading_back(start_pbx, write_config, attach):
    pbx = start_pbx()
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
        pbx.order("option", 0, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
        attached.watch.call(lambda session: session.attachment.look_at_all(session.now(), 1.0))
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)] == WANTED


def test_a_changed_configuration_is_applied_and_an_invalid_one_kept_out(start_pbx, write_config, attach):
    pbx = start_pbx()
    transport = ("t1", "tcp", pbx.ports[0])
    path = write_config(transport)
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        attached = attach(pbx, path)
        ours = (pbx.ports[0], port_of(one))
        write_config(transport, times=(45, 10, 5))
        until(lambda: settings(pbx.pid)[ours].idle == 45)
        assert settings(pbx.pid)[ours].user_timeout == 95.0
        path.write_text("[t1\ntype=transport\n")
        until(lambda: attached.events("configuration-kept"))
        assert settings(pbx.pid)[ours].idle == 45
        path.unlink()
        until(lambda: len(attached.events("configuration-kept")) == 2)
        write_config(transport, times=(50, 10, 5))
        until(lambda: settings(pbx.pid)[ours].idle == 50)


def test_reload_says_what_changes_and_a_dry_run_changes_nothing(start_pbx, write_config, attach, monkeypatch):
    monkeypatch.setattr("pjka.attach.source.Source.changed", lambda self: False)
    pbx = start_pbx()
    transport = ("t1", "tcp", pbx.ports[0])
    aor = "[a]\ntype=aor\n@close_wedged={}\n"
    path = write_config(transport, more=aor.format("no"))
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        reload = commands.commands(attach(pbx, path).watch)["reload"]
        assert reload({"dry_run": True}) == {"dry_run": True, "rows": ()}
        write_config(transport, times=(45, 10, 5), more=f"cos=3\n{aor.format('yes')}")
        planned = reload({"dry_run": True})
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)] == WANTED
        assert [(row.kind, row.id, row.change, row.options) for row in planned["rows"]] == [
            ("transport", "t1", "changed", ("tcp_keepalive_idle_time: 30 -> 45",)),
            ("transport", "t1", "kept", ("cos: 0 -> 3",)),
            ("aor", "a", "changed", ("close_wedged: no -> yes",)),
        ]
        assert [row.connections for row in planned["rows"]] == [1, 0, 0]
        assert reload({})["rows"] == planned["rows"]
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)].idle == 45
        assert reload({})["rows"] == ()


def test_a_rejected_transport_keeps_its_version_before(start_pbx, write_config, attach):
    pbx = start_pbx()
    path = write_config(("t1", "tcp", pbx.ports[0]))
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        reload = commands.commands(attach(pbx, path).watch)["reload"]
        path.write_text(path.read_text().replace("idle_time=30", "idle_time=many"))
        rows = [*reload({})["rows"]] or [*reload({"dry_run": True})["rows"]]
        assert [(row.id, row.change) for row in rows] == [("t1", "rejected")]
        assert "tcp_keepalive_idle_time" in rows[0].reason
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)] == WANTED


def test_aors_and_endpoints_are_shown_with_the_contacts_of_the_pbx(start_pbx, write_config, attach):
    pbx = start_pbx()
    more = "[e]\ntype=endpoint\naors=a\n[a]\ntype=aor\nmax_contacts=2\nqualify_frequency=9\n"
    attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), more=more))
    table = commands.commands(attached.watch)
    (aor,), (endpoint,) = table["show aors"]({})["rows"], table["show endpoints"]({})["rows"]
    assert (aor["contacts"], aor["available"], endpoint["state"]) == (0, False, "offline")
    news = Snapshot((PbxContact("a", "sip:a@192.0.2.1", "e", status="Reachable"),), frozenset())
    attached.watch.call(lambda session: session.learn(news))
    (aor,), (endpoint,) = table["show aors"]({})["rows"], table["show endpoints"]({})["rows"]
    assert (aor["contacts"], aor["reachable"], aor["available"], aor["frequency"]) == (1, 1, True, 9)
    assert (aor["endpoints"], endpoint["state"], endpoint["reachable"]) == (("e",), "online", 1)


def test_a_file_that_is_still_being_written_is_not_read(write_config):
    path = write_config(("t1", "tcp", 5060))
    source = Source(str(path), None, LINUX)
    source.load()
    whole = path.read_text()
    assert not source.changed()
    path.write_text("")
    assert not source.changed()
    path.write_text(whole + "; more\n")
    assert not source.changed()
    assert source.changed()


def test_keepalive_that_is_no_longer_configured_is_put_back(start_pbx, write_config, attach):
    pbx = start_pbx()
    path = write_config(("t1", "tcp", pbx.ports[0]))
    with phone(pbx.ports[0]):
        assert pbx.answer() == "accepted"
        attach(pbx, path)
        path.write_text(path.read_text().replace("enable=yes", "enable=no"))
        until(lambda: set(settings(pbx.pid).values()) == {UNTOUCHED})


def test_restore_puts_back_what_was_found(start_pbx, write_config, attach):
    pbx = start_pbx()
    with phone(pbx.ports[0]) as one, phone(pbx.ports[0]):
        pbx.answer(), pbx.answer()
        pbx.order("option", 0, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1000)
        before = settings(pbx.pid)
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
        assert settings(pbx.pid)[pbx.ports[0], port_of(one)] == WANTED
        attached.watch.call(lambda session: session.attachment.restore())
        assert settings(pbx.pid) == before


def test_a_value_that_the_kernel_refuses_is_told_once_and_the_rest_applied(start_pbx, write_config, attach):
    pbx = start_pbx()
    with phone(pbx.ports[0]), phone(pbx.ports[0]):
        pbx.answer(), pbx.answer()
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), times=(40000, 10, 5)))
        (failed,) = attached.events("transport-failed")
        assert "TCP_KEEPIDLE = 40000: Invalid argument" in failed.problem
        assert {found.interval for found in settings(pbx.pid).values()} == {10}
        (row,) = attached.watch.call(rows.transports)
        assert row.drifting == 3


def test_no_flag_of_any_socket_changes_and_nothing_is_sent_or_read(start_pbx, write_config, attach):
    pbx = start_pbx()
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"

        def flags() -> list[int]:
            found = []
            with Process(pbx.pid) as process:
                for inode, fd in process.sockets().items():
                    with process.duplicate(fd, inode) as copy:
                        found.append(fcntl.fcntl(copy, fcntl.F_GETFL))
            return found

        before = flags()
        socket.setdefaulttimeout(5)
        try:
            attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
            attached.watch.call(Session.step)
        finally:
            socket.setdefaulttimeout(None)
        assert flags() == before
        one.settimeout(0.3)
        with pytest.raises(TimeoutError):
            one.recv(1)


def test_no_descriptor_of_the_pbx_is_kept(start_pbx, write_config, attach):
    """A duplicate that stays open would keep the connection open after the PBX has closed it."""
    pbx = start_pbx()
    with phone(pbx.ports[0]) as one:
        assert pbx.answer() == "accepted"
        attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
        pbx.order("close", 0)
        one.settimeout(5)
        assert one.recv(1) == b""


def closes(one: socket.socket, pbx: Pbx) -> None:
    one.close()


def resets(one: socket.socket, pbx: Pbx) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def pbx_closes(one: socket.socket, pbx: Pbx) -> None:
    pbx.order("close", 0)


@pytest.mark.parametrize(
    ("end", "cause", "detail"),
    [
        (closes, Cause.PEER_CLOSED, ""),
        (resets, Cause.RESET, ""),
        (pbx_closes, Cause.CLOSED, "the PBX closed it"),
    ],
)
def test_the_end_of_a_connection_is_recorded_with_its_cause(
    start_pbx, write_config, attach, end, cause, detail
):
    pbx = start_pbx()
    one = phone(pbx.ports[0])
    assert pbx.answer() == "accepted"
    attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
    peer = f"127.0.0.1:{port_of(one)}"
    end(one, pbx)
    until(lambda: attached.events("connection-down"), 2)
    (death,) = attached.events("connection-down")
    assert isinstance(death, ConnectionDown)
    assert (death.peer, death.cause, death.transport) == (peer, cause, "t1")
    assert [(row.cause, row.detail) for row in attached.watch.call(rows.deaths)] == [(cause, detail)]
    one.close()


def test_kill_gives_the_pbx_an_error_at_once(start_pbx, write_config, attach):
    pbx = start_pbx()
    with phone(pbx.ports[0]):
        assert pbx.answer() == "accepted"
        attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
        (row,) = attached.watch.call(rows.connections)
        table = commands.commands(attached.watch)
        assert table["kill"]({"connection": row.serial, "force": False}).serial == row.serial
        assert pbx.answer() == "error 103"
        until(lambda: attached.events("connection-down"))
        assert attached.events("connection-down")[0].cause is Cause.KILLED
        with pytest.raises(PjkaError, match="there is no connection"):
            table["kill"]({"connection": row.serial, "force": False})


def test_a_killed_pbx_is_noticed_and_its_successor_attached_to(start_pbx, write_config, attach):
    first = start_pbx()
    current = [first]
    config = write_config(("t1", "tcp", first.ports[0]))
    attached = Attached(Target(lambda: current[0].pid, str(config)))
    try:
        with phone(first.ports[0]):
            assert first.answer() == "accepted"
            until(lambda: attached.watch.call(lambda session: len(session.attachment.connections)))
            first.child.kill()
            until(lambda: attached.events("detached"))
            assert Cause.PROCESS_GONE in [down.cause for down in attached.events("connection-down")]
        current[0] = start_pbx(f"127.0.0.1:{first.ports[0]}")
        until(lambda: len(attached.events("attached")) == 2)
        assert set(settings(current[0].pid).values()) == {WANTED}
    finally:
        attached.close()


def test_another_program_with_the_same_pid_is_left_alone(start_pbx, write_config, attach, tmp_path):
    pbx = start_pbx()
    watch = Watch(Target(lambda: pbx.pid, str(write_config(("t1", "tcp", pbx.ports[0])))), Events())
    try:
        watch.attach()
        watch._program = "asterisk"
        watch._leave()
        with pytest.raises(PjkaError, match="no longer 'asterisk'"):
            watch.attach()
    finally:
        watch.close()


def test_a_listener_opened_later_gets_the_policy(start_pbx, write_config, attach):
    pbx = start_pbx()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = port_of(other)
    attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), ("t2", "tcp", port)))
    pbx.order("listen", "127.0.0.1", port)
    until(lambda: settings(pbx.pid).get((port, 0)) == WANTED, 2)


def test_nothing_changes_when_the_configuration_is_unusable(start_pbx, tmp_path):
    pbx = start_pbx()
    path = tmp_path / "pjsip.conf"
    path.write_text("[broken\n")
    watch = Watch(Target(lambda: pbx.pid, str(path)), Events())
    with pytest.raises(ConfigurationError):
        watch.attach()
    watch.close()
    assert set(settings(pbx.pid).values()) == {UNTOUCHED}


def test_a_preview_changes_nothing(start_pbx, write_config):
    pbx = start_pbx()
    watch = Watch(Target(lambda: pbx.pid, str(write_config(("t1", "tcp", pbx.ports[0])))), Events())
    ((held, drift),) = watch.attach().preview()
    watch.close()
    assert held.connection.local == ("127.0.0.1", pbx.ports[0])
    assert len(drift) == 5
    assert set(settings(pbx.pid).values()) == {UNTOUCHED}


def test_a_pbx_that_does_not_run_yet_is_waited_for_where_that_is_asked(start_pbx, write_config, tmp_path):
    pbx = start_pbx()
    pidfile = tmp_path / "pid"
    command = [sys.executable, "-c", "from pjka.cli import main; main()", "attach", "--once"]
    command += ["--pidfile", str(pidfile), "--config", str(write_config(("t1", "tcp", pbx.ports[0])))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "cannot read the pid file" in done.stderr) == (2, True)
    with subprocess.Popen([*command, "--wait"], stdout=subprocess.PIPE, text=True) as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.5)
        pidfile.write_text(str(pbx.pid))
        assert child.communicate(timeout=30)[0] == "Every socket has its policy.\n"
    assert set(settings(pbx.pid).values()) == {WANTED}


def test_a_new_phone_is_announced(start_pbx, write_config, attach):
    pbx = start_pbx()
    attached = attach(pbx, write_config(("t1", "tcp", pbx.ports[0])))
    with phone(pbx.ports[0]) as one:
        until(lambda: attached.events("connection-up"), 15)
        (up,) = attached.events("connection-up")
        assert isinstance(up, ConnectionUp)
        assert (up.peer, up.transport, up.direction) == (f"127.0.0.1:{port_of(one)}", "t1", "incoming")
