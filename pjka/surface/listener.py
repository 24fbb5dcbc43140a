"""The Unix socket that the control server listens on: private, one owner at a time, stale files replaced."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import Final

from pjka.errors import PjkaError

#: Bytes of a path that fit into ``sockaddr_un``, without the zero at its end (unix(7)).
PATH_LIMIT: Final = 107
#: Clients that wait to be accepted; a client that finds the queue full cannot connect.
BACKLOG: Final = 512
_PROBE_SECONDS: Final = 1.0


class ListenError(PjkaError):
    """The control socket cannot be opened; ``value`` is its path."""


class ControlListener:
    """A listening socket of mode 0600, owned until ``close``.

    A lock on ``PATH.lock`` makes the owner unique: the kernel lets go of it however the owner ends, so a
    socket file left behind by ``kill -9`` is known to be stale. A path that is no socket is never replaced.
    """

    def __init__(self, path: Path) -> None:
        """Open the socket; raises ListenError if another pjka has it, or if the path is of no use."""
        if len(os.fsencode(path)) > PATH_LIMIT:
            raise _refused(path, f"the path is longer than {PATH_LIMIT} bytes")
        self.path = path
        with contextlib.ExitStack() as undo:
            try:
                path.parent.mkdir(mode=0o700, exist_ok=True)
                self._lock = _lock(path)
                undo.callback(os.close, self._lock)
                _remove_stale(path)
                self.socket = _bound(path)
            except OSError as error:
                raise _refused(path, error.strerror or str(error)) from error
            undo.pop_all()
        self._inode = path.stat().st_ino

    def close(self) -> None:
        """Remove the socket file, unless someone replaced it, and let go of the lock."""
        self.socket.close()
        try:
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
        except FileNotFoundError:
            pass
        os.close(self._lock)


def _refused(path: Path, why: str) -> ListenError:
    return ListenError(f"cannot listen on control socket {path}: {why}", value=str(path))


def _lock(path: Path) -> int:
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise _refused(path, "another pjka is running with it") from error
    return lock


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _refused(path, "it exists and is not a socket")
    if _answers(path):
        raise _refused(path, "another program is listening on it")
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except (TimeoutError, BlockingIOError):
            pass  # its queue is full: it lives
    return True


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The file takes its mode from the socket: there is no moment at which others could connect.
    os.fchmod(listener.fileno(), 0o600)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
