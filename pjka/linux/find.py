"""Find the process to attach to: by name, by pid file, as a container, or as the one Asterisk that runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pjka.errors import PjkaError

_DOCKER_WAIT = 20.0


class NotFoundError(PjkaError):
    """There is no such process, or more than one."""


def asterisk() -> int:
    """The pid of the one Asterisk that runs; its consoles (``asterisk -r``) do not count."""
    return _only("Asterisk", [pid for pid in _named("asterisk") if not _is_console(pid)])


def named(name: str) -> int:
    """The pid of the one process whose name or program file is ``name``."""
    return _only(f"process named {name!r}", [*_named(name)])


def from_file(path: str) -> int:
    """The pid in a pid file."""
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise NotFoundError(f"cannot read the pid file: {error.strerror}", file=path) from error
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise NotFoundError("this is no pid file", file=path, line=1, expected="a process number")
    return int(text)


def container(name: str) -> int:
    """The pid, as this host counts, of the Asterisk in a running container, else of its first process.

    The `docker` command is asked, so that DOCKER_HOST and contexts hold.
    """
    command = ["docker", "inspect", "--type", "container", "--format", "{{.State.Pid}}", "--", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOCKER_WAIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFoundError(f"cannot ask Docker for container {name!r}: {error}") from error
    if done.returncode:
        raise NotFoundError(f"Docker knows no container {name!r}: {done.stderr.strip()[:200]!r}")
    if done.stdout.strip() in ("", "0"):
        raise NotFoundError(f"container {name!r} is not running")
    first = int(done.stdout)
    inside = [pid for pid in _named("asterisk") if not _is_console(pid) and _same_pids(pid, first)]
    return _only(f"Asterisk in container {name!r}", inside or [first])


def _same_pids(pid: int, other: int) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/ns/pid", f"/proc/{other}/ns/pid")
    except OSError:
        return False


def _only(what: str, pids: list[int]) -> int:
    if not pids:
        raise NotFoundError(f"no {what} is running here")
    if len(pids) > 1:
        shown = ", ".join(map(str, sorted(pids)[:10]))
        raise NotFoundError(f"{len(pids)} times {what} (pid {shown})", expected="one, or --pid to choose")
    return pids[0]


def _named(name: str) -> Iterator[int]:
    """Processes in their own right, not their forks that still run the same program."""
    found = {int(entry): Path("/proc", entry) for entry in os.listdir("/proc") if entry.isdigit()}
    same = {pid for pid, path in found.items() if name in _names(path)}
    return (pid for pid in same if _parent(found[pid]) not in same)


def _names(path: Path) -> set[str]:
    names = set()
    try:
        names.add((path / "comm").read_text(errors="replace").strip())
        names.add(os.path.basename(os.readlink(path / "exe")).removesuffix(" (deleted)"))
    except OSError:
        pass
    return names


def _parent(path: Path) -> int:
    try:
        stat = (path / "stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def _is_console(pid: int) -> bool:
    """Whether it is the command line of a running Asterisk: called `rasterisk`, or with -r, -R or -x."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return True
    options = [word for word in words[1:] if word.startswith(b"-")]
    return os.path.basename(words[0]) == b"rasterisk" or any(set(word) & set(b"rRx") for word in options)
