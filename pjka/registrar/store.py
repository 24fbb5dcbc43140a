"""The bindings on disk, so that a restart loses none, not even after ``kill -9`` or a power cut.

SQLite runs on a thread of its own: the reactor hands over what changed and goes on, and is told when it is
safe. What was handed over meanwhile becomes one transaction.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from pjka.errors import PjkaError
from pjka.registrar.bindings import Binding

logger = logging.getLogger(__name__)

_VERSION = 1
_SCHEMA = """
create table if not exists binding (
  aor text not null, key text not null, uri text not null, target text not null, expires real not null,
  call_id text not null, cseq integer not null, since real not null, endpoint text not null,
  user_agent text not null, path text not null, instance_id text not null, reg_id integer,
  flow integer not null, primary key (aor, key)) without rowid
"""
_COLUMNS = "uri, target, expires, call_id, cseq, since, endpoint, user_agent, path, instance_id, reg_id, flow"


@dataclass(frozen=True, slots=True)
class Put:
    """A binding of an AOR is new or has changed."""

    aor: str
    binding: Binding


@dataclass(frozen=True, slots=True)
class Delete:
    """A binding of an AOR is gone."""

    aor: str
    key: str


Change = Put | Delete
Done = Callable[[str], object]
"""Called from the store's thread once a change is on disk, or with what went wrong."""

_Job = tuple[tuple[Change, ...], Done]


class Store:
    """The database file at ``path``; PjkaError if it cannot be opened or is not ours."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._database = self._open()
        self._thread = threading.Thread(target=self._work, name="pjka-store", daemon=True)
        self._thread.start()

    def read(self, now: float) -> list[tuple[str, Binding]]:
        """All bindings that have not expired, with their AORs; to be called before anything is written."""
        rows = self._database.execute(
            f"select aor, {_COLUMNS} from binding where expires > ? order by aor, since", (now,)
        )
        return [(row[0], _binding(row[1:])) for row in rows]

    def write(self, changes: Iterable[Change], done: Done) -> None:
        """Write these together, and call ``done`` on the store's thread; never blocks."""
        self._jobs.put((tuple(changes), done))

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        self._jobs.put(None)
        self._thread.join(10)

    def _open(self) -> sqlite3.Connection:
        try:
            if isinstance(self.path, Path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5)
            version = database.execute("pragma user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise PjkaError(f"written by another version of pjka ({version})", file=str(self.path))
            for statement in ("pragma journal_mode=wal", "pragma synchronous=full", _SCHEMA):
                database.execute(statement)
            database.execute(f"pragma user_version={_VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise PjkaError(f"registrations cannot be kept: {error}", file=str(self.path)) from error
        return database

    def _work(self) -> None:
        with closing(self._database):
            while jobs := self._next():
                ending = None in jobs
                self._commit([job for job in jobs if job is not None])
                if ending:
                    return

    def _next(self) -> list[_Job | None]:
        """What waits, at least one."""
        jobs = [self._jobs.get()]
        try:
            while jobs[-1] is not None and len(jobs) < 1000:
                jobs.append(self._jobs.get_nowait())
        except Empty:
            pass
        return jobs

    def _commit(self, jobs: list[_Job]) -> None:
        problem = ""
        try:
            self._database.execute("begin immediate")
            for changes, _ in jobs:
                for change in changes:
                    self._apply(change)
            self._database.execute("commit")
        except sqlite3.Error as error:
            problem = str(error)
            logger.error("registrations are not kept: %s", problem)
            if self._database.in_transaction:
                self._database.execute("rollback")
        for _, done in jobs:
            done(problem)

    def _apply(self, change: Change) -> None:
        if isinstance(change, Delete):
            self._database.execute("delete from binding where aor = ? and key = ?", (change.aor, change.key))
            return
        each = change.binding
        values = (
            each.uri,
            each.target,
            each.expires,
            each.call_id,
            each.cseq,
            each.since,
            each.endpoint,
            each.user_agent,
            json.dumps(each.path),
            each.instance_id,
            each.reg_id,
            each.flow,
        )
        marks = ", ".join("?" * (2 + len(values)))
        self._database.execute(
            f"insert or replace into binding (aor, key, {_COLUMNS}) values ({marks})",
            (change.aor, each.key, *values),
        )


def _binding(row: tuple[object, ...]) -> Binding:
    (uri, target, expires, call_id, cseq, since, endpoint, user_agent, path, instance_id, reg_id, flow) = row
    return Binding(
        uri=str(uri),
        target=str(target),
        expires=float(str(expires)),
        call_id=str(call_id),
        cseq=int(str(cseq)),
        since=float(str(since)),
        endpoint=str(endpoint),
        user_agent=str(user_agent),
        path=tuple(json.loads(str(path))),
        instance_id=str(instance_id),
        reg_id=None if reg_id is None else int(str(reg_id)),
        flow=bool(flow),
    )
