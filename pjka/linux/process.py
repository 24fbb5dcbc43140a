"""Another process: who it is, whether it still is that, its descriptors and its network namespace.

A pid alone says little: it can be reused, and an exec puts another program behind it. A `Process` holds a
pidfd (pidfd_open(2)), which belongs to one process for good, and remembers what an exec changes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")

_PIDFD_GETFD = 438
_CLONE_NEWNET = 0x40000000
# positions in /proc/PID/stat after the program's name: fields 22 and 28 of proc(5), counted from field 3
_START_TIME, _START_STACK = 19, 25

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_uint)
_syscall.restype = ctypes.c_long


class Process:
    """A running process; OSError (ESRCH, EPERM) from the constructor where there is none to be had.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._exit = select.poll()
        self._exit.register(self._pidfd, select.POLLIN)
        try:
            self._image = self._read_image()
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the process."""
        os.close(self._pidfd)

    def fileno(self) -> int:
        """The pidfd, readable once the process has ended."""
        return self._pidfd

    def alive(self) -> bool:
        """Whether the process has not ended; another one with its pid does not count."""
        return not self._exit.poll(0)

    def ending(self) -> bool:
        """Whether it has ended or is about to: the kernel takes its descriptors away before it says so."""
        try:
            with os.scandir(f"/proc/{self.pid}/fd") as entries:
                return next(entries, None) is None or not self.alive()
        except FileNotFoundError:
            return True

    def replaced(self) -> bool:
        """Whether the process has since become another program, or itself anew, by an exec."""
        try:
            return self.alive() and self._read_image() != self._image
        except OSError:
            return False

    def root(self) -> Path:
        """The root directory as the process sees it (proc(5), ``/proc/PID/root``)."""
        return Path(f"/proc/{self.pid}/root")

    def program(self) -> str:
        """The name of its program file, "" once it has ended."""
        try:
            return os.path.basename(os.readlink(f"/proc/{self.pid}/exe")).removesuffix(" (deleted)")
        except OSError:
            return ""

    def command(self) -> list[str]:
        """Its command line; none once it has ended."""
        try:
            text = Path(f"/proc/{self.pid}/cmdline").read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return []
        return text.split("\0")[:-1]

    def opened(self) -> tuple[int, int]:
        """How many TCP connections were opened and accepted in its network namespace since that was made.

        From RFC 4022's tcpActiveOpens and tcpPassiveOpens in ``/proc/PID/net/snmp``: it costs far less to
        read than the list of connections, and tells when that is worth looking at.
        """
        text = Path(f"/proc/{self.pid}/net/snmp").read_text()
        names, values = (line.split() for line in text.splitlines() if line.startswith("Tcp:"))
        counters = dict(zip(names, values, strict=True))
        return int(counters["ActiveOpens"]), int(counters["PassiveOpens"])

    def sockets(self, known: Container[int] = ()) -> dict[int, int]:
        """Map the inode of each socket it has open to a descriptor, of those that are not ``known``.

        OSError (EACCES) of another user's process without CAP_DAC_READ_SEARCH.
        """
        directory = os.open(f"/proc/{self.pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fds = [int(name) for name in os.listdir(directory)]
            links = ((_link(directory, fd), fd) for fd in fds if fd not in known)
            return {int(link[8:-1]): fd for link, fd in links if link.startswith("socket:[")}
        finally:
            os.close(directory)

    @contextmanager
    def duplicate(self, fd: int, inode: int) -> Iterator[int]:
        """A duplicate of the socket ``inode``, which it has open as ``fd``, closed again at the end.

        By pidfd_getfd(2). Never keep one: it would hold the connection open after the process has closed it.
        OSError EPERM without CAP_SYS_PTRACE, EBADF where ``fd`` is closed or by now something else, ESRCH
        where the process has ended.
        """
        copy = _syscall(_PIDFD_GETFD, self._pidfd, fd, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            if os.fstat(copy).st_ino != inode:
                raise OSError(errno.EBADF, f"descriptor {fd} is another file by now")
            yield copy
        finally:
            os.close(copy)

    def in_network(self, make: Callable[[], T]) -> T:
        """Call ``make`` in its network namespace: a netlink socket stays in the one that it was made in.

        OSError EPERM without CAP_SYS_ADMIN, which is needed only where the namespace is not ours.
        """
        theirs = f"/proc/{self.pid}/ns/net"
        if os.path.samefile(theirs, "/proc/self/ns/net"):
            return make()
        return in_namespace(theirs, make)

    def _read_image(self) -> tuple[str, ...]:
        fields = _stat(self.pid)
        program = os.readlink(f"/proc/{self.pid}/exe")
        return program, fields[_START_TIME], fields[_START_STACK]


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none with this pid.

    The two together belong to one process for as long as the machine is up.
    """
    try:
        return int(_stat(pid)[_START_TIME])
    except OSError:
        return None


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third on (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return stat[stat.rindex(")") + 2 :].split()


def _link(directory: int, fd: int) -> str:
    try:
        return os.readlink(str(fd), dir_fd=directory)
    except FileNotFoundError:
        return ""


def in_namespace(path: str, make: Callable[[], T]) -> T:
    """A thread of its own enters the namespace and ends there, so that no other code ever runs in it."""
    results: list[T] = []
    errors: list[OSError] = []

    def run() -> None:
        try:
            _enter(path)
            results.append(make())
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="pjka-namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _enter(path: str) -> None:
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    finally:
        os.close(namespace)
