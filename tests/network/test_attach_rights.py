"""What `pjka attach` needs to be allowed, and what it says and does where it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from .conftest import Pbx
from .test_attach import UNTOUCHED, WANTED, settings

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv"),
]
PJKA = [sys.executable, "-c", "from pjka.cli import main; main()", "attach"]


def attach(pbx: Pbx, config, *capabilities: str) -> subprocess.CompletedProcess[str]:
    """As root with these capabilities and no others."""
    allowed = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    command = ["setpriv", f"--bounding-set={allowed}", f"--inh-caps={allowed}", "--", *PJKA]
    command += ["--pid", str(pbx.pid), "--config", str(config), "--once"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def somebody(start_pbx) -> Pbx:
    """A PBX that runs as another user, as most do, and that owns what /proc has of it, as after an exec."""

    def popen(command, **options) -> subprocess.Popen[str]:
        python, flag, script, *addresses = command
        drop = "import ctypes, os, select, socket; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        drop += "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE\n"
        return subprocess.Popen([python, flag, drop + script, *addresses], **options)

    return start_pbx(popen=popen)


def test_cap_sys_ptrace_is_enough_in_our_own_network(somebody, write_config):
    done = attach(somebody, write_config(("t1", "tcp", somebody.ports[0])), "sys_ptrace", "dac_read_search")
    assert done.returncode == 0, done
    assert set(settings(somebody.pid).values()) == {WANTED}


def test_without_it_the_capability_is_named_and_nothing_changed(somebody, write_config):
    done = attach(somebody, write_config(("t1", "tcp", somebody.ports[0])), "net_admin", "sys_admin")
    assert done.returncode == 3, done
    assert "CAP_SYS_PTRACE" in done.stderr
    assert set(settings(somebody.pid).values()) == {UNTOUCHED}


@pytest.mark.parametrize("has", [("sys_ptrace",), ("sys_ptrace", "net_admin", "sys_admin")])
def test_cap_dac_read_search_is_named_for_another_users_process(somebody, write_config, has):
    done = attach(somebody, write_config(("t1", "tcp", somebody.ports[0])), *has)
    assert done.returncode == 3, done
    assert "CAP_DAC_READ_SEARCH" in done.stderr
    assert "CAP_SYS_PTRACE" not in done.stderr
    assert set(settings(somebody.pid).values()) == {UNTOUCHED}


def test_both_are_named_at_once(somebody, write_config):
    done = attach(somebody, write_config(("t1", "tcp", somebody.ports[0])), "net_admin")
    assert done.returncode == 3, done
    assert "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH" in done.stderr


def test_another_network_namespace_takes_cap_sys_admin(start_pbx, write_config):
    def popen(command, **options) -> subprocess.Popen[str]:
        script = 'ip link set lo up && exec "$@"'
        return subprocess.Popen(["unshare", "--net", "sh", "-c", script, "sh", *command], **options)

    pbx = start_pbx(popen=popen)
    config = write_config(("t1", "tcp", pbx.ports[0]))
    done = attach(pbx, config, "sys_ptrace", "dac_read_search")
    assert done.returncode == 3, done
    assert "CAP_SYS_ADMIN" in done.stderr
    assert "CAP_SYS_PTRACE" not in done.stderr
    assert set(settings(pbx.pid).values()) == {UNTOUCHED}
    done = attach(pbx, config, "sys_ptrace", "dac_read_search", "sys_admin")
    assert done.returncode == 0, done
    assert set(settings(pbx.pid).values()) == {WANTED}


def test_exit_code_1_when_the_kernel_refuses_a_value(start_pbx, write_config):
    pbx = start_pbx()
    done = attach(pbx, write_config(("t1", "tcp", pbx.ports[0]), times=(40000, 10, 5)), "sys_ptrace")
    assert done.returncode == 1, done
    assert "TCP_KEEPIDLE is 7200, wanted 40000" in done.stdout
    assert "the kernel refuses TCP_KEEPIDLE = 40000" in done.stderr


def test_exit_code_2_without_a_process(write_config):
    command = [*PJKA, "--process", "nobody-has-this-name", "--once"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no process named 'nobody-has-this-name' is running" in done.stderr
