"""``type=transport`` objects that start, and those that do not: reported with their place, siblings start."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from managed import Certificates, Managed, free_port, options

from pjka.events import TransportFailed, TransportUp
from pjka.linux.sockopts import borrowed
from pjka.rows import Rows

Manage = Callable[..., Managed]
Section = Callable[..., str]


def problem(managed: Managed, name: str) -> str:
    """Why the transport has not started."""
    started = managed.module.listeners.all[name]
    assert started.listener is None
    return started.problem


def line_of(managed: Managed, text: str) -> int:
    """The line of the configuration that has this text."""
    lines = managed.path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
def test_every_protocol_answers(manage: Manage, transport: Section, protocol: str, host: str) -> None:
    managed = manage(transport("t", protocol, host=host))
    if protocol == "udp":
        listener = managed.module.listeners.all["t"].listener
        assert listener is not None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        peer = socket.socket(family, socket.SOCK_DGRAM)
        managed.sockets.append(peer)
        peer.connect((listener.host, listener.port))
    else:
        peer = managed.connect("t")
    peer.settimeout(5)
    peer.send(options())
    assert peer.recv(65536).startswith(b"SIP/2.0 200 OK\r\n")


def test_udp_has_no_time_to_detect_a_dead_connection_and_tcp_has(manage: Manage, transport: Section) -> None:
    managed = manage(transport("u", "udp"), transport("t", "tcp"))
    found = {row.id: row for row in Rows(managed.module, "load", 0).transports()}
    assert (found["u"].detection_idle, found["u"].detection_busy) == (None, None)
    assert found["t"].detection_busy is not None


def test_port_in_use_names_file_and_line_and_siblings_start(manage: Manage, transport: Section) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    with taken:
        managed = manage(
            f"[taken]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{port}\n", transport("good", "tcp")
        )
    line = line_of(managed, f"bind=127.0.0.1:{port}")
    text = problem(managed, "taken")
    assert text.startswith(f"{managed.path}:{line}: transport taken: 127.0.0.1:{port}: ")
    assert "Address already in use" in text
    assert managed.next(TransportFailed).transport == "taken"
    assert managed.next(TransportUp).transport == "good"
    managed.connect("good")


def test_udp_port_in_use(manage: Manage, transport: Section) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        managed = manage(f"[t]\ntype=transport\nbind=127.0.0.1:{port}\n")
    assert f"127.0.0.1:{port}: Address already in use" in problem(managed, "t")


def test_certificate_that_is_none(manage: Manage, transport: Section, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("not a certificate", encoding="utf-8")
    managed = manage(
        f"[t]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{free_port()}\n"
        f"cert_file={tmp_path}/no.pem\npriv_key_file={tmp_path}/no.pem\n",
        transport("good", "tls"),
    )
    line = line_of(managed, "cert_file=")
    assert problem(managed, "t").startswith(f"{managed.path}:{line}: transport t: certificate or key")
    managed.connect("good")


def test_key_of_another_certificate(
    manage: Manage, transport: Section, certificates: Certificates, tmp_path: Path
) -> None:
    other = trustme.CA().issue_cert("localhost").private_key_pem
    other.write_to_path(str(tmp_path / "other.key"))
    managed = manage(
        f"[t]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{free_port()}\n"
        f"cert_file={certificates.server}\npriv_key_file={tmp_path}/other.key\n"
    )
    assert "key" in problem(managed, "t").lower()


def test_unknown_cipher(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tls", "cipher=NULL-NOTHING"))
    assert "cipher NULL-NOTHING is not one of this TLS library" in problem(managed, "t")


def test_cipher_is_the_one_negotiated(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tls", "method=tlsv1_2", "cipher=ECDHE-ECDSA-AES128-GCM-SHA256"))
    peer = managed.connect("t")
    assert peer.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"  # type: ignore[attr-defined]


def test_version_of_tls_that_the_engine_lacks(manage: Manage, transport: Section) -> None:
    managed = manage(transport("old", "tls", "method=sslv3"), transport("new", "tls", "method=tlsv1_3"))
    assert "method sslv3 is not spoken by OpenSSL" in problem(managed, "old")
    if managed.endpoint.engine.tls.startswith("OpenSSL 1.0"):
        assert "method tlsv1_3 is not spoken by OpenSSL 1.0" in problem(managed, "new")
    else:
        assert managed.connect("new").version() == "TLSv1.3"  # type: ignore[attr-defined]


def test_what_pjproject_cannot_do_is_said(
    manage: Manage, transport: Section, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    managed = manage(
        transport("t", "tls", f"ca_list_path={tmp_path}", "verify_server=yes", "allow_wildcard_certs=yes")
    )
    said = [record.fields["problem"] for record in caplog.records if record.message == "transport-lacks"]
    assert [text.split(":")[1] for text in said] == [
        str(line_of(managed, "ca_list_path")),
        str(line_of(managed, "allow_wildcard_certs")),
    ]


@pytest.mark.parametrize("protocol", ["ws", "wss", "flow"])
def test_protocols_without_a_listener_are_refused(manage: Manage, transport: Section, protocol: str) -> None:
    managed = manage(transport("t", protocol), transport("good", "tcp"))
    assert f"protocol {protocol} is refused" in problem(managed, "t")
    managed.connect("good")


def test_host_name_that_is_none(manage: Manage, transport: Section) -> None:
    managed = manage("[t]\ntype=transport\nprotocol=tcp\nbind=no-such-host.invalid:5070\n")
    assert re.search(r"no-such-host\.invalid: Name or service not known", problem(managed, "t"))


def test_trial_engine_is_not_reachable(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", host="0.0.0.0"))
    if managed.endpoint.engine.loopback_only:
        assert "trial engine" in problem(managed, "t")
    else:
        managed.connect("t")


def test_tos_is_on_listener_and_connection(manage: Manage, transport: Section) -> None:
    managed = manage(transport("t", "tcp", "tos=cs3"))
    connection = managed.connection_of(managed.connect("t"))
    assert connection.descriptor is not None
    with borrowed(connection.descriptor.fd) as accepted:
        assert accepted.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x60


def test_refused_values_name_the_line(manage: Manage, transport: Section) -> None:
    """Linux takes an idle time of at most 32767 s; Asterisk says nothing."""
    managed = manage(transport("t", "tcp", "tcp_keepalive_enable=yes", "tcp_keepalive_idle_time=40000"))
    failed = managed.next(TransportFailed)
    assert failed.problem.startswith(
        f"{managed.path}:{line_of(managed, 'idle_time')}: transport t: the kernel"
    )
    assert managed.module.listeners.all["t"].drift == ("TCP_KEEPIDLE is 7200, wanted 40000",)


def test_external_address_is_in_contact_and_via(manage: Manage, transport: Section) -> None:
    managed = manage(
        transport("t", "tcp", "external_signaling_address=192.0.2.77", "external_signaling_port=5999")
    )
    listener = managed.module.listeners.all["t"].listener
    assert listener is not None
    port = managed.reactor.call(lambda: managed.endpoint.native.factory_address(listener.pointer)[1])
    assert port == listener.port
