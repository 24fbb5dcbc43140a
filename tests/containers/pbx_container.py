"""What a test holds of a PBX that runs in a container."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from docker.errors import APIError
from docker.models.containers import Container

START_LIMIT = 60.0  # seconds

AMI_PORT = 5038
AMI_USER = AMI_SECRET = "pjka"  # as in asterisk/manager.conf


@dataclass(frozen=True)
class Pbx:
    """An Asterisk that runs: ``address`` in Docker's network, ``pid`` here, ``conf`` its pjsip.conf."""

    container: Container
    address: str
    pid: int
    conf: Path

    def rx(self, command: str) -> str:
        """What the Asterisk CLI answers to ``command``."""
        result = self.container.exec_run(["asterisk", "-rx", command])
        text: str = result.output.decode("utf-8", "replace")
        assert result.exit_code == 0, f"{command}: {text}"
        return text

    def rewrite(self, text: str) -> None:
        """Give it another pjsip.conf; it reads that at the next reload."""
        self.conf.write_text(text)

    def log(self) -> str:
        """What it has logged so far: notices, warnings and errors."""
        output: bytes = self.container.exec_run(["sh", "-c", "cat /var/log/asterisk/messages*"]).output
        return output.decode("utf-8", "replace")

    def ami(self) -> Ami:
        """A manager session, logged in; to be used in a ``with`` statement."""
        return Ami(self.address)


class Ami:
    """The few words of Asterisk's manager protocol that a test needs."""

    def __init__(self, address: str) -> None:
        self.socket = socket.create_connection((address, AMI_PORT), timeout=10)
        self.stream = self.socket.makefile("rwb")
        self.banner = self.stream.readline().decode()
        answer = self.action("Login", Username=AMI_USER, Secret=AMI_SECRET, Events="off")
        assert answer["Response"] == "Success", answer

    def __enter__(self) -> Ami:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.socket.close()

    def action(self, name: str, **headers: str) -> dict[str, str]:
        """Send one action; the first message that comes back."""
        self._send(name, headers)
        return self.message()

    def lines(self, name: str, **headers: str) -> list[str]:
        """Send one action; the lines of the first message that comes back, whatever bytes are in them."""
        self._send(name, headers)
        return [line[:-2].decode("utf-8", "surrogateescape") for line in iter(self.stream.readline, b"\r\n")]

    def _send(self, name: str, headers: dict[str, str]) -> None:
        lines = [f"{key}: {value}\r\n" for key, value in {"Action": name, **headers}.items()]
        self.stream.write("".join([*lines, "\r\n"]).encode())
        self.stream.flush()

    def message(self) -> dict[str, str]:
        """The next message; of keys that come twice, the last."""
        fields = {}
        for line in iter(self.stream.readline, b"\r\n"):
            assert line, "the PBX closed the manager session"
            key, _, value = line.decode("utf-8", "replace").partition(":")
            fields[key] = value.strip()
        return fields


class StartPbx(Protocol):
    """Start Asterisk ``version``, "16" or "22", with this pjsip.conf; ``options`` are docker's own."""

    def __call__(self, version: str, pjsip_conf: str, **options: Any) -> Pbx: ...


def has_booted(container: Container) -> bool:
    """Wait until the CLI says so; False if the container ends before that, or START_LIMIT passes."""
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        try:
            answer = container.exec_run(["asterisk", "-rx", "core waitfullybooted"])
            if b"fully booted" in answer.output:
                container.reload()
                return True
        except APIError:
            return False
        time.sleep(0.1)
    return False
