"""Another process seen from outside: a child of this test that holds sockets."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pjka.linux import find
from pjka.linux.connections import Diagnostics
from pjka.linux.process import Process

SERVER = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
accepted = []
signal.signal(signal.SIGUSR1, lambda *_: os.execv(sys.executable, [sys.executable, "-c", "input()"]))
print(listener.getsockname()[1], flush=True)
while True:
    accepted.append(listener.accept()[0])
    print("accepted", flush=True)
"""


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as child:
        yield child
        child.kill()


def port_of(server: subprocess.Popen[str]) -> int:
    assert server.stdout
    return int(server.stdout.readline())


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_its_sockets_are_found_by_the_inode_that_the_kernel_lists(server):
    port = port_of(server)
    with Process(server.pid) as process, process.in_network(Diagnostics) as kernel:
        (listener,) = [found for found in kernel.listeners() if found.local == ("127.0.0.1", port)]
        fd = process.sockets()[listener.inode]
    assert os.readlink(f"/proc/{server.pid}/fd/{fd}") == f"socket:[{listener.inode}]"


def test_a_duplicate_is_the_same_socket_and_is_closed_again(server):
    port = port_of(server)
    with Process(server.pid) as process:
        ((inode, fd),) = process.sockets().items()
        with process.duplicate(fd, inode) as copy:
            assert os.fstat(copy).st_ino == inode
            assert fcntl.fcntl(copy, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(copy)
    socket.create_connection(("127.0.0.1", port)).close()


def test_a_descriptor_that_is_another_file_by_now_is_refused(server):
    port_of(server)
    with Process(server.pid) as process:
        ((inode, fd),) = process.sockets().items()
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="another file by now"), process.duplicate(fd, inode + 1):
            pass
        with pytest.raises(OSError, match="Bad file descriptor"), process.duplicate(999, inode):
            pass
        assert len(os.listdir("/proc/self/fd")) == before


def test_known_descriptors_are_not_looked_at_again(server):
    port = port_of(server)
    with Process(server.pid) as process:
        first = process.sockets()
        with socket.create_connection(("127.0.0.1", port)):
            assert server.stdout
            server.stdout.readline()
            new = process.sockets(known=set(first.values()))
            assert len(new) == 1
            assert not new.keys() & first.keys()


def test_an_end_is_noticed_by_waiting_on_the_process(server):
    port_of(server)
    with Process(server.pid) as process:
        assert process.alive()
        server.kill()
        assert select.select([process], [], [], 10)[0]
        assert not process.alive()
        assert not process.replaced()
        with pytest.raises(ProcessLookupError), process.duplicate(0, 0):
            pass


def test_an_exec_is_noticed(server):
    port_of(server)
    with Process(server.pid) as process:
        assert not process.replaced()
        server.send_signal(signal.SIGUSR1)
        until(process.replaced)
        assert process.alive()


def test_a_process_that_is_not_there():
    with pytest.raises(ProcessLookupError):
        Process(2**22 + 1)


@pytest.mark.root
def test_its_network_namespace_is_entered_by_a_thread_of_its_own(server):
    mine = os.readlink("/proc/thread-self/ns/net")
    command = ["unshare", "--net", "--", sys.executable, "-c", SERVER.replace("127.0.0.1", "0.0.0.0")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            port = port_of(child)
            with Process(child.pid) as process, process.in_network(Diagnostics) as kernel:
                assert [found.local for found in kernel.listeners()] == [("0.0.0.0", port)]
        finally:
            child.kill()
    assert os.readlink("/proc/thread-self/ns/net") == mine


def test_the_root_directory_as_the_process_sees_it(server):
    port_of(server)
    with Process(server.pid) as process:
        assert (process.root() / "proc").is_dir()


def test_find_by_pid_file(tmp_path: Path):
    path = tmp_path / "asterisk.pid"
    path.write_text("4711\n")
    assert find.from_file(str(path)) == 4711


@pytest.mark.parametrize("text", ["", "0", "-3", "abc", "12 13", "१२", "\x00"])
def test_a_pid_file_without_a_pid_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "asterisk.pid"
    path.write_text(text)
    with pytest.raises(find.NotFoundError, match="no pid file"):
        find.from_file(str(path))


def test_a_missing_pid_file_is_named(tmp_path: Path):
    with pytest.raises(find.NotFoundError, match=r"nowhere\.pid: cannot read the pid file"):
        find.from_file(str(tmp_path / "nowhere.pid"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program with a name that no other process on the machine has."""
    path = tmp_path / f"pbx{os.getpid()}"
    path.symlink_to("/bin/sleep")
    return path


def start(program: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([program, "60"])
    until(lambda: Path(f"/proc/{child.pid}/comm").read_text().strip() == program.name)
    return child


def test_find_by_name(program: Path):
    with start(program) as child:
        try:
            assert find.named(program.name) == child.pid
        finally:
            child.kill()


def test_find_by_name_refuses_to_choose(program: Path):
    with start(program) as one, start(program) as other:
        try:
            with pytest.raises(find.NotFoundError, match=f"2 times .*{min(one.pid, other.pid)}"):
                find.named(program.name)
        finally:
            one.kill()
            other.kill()


def test_find_by_name_says_when_there_is_none():
    with pytest.raises(find.NotFoundError, match="no process named 'nobody-has-this-name' is running"):
        find.named("nobody-has-this-name")


@pytest.mark.parametrize("options", [["-r"], ["-vvvr"], ["-x", "core show version"], ["-R"]])
def test_a_console_is_not_the_pbx(tmp_path: Path, options: list[str]):
    script = "import sys; print('up', flush=True); sys.stdin.read()"
    path = tmp_path / "asterisk"
    path.symlink_to(sys.executable)
    for arguments, console in ((options, True), (["-f", "-vvv", "-C", "x.conf"], False)):
        command = [str(path), "-c", script, *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            child.stdout.readline()
            assert find._is_console(child.pid) is console
            child.kill()


def test_a_container_that_docker_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Error: No such container: pbx' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(find.NotFoundError, match=r"no container 'pbx'.*No such container"):
        find.container("pbx")


def test_the_first_process_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n[ $7 = pbx ] && echo {os.getpid()}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(find, "_named", lambda name: iter(()))
    assert find.container("pbx") == os.getpid()


def test_a_killed_process_is_ending_and_a_running_one_is_not(server):
    port_of(server)
    with Process(server.pid) as process:
        assert not process.ending()
        server.kill()
        until(lambda: process.ending())
