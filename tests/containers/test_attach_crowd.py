"""`pjka attach` on real Asterisks with 600 phones connected and a call in progress."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import second_look
import trustme
from docker.types import Mount
from pbx_container import Pbx, StartPbx
from pbx_phones import Phone, allow_many_descriptors

pytestmark = [pytest.mark.containers, pytest.mark.root, pytest.mark.timeout(120)]

TIMES = (
    "@tcp_keepalive_enable=yes\n@tcp_keepalive_idle_time=3\n"
    "@tcp_keepalive_interval_time=1\n@tcp_keepalive_probe_count=2\n"
)
POLICY = [1, 3, 1, 2, 5000]
CONFIG = (
    f"[phones]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0:5060\n{TIMES}"
    "[secure]\ntype=transport\nprotocol=tls\nbind=0.0.0.0:5061\nmethod=tlsv1_2\n"
    f"cert_file=/etc/asterisk/keys/pbx.pem\npriv_key_file=/etc/asterisk/keys/pbx.pem\n{TIMES}"
    "[alice]\ntype=endpoint\naors=alice\ncontext=default\ndisallow=all\nallow=ulaw\nrewrite_contact=yes\n"
    "[alice]\ntype=aor\nmax_contacts=1\n"
)
DIALPLAN = "[default]\nexten => echo,1,Answer()\n same => n,Echo()\n"
HTTP = "[general]\nenabled=yes\nbindaddr=0.0.0.0\nbindport=8088\n"
TCP_PHONES, TLS_PHONES = 500, 100
PJKA = [sys.executable, "-c", "from pjka.cli import main; main()"]
LOOK = [sys.executable, second_look.__file__]


@pytest.fixture(params=["16", "22"])
def pbx(request: pytest.FixtureRequest, start_pbx: StartPbx, tmp_path: Path) -> Pbx:
    keys = tmp_path / "keys"
    keys.mkdir()
    trustme.CA().issue_cert("pbx.example").private_key_and_cert_chain_pem.write_to_path(str(keys / "pbx.pem"))
    (tmp_path / "extensions.conf").write_text(DIALPLAN)
    (tmp_path / "http.conf").write_text(HTTP)
    mounts = [Mount("/etc/asterisk/keys", str(keys), "bind", read_only=True)] + [
        Mount(f"/etc/asterisk/{name}", str(tmp_path / name), "bind", read_only=True)
        for name in ("extensions.conf", "http.conf")
    ]
    return start_pbx(request.param, CONFIG, mounts=mounts)


def look(pbx: Pbx) -> dict[str, list[int]]:
    done = subprocess.run([*LOOK, str(pbx.pid)], capture_output=True, text=True, timeout=30, check=True)
    found: dict[str, list[int]] = json.loads(done.stdout)
    return found


def of_port(found: dict[str, list[int]], *ports: int) -> dict[str, list[int]]:
    return {pair: options for pair, options in found.items() if int(pair.split()[0]) in ports}


def test_600_connections_have_the_policy_within_a_second_of_attach(pbx: Pbx, tmp_path: Path) -> None:
    allow_many_descriptors()
    with ExitStack() as stack:
        phones = []
        for number in range(TCP_PHONES + TLS_PHONES):
            one = stack.enter_context(Phone(pbx.address, tls=number >= TCP_PHONES))
            assert one.ask("OPTIONS").startswith("SIP/2.0 ")
            phones.append(one)
        call = phones[0].call()
        stack.callback(call.close)
        assert call.echoes()
        ami = stack.enter_context(pbx.ami())
        stack.enter_context(socket.create_connection((pbx.address, 8088)))
        time.sleep(6)  # longer than the user timeout: it has to wait for an answer
        before = of_port(look(pbx), 5038, 8088)
        assert len(before) == 4
        seconds, count, wrong = attach(pbx, tmp_path, stack)
        assert (count, wrong) == (TCP_PHONES + TLS_PHONES + 2, {})
        assert seconds < 1.0
        assert of_port(look(pbx), 5038, 8088) == before
        late = stack.enter_context(Phone(pbx.address))
        assert look(pbx)[f"5060 {late.port}"] == POLICY
        assert call.echoes()
        time.sleep(4)  # probes go out, and are answered
        assert call.echoes()
        for one in (*phones, late):
            assert one.ask("OPTIONS").startswith("SIP/2.0 ")
        assert ami.action("Ping")["Ping"] == "Pong"
        assert "alice" in pbx.rx("core show channels concise")


def attach(pbx: Pbx, tmp_path: Path, stack: ExitStack) -> tuple[float, int, dict[str, list[int]]]:
    """Start `pjka attach`; seconds until all has been read back, of how many sockets, and what was wrong.

    The seconds are without the start of the interpreter, which a busy machine stretches as it likes.
    """
    wanted = [f"{port}={json.dumps(POLICY)}" for port in (5060, 5061)]
    watcher = stack.enter_context(
        subprocess.Popen([*LOOK, str(pbx.pid), "10", *wanted], stdout=subprocess.PIPE, text=True)
    )
    assert watcher.stdout
    assert watcher.stdout.readline() == "ready\n"
    began = time.monotonic()
    subprocess.run([*PJKA, "attach", "--help"], capture_output=True, timeout=30, check=True)
    start = time.monotonic() - began
    began = time.monotonic()
    command = [*PJKA, "attach", "--pid", str(pbx.pid), "--socket", str(tmp_path / "control.sock")]
    child = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    stack.callback(child.terminate)
    answer = json.loads(watcher.stdout.readline())
    took = answer["at"] - began
    print(f"{answer['count']} sockets in {took:.2f} s, of which {start:.2f} s are the interpreter's")
    return took - start, answer["count"], answer["wrong"]
