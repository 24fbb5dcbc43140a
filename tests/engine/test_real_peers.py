"""Flows with peers that others wrote: baresip registers with us, we register with Kamailio."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from managed import Certificates, free_port, until
from test_registering import phone, port_of, rows, run
from test_registrations import Registered, register, section
from test_run import Running

Section = Callable[..., str]
__all__ = ["register", "run"]

KAMAILIO = """
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen={protocol}:127.0.0.1:{port}
{tls}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "outbound.so"
{modules}
modparam("usrloc", "db_mode", 0)
modparam("registrar", "outbound_mode", 1)
modparam("registrar", "flow_timer", 2)
tcp_connection_lifetime=3600
request_route {{
    if (method == "REGISTER") {{ save("location"); exit; }}
    sl_send_reply("200", "OK");
}}
"""


def needs(command: str) -> pytest.MarkDecorator:
    missing = shutil.which(command) is None and not os.environ.get("PJKA_REQUIRE_ALL")
    return pytest.mark.skipif(missing, reason=f"needs {command}")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "peer.log").open("ab") as log:
            running.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            )
        return running[-1]

    yield start
    for each in running:
        os.killpg(each.pid, signal.SIGKILL)
        each.wait(10)


def baresip(directory: Path, port: int, protocol: str) -> None:
    modules = "/usr/lib/baresip/modules"
    directory.mkdir()
    (directory / "config").write_text(
        f"poll_method epoll\nsip_listen 127.0.0.1:{free_port()}\nmodule_path {modules}\nmodule g711.so\n"
        "module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n"
    )
    (directory / "accounts").write_text(
        f"<sip:alice@127.0.0.1:{port};transport={protocol}>;auth_pass=secret;regint=60;sipnat=outbound;"
        f'outbound="sip:127.0.0.1:{port};transport={protocol}"\n'
    )
    (directory / "uuid").write_text("3c7e1b0a-0000-4000-8000-000000000001")


@needs("baresip")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_baresip_registers_a_flow_and_its_ping_is_answered(
    run: Callable[..., Running],
    transport: Section,
    started: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
    protocol: str,
) -> None:
    own = transport("t", protocol, "@keepalive=outbound", "@flow_timer=20")
    running = run(own + phone(frequency=60, auth=True))
    baresip(tmp_path / "baresip", port_of(own), protocol)
    peer = started("baresip", "-f", str(tmp_path / "baresip"))
    # on a busy machine its first attempt may fail, and the next comes after half a minute or more
    until(lambda: any(row["aor"] == "alice" for row in rows(running, "flows")), 100)
    flow = next(row for row in rows(running, "flows") if row["aor"] == "alice")
    assert (flow["reg_id"], flow["kept_alive"], flow["flow_timer"]) == (1, True, 20)
    assert "3c7e1b0a-0000-4000-8000-000000000001" in str(flow["instance_id"])
    until(lambda: rows(running, "contacts")[0]["status"] == "Reachable")
    until(lambda: int(str(rows(running, "flows")[0]["pings"])) >= 1, 25)
    os.killpg(peer.pid, signal.SIGKILL)
    until(lambda: not rows(running, "contacts"))


@needs("kamailio")
@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_kamailio_pongs_and_its_end_is_noticed(
    register: Callable[..., Registered],
    transport: Section,
    started: Callable[..., subprocess.Popen[bytes]],
    certificates: Certificates,
    tmp_path: Path,
    protocol: str,
) -> None:
    port, file = free_port(), tmp_path / "kamailio.cfg"
    file.write_text(
        KAMAILIO.format(
            protocol=protocol,
            port=port,
            tls="enable_tls=yes" if protocol == "tls" else "",
            modules="" if protocol == "tcp" else _tls_module(certificates, tmp_path),
        )
    )
    started("kamailio", "-DD", "-E", "-f", str(file), "-Y", str(tmp_path), "-P", str(tmp_path / "pid"))
    until(lambda: _listens(port), 15)
    peer = _Address(port, protocol)
    running = register(transport("t", protocol, "@keepalive=outbound"), section(peer))  # type: ignore[arg-type]
    until(lambda: running.rows()[0].pongs >= 2, 15)
    row = running.rows()[0]
    assert (row.kept_alive, row.flow_timer, row.why_not, row.state) == (True, 2, "", "up")
    assert row.rtt is not None
    assert row.rtt < 0.5


class _Address:
    def __init__(self, port: int, protocol: str) -> None:
        self.port, self.protocol = port, protocol


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _tls_module(certificates: Certificates, directory: Path) -> str:
    (directory / "tls.cfg").write_text(
        f"[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n"
        f"private_key = {certificates.server}\ncertificate = {certificates.server}\n"
    )
    return f'loadmodule "tls.so"\nmodparam("tls", "config", "{directory / "tls.cfg"}")'
