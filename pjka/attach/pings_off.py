"""Switching the CRLF pings of an Asterisk off, where it was allowed."""

from __future__ import annotations

from pjka.attach.events import PingsOff
from pjka.attach.session import Session
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
    backups = rewrite(changes, session.source.root)
    return [
        PingsOff(file=change.file, backup=backup.name)
        for change, backup in zip(changes, backups, strict=True)
    ]
