"""Switching the CRLF pings of an Asterisk off, where it was allowed."""

from __future__ import annotations

from pathlib import Path

from pjka.attach.events import PingsOff
from pjka.attach.session import Session
from pjka.conf.files import inside
from pjka.errors import PjkaError
from pjka.fix import crlf_off
from pjka.keepalive.policy import Mechanism
from pjka.rewrite import rewrite


def pings_off(session: Session) -> list[PingsOff]:
    """Write ``keep_alive_interval=0`` into the configuration of the PBX; what was written, none if it is 0.

    Raises PjkaError where some transport has nothing but these pings, or the file cannot be edited.
    """
    needed = [name for name, one in session.plan.policies.items() if one.mechanism is Mechanism.CRLF]
    if needed:
        raise PjkaError(f"transport {needed[0]} has no other keep-alive", option="--crlf-off")
    changes = crlf_off(session.source.path, session.source.root)
    for change in changes:
        _check_place(session, change.file)
    backups: list[Path] = rewrite(changes, session.source.root)
    return [
        PingsOff(file=change.file, backup=backup.name)
        for change, backup in zip(changes, backups, strict=True)
    ]


def _check_place(session: Session, file: str) -> None:
    """A file that is mounted by itself, as containers have it, must not be replaced: its mount would end."""
    root = session.source.root
    where = file if root is None else f"/{inside(root, file).relative_to(root)}"
    if where in session.process.mount_points():
        raise PjkaError(
            "keep_alive_interval is not set to 0: the file is mounted by itself",
            file=file,
            expected="an edit where it comes from (pjka check --fix), or the directory mounted instead",
        )
