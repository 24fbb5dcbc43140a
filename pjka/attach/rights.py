"""What this process may do to another, found out before anything is changed."""

from __future__ import annotations

import errno
from pathlib import Path

from pjka.errors import PjkaError
from pjka.linux.connections import Diagnostics, Endings
from pjka.linux.process import Process

_CAP_NET_ADMIN = 12
_SEES = "CAP_SYS_PTRACE (and, where the process runs as another user, root or that user)"
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
    if not _may_list(process):
        missing.append(_ENTERS)
    if missing:
        raise RightsError(f"not permitted to look into process {process.pid}", expected=" and ".join(missing))


def denied(pid: int) -> RightsError:
    """The error for a process of which not even the program may be seen."""
    return RightsError(f"not permitted to look into process {pid}", expected=_SEES)


def may_kill() -> bool:
    """Whether connections can be ended from here: CAP_NET_ADMIN."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False


def _may_duplicate(process: Process) -> bool:
    try:
        sockets = process.sockets()
        for inode, fd in [*sockets.items()][:1]:
            with process.duplicate(fd, inode):
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
