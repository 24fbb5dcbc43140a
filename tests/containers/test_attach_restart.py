"""A real Asterisk that is killed and started again, and whose configuration breaks, under `pjka attach`."""

from __future__ import annotations

from pathlib import Path

import pytest
from pbx_container import Pbx, StartPbx, has_booted
from test_attach import KEEPALIVE, phone, timers, until
from test_pings_of_the_pbx import attached

pytestmark = [pytest.mark.containers, pytest.mark.root]


@pytest.mark.parametrize("version", ["16", "22"])
def test_a_pbx_that_is_killed_and_comes_back_is_taken_up_again(
    start_pbx: StartPbx, tmp_path: Path, version: str
) -> None:
    pbx = start_pbx(version, KEEPALIVE)
    target = ["--container", pbx.container.name]
    with phone(pbx), attached(pbx, tmp_path, "--ami", target=target) as told:
        told.wait(f"attached pid={pbx.pid}")
        pbx.container.kill("SIGKILL")
        told.wait("connection-down .*cause=process-gone")
        told.wait(f"detached pid={pbx.pid}")
        told.wait("pbx-silent reason=")
        pbx.container.start()
        assert has_booted(pbx.container)
        again = Pbx(pbx.container, pbx.address, pbx.container.attrs["State"]["Pid"], pbx.conf)
        told.wait(f"attached pid={again.pid}")
        with phone(again) as late:
            # a PBX may listen only after it was attached to; the next look has it
            until(lambda: 0 <= timers(again)[late.getsockname()[1]] <= 33)
        again.rewrite("[phones\n")
        told.wait("configuration-kept")
        again.rewrite(KEEPALIVE.replace("= 33", "= 44"))
        told.wait("reloaded file=/etc/asterisk/pjsip.conf changes=1")
        with phone(again) as late:
            assert 33 < timers(again)[late.getsockname()[1]] <= 44


def test_a_wrong_secret_is_told_and_the_policy_applied(start_pbx: StartPbx, tmp_path: Path) -> None:
    pbx = start_pbx("22", KEEPALIVE)
    with phone(pbx) as one, attached(pbx, tmp_path, "--ami", secret="wr0ng") as told:
        assert "wr0ng" not in told.wait("pbx-silent .*refuses the login")
        told.wait("applied transport=phones sockets=1 .*unmet=0")
        assert 0 <= timers(pbx)[one.getsockname()[1]] <= 33
