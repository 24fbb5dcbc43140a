"""What this process may do to another, found out before anything is changed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pjka.errors import PjkaError
from pjka.linux.connections import Diagnostics, Endings
from pjka.linux.process import Process

_CAP_NET_ADMIN = 12
_SEES = "CAP_SYS_PTRACE"
_READS = "CAP_DAC_READ_SEARCH, to list the descriptors of another user's process"
_ENTERS = "CAP_SYS_ADMIN, to list the sockets of its network namespace"


class RightsError(PjkaError):
    """A right is missing; ``expected`` names the capabilities."""


def check(process: Process) -> None:
    """Try what attaching needs on the process, without changing anything.

    Raises RightsError, which names all that is missing.
    """
    missing = []
    if not _may_duplicate(process):
        missing.append(_SEES)
    if not _may_read(process.pid):
        missing.append(_READS)
    if not _may_list(process):
        missing.append(_ENTERS)
    if missing:
        raise _error(process.pid, missing)


def denied(pid: int) -> RightsError:
    """The error for a process of which not even the program may be seen."""
    return _error(pid, [_SEES] if _may_read(pid) else [_SEES, _READS])


def may_kill() -> bool:
    """Whether connections can be ended from here: CAP_NET_ADMIN."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False


def _error(pid: int, missing: list[str]) -> RightsError:
    return RightsError(f"not permitted to look into process {pid}", expected=" and ".join(missing))


def _may_read(pid: int) -> bool:
    """Whether ``/proc/PID/fd``, which only its owner may read, opens: no matter of ptrace (proc(5))."""
    try:
        os.close(os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except PermissionError:
        return False
    except FileNotFoundError:
        pass  # it has ended, which is told elsewhere
    return True


def _may_duplicate(process: Process) -> bool:
    """Whatever the descriptor: the kernel looks at the right before it looks for that, pidfd_getfd(2)."""
    try:
        with process.duplicate(0, 0):
            pass
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            return False
        if error.errno != errno.EBADF:
            raise
    return True


def _may_list(process: Process) -> bool:
    try:
        process.in_network(Diagnostics).close()
        process.in_network(Endings).close()
    except PermissionError:
        return False
    return True
