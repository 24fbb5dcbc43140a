"""The registered contacts in ``astdb.sqlite3``, for a PBX whose manager interface is closed to us.

Asterisk keeps them as JSON under ``/registrar/contact/ID`` (res_sorcery_astdb.c), and deletes an expired
one only at its next sweep.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pjka.errors import PjkaError
from pjka.pbx.contacts import PbxContact

_PREFIX = "/registrar/contact/"
_QUERY = "SELECT key, value FROM astdb WHERE key >= ? AND key < ?"


class AstdbError(PjkaError):
    """The database is not there, or not Asterisk's."""


def contacts(path: Path, now: float) -> list[PbxContact]:
    """The contacts that have not expired at ``now`` (seconds since the epoch); raises AstdbError.

    The file is read as it is, without a lock that Asterisk would have to wait for: what is written to it at
    that moment makes it unreadable at worst, and it is read again later. (SQLite itself cannot open a file
    below ``/proc/PID/root``, whose path it resolves in our own file system.)
    """
    try:
        image = path.read_bytes() or b"empty"  # SQLite takes no bytes at all for a lack of memory
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(image)
            rows = database.execute(_QUERY, (_PREFIX, _PREFIX[:-1] + "0")).fetchall()
    except (OSError, sqlite3.Error) as error:
        raise AstdbError(f"cannot read Asterisk's database: {error}", file=str(path)) from error
    return [one for key, value in rows for one in _contact(str(key)[len(_PREFIX) :], value, now)]


def _contact(identifier: str, value: object, now: float) -> Iterator[PbxContact]:
    try:
        members = json.loads(value) if isinstance(value, str | bytes) else None
    except ValueError:
        return
    if not isinstance(members, dict) or not isinstance(members.get("uri"), str):
        return
    expires = _number(members.get("expiration_time"))
    if expires is not None and expires <= now:
        return
    yield PbxContact(
        aor=identifier.split(";@", 1)[0],
        uri=members["uri"],
        endpoint=str(members.get("endpoint") or ""),
        via_host=str(members.get("via_addr") or ""),
        via_port=int(_number(members.get("via_port")) or 0),
        user_agent=str(members.get("user_agent") or ""),
        expires=expires,
    )


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None
