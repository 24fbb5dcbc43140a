"""Transport management on loopback; there can be one pjproject at a time, so one per test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from managed import Certificates, Managed, free_port


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    directory = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "::1", "localhost")
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    server.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    return Certificates(directory / "authority.pem", directory / "server.pem")


@pytest.fixture
def transport(certificates: Certificates) -> Callable[..., str]:
    """The text of a transport section on a free port of loopback."""

    def section(name: str, protocol: str, *lines: str, host: str = "127.0.0.1") -> str:
        bound = f"[{host}]" if ":" in host else host
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        text = f"[{name}]\ntype=transport\nprotocol={protocol}\nbind={bound}:{free_port(host, kind)}\n"
        if protocol == "tls":
            text += f"cert_file={certificates.server}\npriv_key_file={certificates.server}\n"
        return text + "".join(f"{line}\n" for line in lines)

    return section


@pytest.fixture
def manage(tmp_path: Path, certificates: Certificates) -> Iterator[Callable[..., Managed]]:
    """Starts transport management on a configuration's text."""
    running: list[Managed] = []

    def start(*sections: str, **settings: float) -> Managed:
        path = tmp_path / "pjsip.conf"
        path.write_text("\n".join(sections), encoding="utf-8")
        running.append(Managed(path, certificates, **settings))
        return running[-1]

    yield start
    for each in running:
        each.stop()
