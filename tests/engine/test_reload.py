"""A changed configuration on a live system (Asterisk 2.5, and better)."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from managed import Certificates, Managed, free_port, options

from pjka.events import ConnectionDown, Reloaded
from pjka.reloading import transports_in
from pjka.status import ChangeRow

Manage = Callable[..., Managed]
Section = Callable[..., str]
KEEPALIVE = "tcp_keepalive_enable=yes"


def rewrite(managed: Managed, text: str, *, dry_run: bool = False) -> list[ChangeRow]:
    """Reload with this text as the file."""
    managed.path.write_text(text, encoding="utf-8")
    rows = managed.module.reload(managed.configuration(), transports_in(str(managed.path)), dry_run=dry_run)
    return list(rows)


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_g2_p2_keepalive_reaches_listener_and_existing_connections(
    manage: Manage, transport: Section, protocol: str
) -> None:
    text = transport("t", protocol, KEEPALIVE, "tcp_keepalive_idle_time=30")
    managed = manage(text)
    peers = [managed.connect("t"), managed.call("t")]
    connections = [managed.connection_of(peer) for peer in peers]
    (row,) = rewrite(managed, text.replace("idle_time=30", "idle_time=12"))
    assert (row.change, row.connections) == ("changed", 2)
    assert row.options == ("tcp_keepalive_idle_time: 30 -> 12",)
    for connection in (None, *connections):
        settings = managed.settings_of("t", connection)
        assert (settings.idle, settings.user_timeout) == (12, 17.0)
    assert len(managed.module.monitors) == 2
    assert managed.next(Reloaded).changes == (row,)


def test_keepalive_can_be_turned_off_and_on(manage: Manage, transport: Section) -> None:
    text = transport("t", "tcp", KEEPALIVE)
    managed = manage(text)
    connection = managed.connection_of(managed.connect("t"))
    rewrite(managed, text.replace("enable=yes", "enable=no"))
    assert not managed.settings_of("t", connection).keepalive
    rewrite(managed, text)
    assert managed.settings_of("t", connection).keepalive


def test_unchanged_file_changes_nothing(manage: Manage, transport: Section) -> None:
    text = transport("t", "tcp", KEEPALIVE)
    managed = manage(text)
    assert rewrite(managed, text) == []


def test_dry_run_says_the_same_and_does_nothing(manage: Manage, transport: Section) -> None:
    text = transport("t", "tcp", KEEPALIVE)
    managed = manage(text)
    changed = text + "tcp_keepalive_idle_time=9\n"
    said = rewrite(managed, changed, dry_run=True)
    assert managed.settings_of("t").idle == 30
    assert rewrite(managed, changed) == said
    assert managed.settings_of("t").idle == 9


def test_changed_bind_restarts_only_that_listener(manage: Manage, transport: Section) -> None:
    moving, staying = transport("moving", "tcp"), transport("staying", "tcp")
    managed = manage(moving, staying)
    old = managed.module.listeners.all["staying"].listener
    peer = managed.connect("moving")
    managed.connection_of(peer)
    moved = f"[moving]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{free_port()}\n"
    (row,) = rewrite(managed, f"{moved}\n{staying}")
    assert (row.id, row.change) == ("moving", "restarted")
    assert managed.module.listeners.all["staying"].listener is old
    managed.connection_of(managed.connect("moving"))
    peer.sendall(options())
    assert peer.recv(65536).startswith(b"SIP/2.0 200")


def test_bind_that_is_in_use_keeps_the_old(manage: Manage, transport: Section) -> None:
    text = transport("t", "tcp", KEEPALIVE)
    managed = manage(text)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (row,) = rewrite(managed, f"[t]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{port}\n{KEEPALIVE}\n")
    assert row.change == "rejected"
    assert "Address already in use" in row.reason
    managed.connection_of(managed.connect("t"))
    assert managed.settings_of("t").keepalive


def test_udp_is_restarted_on_the_same_port(manage: Manage) -> None:
    port = free_port(kind=socket.SOCK_DGRAM)
    text = f"[t]\ntype=transport\nbind=127.0.0.1:{port}\n"
    managed = manage(text)
    (row,) = rewrite(managed, text + "tos=cs3\n")
    assert row.change == "restarted"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.sendto(options(), ("127.0.0.1", port))
        assert peer.recv(65536).startswith(b"SIP/2.0 200")


def test_content_of_a_certificate_restarts_its_listener(
    manage: Manage, certificates: Certificates, tmp_path: Path
) -> None:
    certificate = tmp_path / "own.pem"
    shutil.copy(certificates.server, certificate)
    text = (
        f"[t]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{free_port()}\n"
        f"cert_file={certificate}\npriv_key_file={certificate}\n"
    )
    managed = manage(text)
    managed.connect("t")
    assert rewrite(managed, text) == []
    other = trustme.CA()
    other.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    (row,) = rewrite(managed, text)
    assert (row.change, row.reason) == ("restarted", "the content of a certificate file changed")
    with pytest.raises(OSError, match="certificate verify failed"):
        managed.connect("t")


def test_removed_transport_closes_its_listener_and_spares_its_connections(
    manage: Manage, transport: Section
) -> None:
    going, staying = transport("going", "tcp"), transport("staying", "tcp")
    managed = manage(going, staying)
    listener = managed.module.listeners.all["going"].listener
    assert listener is not None
    peer = managed.connect("going")
    managed.connection_of(peer)
    (row,) = rewrite(managed, staying)
    assert (row.id, row.change) == ("going", "removed")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((listener.host, listener.port), 5)
    peer.sendall(options())
    assert peer.recv(65536).startswith(b"SIP/2.0 200")


def test_added_transport_starts(manage: Manage, transport: Section) -> None:
    first, second = transport("first", "tcp"), transport("second", "tcp")
    managed = manage(first)
    (row,) = rewrite(managed, f"{first}\n{second}")
    assert (row.id, row.change) == ("second", "added")
    managed.connection_of(managed.connect("second"))


def test_invalid_new_version_keeps_the_old_and_leaks_nothing(manage: Manage, transport: Section) -> None:
    bad, good = transport("bad", "tcp", KEEPALIVE), transport("good", "tcp")
    managed = manage(bad, good)
    rows = rewrite(managed, f"{bad}tcp_keepalive_idle_time=abc\nlocal_net=10.0.0.0/8\n\n{good}")
    assert [(row.id, row.change) for row in rows] == [("bad", "rejected")]
    assert "tcp_keepalive_idle_time" in rows[0].reason
    managed.connection_of(managed.connect("bad"))
    assert managed.settings_of("bad").keepalive
    assert managed.module.listeners.all["good"].transport.local_net == ()


def test_asterisk_1_4_interval_can_go_to_0(manage: Manage, transport: Section) -> None:
    text = "[global]\ntype=global\nkeep_alive_interval=1\n" + transport("t", "tcp")
    managed = manage(text)
    peer = managed.connect("t")
    peer.settimeout(3)
    assert peer.recv(10) == b"\r\n\r\n"
    rows = rewrite(managed, text.replace("interval=1", "interval=0"))
    assert {row.kind: row.options for row in rows} == {
        "transport": ("mechanism: crlf -> none", "crlf_interval: 1 -> 0"),
        "global": ("keep_alive_interval: 1 -> 0",),
    }
    peer.settimeout(1.5)
    with pytest.raises(TimeoutError):
        peer.recv(10)
    rewrite(managed, text)
    peer.settimeout(3)
    assert peer.recv(10) == b"\r\n\r\n"


def test_reload_closes_no_connection(manage: Manage, transport: Section) -> None:
    text = transport("t", "tcp", KEEPALIVE)
    managed = manage(text)
    for _ in range(5):
        managed.connection_of(managed.connect("t"))
    for idle in range(10, 20):
        rewrite(managed, f"{text}tcp_keepalive_idle_time={idle}\n")
    time.sleep(0.1)
    assert len(managed.module.monitors) == 5
    assert not [event for event in managed.seen if isinstance(event, ConnectionDown)]
