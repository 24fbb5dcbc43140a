"""Replacing the content of files: with a backup, never half, and without losing what another wrote meanwhile.

Backups and temporary files begin with a dot, so that no ``#include`` with a pattern picks them up.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from pjka.conf.files import inside
from pjka.errors import PjkaError


class RewriteError(PjkaError):
    """A file was not written; none was."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file with the content that it is expected to have, and the one that it is to get."""

    file: str
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class _Prepared:
    change: Change
    path: Path
    replacement: Path
    state: tuple[int, int, int]


def rewrite(changes: Sequence[Change], root: Path | None = None) -> list[Path]:
    """Write all changes and return the backups, in that order.

    Each file keeps its mode, owner and extended attributes and is replaced in one step; what a symbolic link
    leads to is replaced, not the link. With ``root`` the files are those of a process whose root directory
    it is. Raises :class:`RewriteError`, with everything as it was, if one of them has changed meanwhile,
    cannot be written, or is mounted by itself, as containers have it.
    """
    prepared: list[_Prepared] = []
    try:
        prepared += (_prepare(change, root) for change in changes)
        return _replace(prepared)
    finally:
        for one in prepared:
            one.replacement.unlink(missing_ok=True)


def _prepare(change: Change, root: Path | None) -> _Prepared:
    try:
        path = inside(root, change.file).resolve() if root is None else inside(root, change.file)
        state = _unchanged(change, path)
        _check_mount(change, path)
        return _Prepared(change, path, _written(change.after, path), state)
    except OSError as error:
        raise RewriteError(f"cannot be written: {error.strerror}", file=change.file) from error


def _replace(prepared: Sequence[_Prepared]) -> list[Path]:
    backups: list[Path] = []
    try:
        for one in prepared:
            if _unchanged(one.change, one.path) != one.state:
                raise RewriteError("has changed meanwhile", file=one.change.file)
            backups.append(_backup(one.path))
            os.replace(one.replacement, one.path)
            _sync(one.path.parent)
    except (OSError, RewriteError) as error:
        _restore(prepared, backups)
        if isinstance(error, RewriteError):
            raise
        raise RewriteError(f"cannot be written: {error.strerror}") from error
    return backups


def _restore(prepared: Sequence[_Prepared], backups: Sequence[Path]) -> None:
    for one, backup in zip(prepared, backups, strict=False):
        os.replace(backup, one.path)
        # still there if the file was never replaced: then both are names of one file, and nothing was renamed
        backup.unlink(missing_ok=True)


def _unchanged(change: Change, path: Path) -> tuple[int, int, int]:
    """What tells this state of the file from a later one; raises if it is not the expected one."""
    if path.read_bytes() != change.before:
        raise RewriteError("has changed meanwhile", file=change.file)
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _check_mount(change: Change, path: Path) -> None:
    """A mount point cannot be replaced: here that fails, from another mount namespace it ends the mount."""
    if _mount(path) != _mount(path.parent):
        raise RewriteError(
            "not written: the file is mounted by itself",
            file=change.file,
            expected="an edit where it comes from, or its directory mounted instead",
        )


def _mount(path: Path) -> str:
    """What tells the mount a path is on (proc(5), ``/proc/PID/fdinfo``), "" where the system does not say."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return ""
    finally:
        os.close(descriptor)
    return next((line for line in lines if line.startswith("mnt_id:")), "")


def _written(content: bytes, path: Path) -> Path:
    """A new file beside ``path``, with its mode, owner and attributes."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    replacement = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            _copy_attributes(path, file.fileno())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        replacement.unlink()
        raise
    return replacement


def _copy_attributes(path: Path, descriptor: int) -> None:
    model, made = path.stat(), os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (model.st_uid, model.st_gid):
        os.fchown(descriptor, model.st_uid, model.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode))
    for name in _attributes(path):
        # a label that only the administrator may set is left to the system; an access list is not
        with suppress(PermissionError) if name.startswith("security.") else nullcontext():
            os.setxattr(descriptor, name, os.getxattr(path, name))


def _attributes(path: Path) -> list[str]:
    try:
        return os.listxattr(path)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def _backup(path: Path) -> Path:
    """A second name for the old file, which its replacement leaves alone."""
    for number in itertools.count(1):
        backup = path.with_name(f".{path.name}.bak{number}")
        try:
            _keep(path, backup)
        except FileExistsError:
            continue
        return backup
    raise AssertionError("count() does not end")


def _keep(path: Path, backup: Path) -> None:
    try:
        os.link(path, backup)
    except FileExistsError:
        raise
    except OSError:
        # this file system has no hard links, or they are for the owner only
        with backup.open("xb"):
            shutil.copy2(path, backup)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
