"""Real PBXs in containers, from ``tests/hosts/prepare``; what a test starts is removed when it ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pbx_container import Pbx, StartPbx, has_booted

import docker

LABEL = "pjka-test"  # by which tests/hosts/prepare finds what a killed run has left behind
ASTERISK = {"16": "pjka-asterisk:16", "22": "pjka-asterisk:22"}


@pytest.fixture(scope="session")
def engine_client() -> Iterator[docker.DockerClient]:
    """The Docker Engine of this machine."""
    client = docker.from_env(timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def run_token(engine_client: docker.DockerClient) -> Iterator[str]:
    """What every container of this run is labelled with; at the end of the run none may be left."""
    token = uuid.uuid4().hex
    yield token
    left = engine_client.containers.list(all=True, filters={"label": f"{LABEL}={token}"})
    assert not left, f"containers were left behind: {left}"


@pytest.fixture
def start_pbx(engine_client: docker.DockerClient, run_token: str, tmp_path: Path) -> Iterator[StartPbx]:
    """Start as many PBXs as a test wants; they are removed when it ends, passed or failed."""
    with starting(engine_client, run_token, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_pbx(
    engine_client: docker.DockerClient, run_token: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartPbx]:
    """The same for PBXs that all tests of a module share."""
    with starting(engine_client, run_token, tmp_path_factory.mktemp("pbx")) as start:
        yield start


@contextmanager
def starting(engine_client: docker.DockerClient, run_token: str, directory: Path) -> Iterator[StartPbx]:
    """Starts PBXs with their files in ``directory``, and removes them at the end."""
    with ExitStack() as stack:

        def start(version: str, pjsip_conf: str, **options: Any) -> Pbx:
            conf = directory / f"pjsip-{uuid.uuid4().hex[:8]}.conf"
            conf.write_text(pjsip_conf)
            container = engine_client.containers.create(
                ASTERISK[version],
                volumes={str(conf): {"bind": "/etc/asterisk/pjsip.conf", "mode": "ro"}},
                labels={LABEL: run_token},
                **options,
            )
            stack.callback(container.remove, force=True)
            container.start()
            if not has_booted(container):
                pytest.fail(f"Asterisk did not start:\n{container.logs().decode('utf-8', 'replace')}")
            address = container.attrs["NetworkSettings"]["IPAddress"] or "127.0.0.1"
            return Pbx(container, address, container.attrs["State"]["Pid"], conf)

        yield start
