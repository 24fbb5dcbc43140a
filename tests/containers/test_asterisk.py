"""The PBXs that other tests count on: their versions, and what they make of the options pjka is about."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pbx_container import StartPbx

pytestmark = pytest.mark.containers

UDP = "[udp]\ntype = transport\nprotocol = udp\nbind = 0.0.0.0:5060\n"
TCP = "[tcp]\ntype = transport\nprotocol = tcp\nbind = 0.0.0.0:5060\n"
OPTIONS = (
    "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {own}:{port};branch=z9hG4bK1;rport\r\n"
    "From: <sip:test@{own}>;tag=1\r\nTo: <sip:{address}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(("version", "expected"), [("16", "Asterisk 16.28."), ("22", "Asterisk 22.")])
def test_pbx_boots_with_the_mounted_pjsip_conf(start_pbx: StartPbx, version: str, expected: str) -> None:
    pbx = start_pbx(version, UDP)
    assert pbx.rx("core show version").startswith(expected)
    assert "0.0.0.0:5060" in pbx.rx("pjsip show transports")
    assert Path(f"/proc/{pbx.pid}/comm").read_text().strip() == "asterisk"


@pytest.mark.parametrize("version", ["16", "22"])
def test_pbx_answers_sip_and_the_manager_at_its_address(start_pbx: StartPbx, version: str) -> None:
    pbx = start_pbx(version, UDP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(5)
        phone.connect((pbx.address, 5060))
        own, port = phone.getsockname()
        phone.send(OPTIONS.format(address=pbx.address, own=own, port=port).encode())
        assert phone.recv(4096).startswith(b"SIP/2.0 401 ")
    with pbx.ami() as ami:
        assert ami.banner.startswith("Asterisk Call Manager/")
        assert ami.action("Ping")["Ping"] == "Pong"


@pytest.mark.parametrize(
    ("version", "option", "loaded"),
    [
        ("16", "tcp_keepalive_enable = yes", False),
        ("16", "@tcp_keepalive_enable = yes", True),
        ("22", "tcp_keepalive_enable = yes", True),
        ("22", "@tcp_keepalive_enable = yes", True),
    ],
)
def test_pbx_takes_names_with_an_at_sign_whether_it_knows_them_or_not(
    start_pbx: StartPbx, version: str, option: str, loaded: bool
) -> None:
    pbx = start_pbx(version, TCP + option + "\n" + UDP)
    transports = pbx.rx("pjsip show transports")
    assert "udp" in transports, "a sibling is loaded in any case"
    assert ("tcp " in transports) == loaded
    assert ("Could not find option suitable for category 'tcp'" in pbx.log()) == (not loaded)


def test_pbx_that_does_not_start_says_why(start_pbx: StartPbx) -> None:
    with pytest.raises(pytest.fail.Exception, match="no such PBX"):
        start_pbx("22", UDP, command=["sh", "-c", "echo no such PBX; exit 1"])
