"""Log lines: one per event, ``key=value`` or JSON, with priorities for journald and repeats held back.

The parts of pjka log through ``logging``; the message is the event's name, in kebab case, and its particulars
go along as fields::

    _log.warning("connection-down", extra=fields(serial=7, peer="192.0.2.7:5062", cause="keepalive"))
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TextIO

from pjka.repeats import Held, Repeats
from pjka.text import printable

_PRIORITIES: Final = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
_EVENT: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_BARE: Final = re.compile(r"[^\s\"=\\]+")
_NUMBERS: Final = re.compile(r"0x[0-9a-f]+|[0-9]+")
_EXCEPTIONS: Final = logging.Formatter()


#: Events that an operator should look at; all others are for information.
_LEVELS: Final = {
    "configuration-kept": logging.ERROR,
    "connection-down": logging.WARNING,
    "detached": logging.WARNING,
    "drift": logging.WARNING,
    "listeners-paused": logging.WARNING,
    "pbx-silent": logging.WARNING,
    "pings-compete": logging.WARNING,
    "transport-failed": logging.ERROR,
}
#: Causes of death that are nobody's fault.
_ORDINARY: Final = frozenset({"peer-closed", "closed", "killed", "process-gone"})


class Members(Protocol):
    """What knows its own members, an event for one."""

    def to_json(self) -> Mapping[str, object]:
        """The members of a JSON object."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How to log; ``journal`` puts ``<N>`` priorities, sd-daemon(3), where otherwise time and level are."""

    level: int = logging.INFO
    json: bool = False
    journal: bool = False


def fields(**values: object) -> dict[str, object]:
    """The ``extra`` of a logging call that gives its line these fields, in this order."""
    return {"fields": values}


def key_values(members: Iterable[tuple[str, object]]) -> str:
    """``serial=7 peer=192.0.2.7:5062``, escaped; a value with blanks, quotes or ``=`` is quoted."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in members)


def log_event(event: Members) -> None:
    """Log an event of pjka as a line: a subscriber for ``pjka.events``."""
    members = dict(event.to_json())
    name, _ = str(members.pop("event")), members.pop("at", None)
    changes = members.get("changes")
    if isinstance(changes, list):
        members["changes"] = len(changes)
    logging.getLogger("pjka").log(_level(name, members), name, extra=fields(**members))


def _level(name: str, members: Mapping[str, object]) -> int:
    if name == "connection-down" and members.get("cause") in _ORDINARY:
        return logging.INFO
    if name == "applied" and members.get("unmet"):
        return logging.WARNING
    return _LEVELS.get(name, logging.INFO)


def under_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream is the journal's: JOURNAL_STREAM has its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


@contextlib.contextmanager
def configured(settings: LogSettings, stream: TextIO) -> Iterator[None]:
    """Log everything to the stream, what escapes from a thread too; afterwards all is as it was before."""
    root, level, hook = logging.getLogger(), logging.getLogger().level, threading.excepthook
    handler = EventHandler(stream, Repeats(), time.monotonic)
    head = priority if settings.journal else no_head if settings.json else stamp
    handler.setFormatter(JsonFormatter(head) if settings.json else KeyValueFormatter(head))
    root.addHandler(handler)
    root.setLevel(settings.level)
    threading.excepthook = _log_thread_exception
    try:
        yield
    finally:
        threading.excepthook = hook
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def stamp(record: logging.LogRecord) -> str:
    """The local time to the millisecond with its offset, and the level."""
    moment = datetime.fromtimestamp(record.created).astimezone()
    return f"{moment.isoformat(timespec='milliseconds')} {record.levelname:<7} "


def priority(record: logging.LogRecord) -> str:
    """The level as journald reads it, ``<3>`` for an error; the journal adds the time itself."""
    return f"<{_PRIORITIES.get(record.levelno, 6)}>"


def no_head(_: logging.LogRecord) -> str:
    """Nothing."""
    return ""


class KeyValueFormatter(logging.Formatter):
    """``connection-down serial=7 peer=192.0.2.7:5062``: the event and then the fields."""

    def __init__(self, head: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._head = head

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        first, *rest = _members(record)
        line = str(first[1]) if first[0] == "event" else key_values([first])
        return self._head(record) + f"{line} {key_values(rest)}".rstrip()


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``at`` (s since the epoch), ``level``, ``logger``, then event and fields."""

    def __init__(self, head: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._head = head

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        members = {"at": record.created, "level": record.levelname.lower(), "logger": record.name}
        members |= {key: _finite(value) for key, value in _members(record)}
        return self._head(record) + json.dumps(members, default=str, separators=(",", ":"))


class EventHandler(logging.StreamHandler[TextIO]):
    """Writes lines; of a kind that comes too often, the first ones and later how many more there were."""

    def __init__(self, stream: TextIO, repeats: Repeats, clock: Callable[[], float]) -> None:
        super().__init__(stream)
        self._repeats = repeats
        self._clock = clock
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it; called with the handler's lock held."""
        try:
            kind = _kind(record)
        except (TypeError, ValueError, KeyError):  # arguments that do not fit the message
            return self.handleError(record)
        now = self._clock()
        self._report(self._repeats.due(now))
        if self._repeats.admit(kind, now):
            super().emit(record)
        elif self._timer is None:
            self._wait()
        return None

    def close(self) -> None:
        """Write the counts that are still held."""
        with self.lock or contextlib.nullcontext():
            if self._timer is not None:
                self._timer.cancel()
            self._report(self._repeats.due(math.inf))
        super().close()

    def _wait(self) -> None:
        self._timer = threading.Timer(self._repeats.window, self._window_over)
        self._timer.daemon = True
        self._timer.start()

    def _window_over(self) -> None:
        with self.lock or contextlib.nullcontext():
            self._report(self._repeats.due(self._clock()))
            self._timer = None
            if self._repeats.holding:
                self._wait()

    def _report(self, counts: list[Held]) -> None:
        for held in counts:
            name, level, event, *_ = held.kind
            record = logging.LogRecord(str(name), int(level), "", 0, "repeated", None, None)
            record.__dict__.update(fields(of=event, count=held.count))
            super().emit(record)


def _kind(record: logging.LogRecord) -> tuple[str | int, ...]:
    """What makes two lines repeats of one another: all but numbers, and the fields that tell peers apart."""
    values = getattr(record, "fields", {})
    message = _NUMBERS.sub("#", record.getMessage())
    return (
        record.name,
        record.levelno,
        message,
        str(values.get("transport", "")),
        str(values.get("cause", "")),
    )


def _members(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    message = record.getMessage()
    yield "event" if _EVENT.fullmatch(message) else "message", message
    yield from getattr(record, "fields", {}).items()
    if record.exc_info:
        yield "exception", _EXCEPTIONS.formatException(record.exc_info)


def _quoted(value: object) -> str:
    text = _text(value)
    if _BARE.fullmatch(text) and text.isprintable():
        return text
    return '"' + printable(text).replace('"', '\\"') + '"'


def _text(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _log_thread_exception(failure: threading.ExceptHookArgs) -> None:
    thread = failure.thread.name if failure.thread else "unknown"
    log = logging.getLogger(__name__)
    log.error("thread-failed", extra=fields(thread=thread), exc_info=failure.exc_value)
