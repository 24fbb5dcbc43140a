"""docker-compose.yml: phones beyond a firewall, pjka beside the PBX, and the cause of whatever goes wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

import docker

pytestmark = [pytest.mark.containers, pytest.mark.root, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PBX_LIFETIME = "900"  # seconds, should this run be killed
USERS = {"phone1": "6001", "phone2": "6002"}
DETECTION = 8.0  # seconds, as the pjsip.conf of the demonstration has it: 5 + 3 x 1


@dataclass(frozen=True)
class Demonstration:
    """What `docker-compose up` has started."""

    project: str
    client: docker.DockerClient

    def compose(self, *words: str, limit: float) -> None:
        done = subprocess.run(
            ["docker-compose", "--project-name", self.project, *words],
            cwd=ROOT,
            env={**os.environ, "PBX_LIFETIME": PBX_LIFETIME},
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def service(self, name: str) -> Container:
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={name}"]
        [container] = self.client.containers.list(all=True, filters={"label": labels})
        return container

    def run(self, service: str, *command: str) -> str:
        result = self.service(service).exec_run([*command])
        text: str = result.output.decode("utf-8", "replace")
        assert result.exit_code == 0, f"{command}: {text}"
        return text

    def show(self, what: str) -> list[dict[str, Any]]:
        """The rows of `docker-compose exec pjka pjka show`."""
        rows: list[dict[str, Any]] = json.loads(self.run("pjka", "pjka", "show", what, "--json"))["rows"]
        return rows

    def connected(self, phone: str) -> dict[str, Any]:
        """A phone that has just been started, with a connection that pjka knows to be its own."""
        before = {row["serial"] for row in self.show("connections")}
        self.service(phone).restart(timeout=1)

        def row() -> dict[str, Any] | None:
            serials = {each["connection"] for each in self.show("contacts") if each["aor"] == USERS[phone]}
            rows = [each for each in self.show("connections") if each["serial"] in serials - before]
            return rows[0] if rows and rows[0]["transport"] == "tcp" else None

        return until(row, 40)

    def death(self, serial: int, limit: float) -> dict[str, Any]:
        """How a connection ended."""
        return until(lambda: next((d for d in self.show("deaths") if d["serial"] == serial), None), limit)


def until(found: Callable[[], dict[str, Any] | None], limit: float) -> dict[str, Any]:
    """What is there at last."""
    end = time.monotonic() + limit
    while (value := found()) is None:
        assert time.monotonic() < end, f"not within {limit} s"
        time.sleep(0.3)
    return value


@pytest.fixture(scope="module")
def demonstration(engine_client: docker.DockerClient) -> Iterator[Demonstration]:
    made = Demonstration(f"pjka-test-{uuid.uuid4().hex[:8]}", engine_client)
    try:
        made.compose("up", "--detach", limit=300)
        until(lambda: {} if healthy(made.service("pjka")) else None, 60)
        yield made
    finally:
        made.compose("down", "--volumes", "--rmi", "local", "--timeout", "1", limit=120)
    assert not engine_client.containers.list(all=True, filters={"name": made.project})
    assert not engine_client.networks.list(names=[made.project])


def healthy(container: Container) -> bool:
    return container.attrs["State"].get("Health", {}).get("Status") == "healthy"


def test_phones_are_listed_with_the_policy_in_force(demonstration: Demonstration) -> None:
    rows = [demonstration.connected(phone) for phone in USERS]
    assert [(row["mechanism"], row["detection"], row["drift"]) for row in rows] == [("kernel", 8, [])] * 2
    pid = demonstration.service("pbx").attrs["State"]["Pid"]
    command = ["nsenter", "-t", str(pid), "-n", "ss", "-Htno", "state", "established", "sport = :5060"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    [silent] = [line for line in lines if f"{rows[0]['peer']} " in f"{line} "]
    timer = re.search(r"timer:\(keepalive,([0-9.]+)(ms|sec)", silent)
    assert timer, silent
    assert float(timer[1]) / (1000 if timer[2] == "ms" else 1) <= 5, "the idle time of the pjsip.conf"


def test_pjka_runs_without_root(demonstration: Demonstration) -> None:
    assert demonstration.run("pjka", "id", "-un").strip() == "pjka"
    status = Path(f"/proc/{demonstration.service('pjka').attrs['State']['Pid']}/status").read_text()
    [effective] = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    # CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE of linux/capability.h
    assert int(effective, 16) == 1 << 2 | 1 << 12 | 1 << 19


def test_a_connection_outlives_the_firewall_s_memory(demonstration: Demonstration) -> None:
    row = demonstration.connected("phone1")
    # longer than the 20 s after which the firewall forgets what is idle; this phone is never sent OPTIONS
    end = time.monotonic() + 24
    while time.monotonic() < end:
        assert row["serial"] not in {death["serial"] for death in demonstration.show("deaths")}
        time.sleep(2)
    sizes = [one["idle"] for one in demonstration.show("connections") if one["serial"] == row["serial"]]
    assert sizes, "the connection is still there"
    assert sizes[0] > 20, "nothing was sent on it but probes"
    demonstration.run("pbx", "asterisk", "-rx", "pjsip qualify 6001")

    def answered() -> dict[str, Any] | None:
        rows = [one for one in demonstration.show("connections") if one["serial"] == row["serial"]]
        spoke = rows and rows[0]["idle"] is not None and rows[0]["idle"] < 10
        return rows[0] if spoke and rows[0]["unacknowledged"] == 0 else None

    assert until(answered, 5)


def test_a_phone_cut_off_by_the_firewall(demonstration: Demonstration) -> None:
    row = demonstration.connected("phone1")
    try:
        demonstration.run("firewall", "cut", "phone1")
        death = demonstration.death(row["serial"], DETECTION + 10)
    finally:
        demonstration.run("firewall", "mend")
    assert death["cause"] == "keepalive"
    assert DETECTION - 1.5 < death["silent"] < DETECTION + 2


def test_a_phone_that_is_frozen(demonstration: Demonstration) -> None:
    row = demonstration.connected("phone2")
    phone = demonstration.service("phone2")
    phone.pause()
    try:
        death = demonstration.death(row["serial"], 40)
    finally:
        phone.unpause()
    assert death["cause"] == "wedged", "its TCP answered to the end"


def test_a_phone_that_is_killed(demonstration: Demonstration) -> None:
    row = demonstration.connected("phone1")
    demonstration.service("phone1").kill()
    assert demonstration.death(row["serial"], 10)["cause"] in ("peer-closed", "reset")
