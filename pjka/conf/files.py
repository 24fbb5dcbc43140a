"""Whether the files that a configuration names can be read, seen from the root directory of the PBX."""

from __future__ import annotations

import errno
import os
import pwd
from enum import Enum
from pathlib import Path
from typing import Final

_MAX_LINKS: Final = 40


class FileState(Enum):
    """What is known of a file."""

    READABLE = "readable"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    """This process may not read it, or not even see it; another may."""
    UNKNOWN = "unknown"
    """A relative name: it depends on the directory in which the PBX was started."""


def inside(root: Path | None, path: str) -> Path:
    """``path`` as a process sees it whose root directory is ``root``: its symbolic links lead nowhere else.

    Raises OSError for a loop of links or a directory that may not be read.
    """
    if root is None:
        return Path(path)
    current, links = root, 0
    pending = list(reversed(Path("/", path).parts[1:]))
    while pending:
        part = pending.pop()
        step = (
            current
            if part == ".." and current == root
            else current.parent
            if part == ".."
            else current / part
        )
        if not step.is_symlink():
            current = step
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = step.readlink()
        current = root if target.is_absolute() else current
        pending.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
    return current


def current_user() -> str:
    """Who this process is to the file system, for a message."""
    number = os.geteuid()
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"


def state(root: Path | None, path: str) -> FileState:
    """Whether this process can read ``path`` of the tree below ``root``."""
    if not path.startswith("/"):
        return FileState.UNKNOWN
    try:
        where = inside(root, path)
        where.stat()
    except PermissionError:
        return FileState.FORBIDDEN
    except (OSError, ValueError):
        return FileState.MISSING
    return FileState.READABLE if os.access(where, os.R_OK, effective_ids=True) else FileState.FORBIDDEN
