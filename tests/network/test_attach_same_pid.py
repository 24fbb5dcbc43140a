"""Another process with the pid that the PBX had, made sure of in a pid namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .conftest import PBX

pytestmark = pytest.mark.root

SCRIPT = f"""
import json, os, socket, subprocess, sys, threading, time
from pathlib import Path
from pjka.attach.watch import Target, Watch
from pjka.events import Events
from pjka.linux import find

PBX = {PBX!r}
told = []

def start(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

def start_as(pid, *command):
    for _ in range(50):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        child = start(*command)
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    sys.exit("the pid cannot be had")

def wait(name, count=1):
    deadline = time.monotonic() + 15
    while len([event for event in told if event.name == name]) < count:
        if time.monotonic() > deadline:
            sys.exit(f"no {{name}} in {{told}}")
        time.sleep(0.02)
    return [event for event in told if event.name == name][-1]

with socket.create_server(("127.0.0.1", 0)) as one:
    port = one.getsockname()[1]
pbx = start(sys.executable, "-c", PBX, f"127.0.0.1:{{port}}")
pbx.stdout.readline()
Path(sys.argv[1], "pid").write_text(str(pbx.pid))
config = Path(sys.argv[1], "pjsip.conf")
config.write_text(f"[t1]\\ntype=transport\\nprotocol=tcp\\nbind=127.0.0.1:{{port}}\\ntcp_keepalive_enable=yes\\n")
events = Events()
events.subscribe(told.append)
watch = Watch(Target(lambda: find.from_file(sys.argv[1] + "/pid"), str(config)), events)
watch.attach()
thread = threading.Thread(target=watch.run)
thread.start()
wait("attached")
pid = pbx.pid
pbx.kill()
pbx.wait()
other = start_as(pid, "sleep", "60")
first = wait("detached")
second = wait("detached", 2)
other.kill()
other.wait()
again = start_as(pid, sys.executable, "-c", PBX, f"127.0.0.1:{{port}}")
again.stdout.readline()
attached = wait("attached", 2)
wait("applied", 2)
watch.stop()
thread.join()
watch.close()
again.kill()
print(json.dumps([pid, other.pid, first.reason, second.reason, attached.pid]))
"""


def test_another_program_with_the_pid_is_left_alone_and_the_pbx_taken_up_again(tmp_path):
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    pid, other, first, second, attached = json.loads(done.stdout)
    assert pid == other == attached
    assert first == f"process {pid} has ended"
    assert f"process {pid} is 'sleep', no longer 'python" in second
