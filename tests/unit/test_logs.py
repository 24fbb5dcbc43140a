"""Log lines: their form, their escapes, their priorities, and what becomes of repeats."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pjka.events import ConnectionDown, Drift, Event, ListenersResumed, TransportFailed
from pjka.logs import (
    EventHandler,
    JsonFormatter,
    KeyValueFormatter,
    LogSettings,
    configured,
    fields,
    log_event,
    no_head,
    priority,
    stamp,
    under_journal,
)
from pjka.repeats import Held, Repeats
from pjka.status import Cause
from pjka.text import printable

PLACE = {
    "serial": 7,
    "transport": "phones",
    "protocol": "tcp",
    "direction": "incoming",
    "local": "192.0.2.1:5060",
    "peer": "192.0.2.7:5060",
    "age": 12.5,
}


def record(
    message: str = "connection-down", level: int = logging.WARNING, **values: object
) -> logging.LogRecord:
    made = logging.LogRecord("pjka.module", level, __file__, 1, message, None, None)
    made.created = 1_700_000_000.125
    made.__dict__.update(fields(**values))
    return made


def line(made: logging.LogRecord) -> str:
    return KeyValueFormatter(no_head).format(made)


def test_event_comes_first_and_its_fields_in_the_order_given() -> None:
    made = record(serial=7, transport="phones", peer="[2001:db8::7]:5060", age=12.5)
    assert line(made) == "connection-down serial=7 transport=phones peer=[2001:db8::7]:5060 age=12.5"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("\x1b[31mred", r'"\x1b[31mred"'),
        ("line\nbreak", r'"line\nbreak"'),
        ("\u202egpj.exe", r'"\u202egpj.exe"'),
        ("\ud800", r'"\ud800"'),
        ("Zürich", "Zürich"),
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        (0.000438, "0.000438"),
        (3.0, "3"),
        (("a", "b"), '"a, b"'),
    ],
)
def test_value_is_escaped_and_quoted_where_needed(value: object, text: str) -> None:
    assert line(record("x", value=value)) == f"x value={text}"


def test_text_that_is_no_event_name_is_a_quoted_message() -> None:
    assert line(record("Error: bad\r\nthing")) == r'message="Error: bad\r\nthing"'


@given(st.text(), st.text())
def test_line_is_always_one_printable_line(message: str, value: str) -> None:
    assert line(record(message.replace("%", ""), value=value)).isprintable()


@given(st.text())
def test_printable_is_reversible(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    raw = "".join(c if ord(c) < 128 else f"\\U{ord(c):08x}" for c in shown)
    assert raw.encode("ascii").decode("unicode_escape") == text


def test_exception_stays_on_the_line() -> None:
    made = record("thread-failed")
    try:
        raise ValueError("no\ngood")
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    text = line(made)
    assert "\n" not in text
    assert r"ValueError: no\ngood" in text


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        (logging.DEBUG, "<7>"),
        (logging.INFO, "<6>"),
        (logging.WARNING, "<4>"),
        (logging.ERROR, "<3>"),
        (logging.CRITICAL, "<2>"),
        (25, "<6>"),
    ],
)
def test_journal_priority(level: int, prefix: str) -> None:
    assert KeyValueFormatter(priority).format(record("x", level)) == f"{prefix}x"


def test_stamp_has_milliseconds_offset_and_level(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stamp(record()).split("T")[1][2:].startswith(":13:20.125")
    assert stamp(record()).endswith("WARNING ")


def test_json_line_has_the_fields_with_their_types() -> None:
    text = JsonFormatter(no_head).format(record(serial=7, rtt=None, age=float("inf"), peer="\x1b"))
    assert json.loads(text) == {
        "at": 1_700_000_000.125, "level": "warning", "logger": "pjka.module", "event": "connection-down",
        "serial": 7, "rtt": None, "age": None, "peer": "\x1b",
    }  # fmt: skip
    assert text.isascii()
    assert "\x1b" not in text


def test_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert under_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not under_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not under_journal(stream, {})
    assert not under_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ConnectionDown(cause=Cause.KEEPALIVE, **PLACE), "<4>connection-down serial=7 transport=phones"),
        (ConnectionDown(cause=Cause.PEER_CLOSED, **PLACE), "<6>connection-down serial=7 transport=phones"),
        (TransportFailed(transport="phones", problem="port in use"), "<3>transport-failed transport=phones"),
        (
            Drift(serial=7, transport="t", peer="p", drift=("idle: wanted 3",), mended=True),
            "<4>drift serial=7",
        ),
        (ListenersResumed(paused=1.5), "<6>listeners-resumed paused=1.5"),
    ],
    ids=lambda value: value.name if isinstance(value, Event) else "",
)
def test_event_is_a_line_of_its_level(event: Event, text: str, stream: io.StringIO) -> None:
    with configured(LogSettings(journal=True), stream):
        log_event(event)
    assert stream.getvalue().startswith(text)
    assert " at=" not in stream.getvalue()


# Repeats, with a numbered clock


def test_repeats_let_the_first_ones_through_and_count_the_rest() -> None:
    repeats = Repeats(limit=2, window=10)
    assert [repeats.admit(("a",), t) for t in (0, 1, 2, 3, 4)] == [True, True, False, False, False]
    assert repeats.holding
    assert repeats.due(9.9) == []
    assert repeats.due(10) == [Held(("a",), 3)]
    assert not repeats.holding
    assert repeats.admit(("a",), 10)


def test_repeats_keep_kinds_apart() -> None:
    repeats = Repeats(limit=1, window=10)
    assert repeats.admit(("a",), 0)
    assert repeats.admit(("b",), 0)
    assert not repeats.admit(("a",), 0)


def test_repeats_say_nothing_of_a_window_that_held_nothing() -> None:
    repeats = Repeats(limit=1, window=10)
    repeats.admit(("a",), 0)
    assert repeats.due(99) == []


def test_repeats_remember_a_bounded_number_of_kinds() -> None:
    repeats = Repeats(limit=1, window=10)
    reported = []
    for number in range(5000):
        for _ in range(2):
            repeats.admit((number,), 0)
        reported += repeats.due(0)
    assert len(reported) == 4000
    assert len(repeats.due(11)) == 1000


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def handler(clock: Clock, stream: io.StringIO) -> Iterator[EventHandler]:
    made = EventHandler(stream, Repeats(limit=2, window=3600), clock)
    made.setFormatter(KeyValueFormatter(priority))
    yield made
    made.close()


def test_handler_writes_the_count_at_the_next_line_after_the_window(
    handler: EventHandler, clock: Clock, stream: io.StringIO
) -> None:
    for port in range(1000):
        handler.handle(record(peer=f"192.0.2.7:{port}", transport="phones"))
    clock.now = 3600
    handler.handle(record("reloaded", logging.INFO))
    assert stream.getvalue().splitlines() == [
        "<4>connection-down peer=192.0.2.7:0 transport=phones",
        "<4>connection-down peer=192.0.2.7:1 transport=phones",
        "<4>repeated of=connection-down count=998",
        "<6>reloaded",
    ]


def test_handler_takes_numbers_in_foreign_text_for_repeats(
    handler: EventHandler, stream: io.StringIO
) -> None:
    for number in range(5):
        handler.handle(record(f"tcpc0x7ff{number} error {number}"))
    assert len(stream.getvalue().splitlines()) == 2


def test_handler_keeps_foreign_texts_apart(handler: EventHandler, stream: io.StringIO) -> None:
    for text in ("bind error", "TLS error") * 3:
        made = record("%s")
        made.args = (text,)
        handler.handle(made)
    assert len(stream.getvalue().splitlines()) == 4


def test_handler_keeps_causes_and_transports_apart(handler: EventHandler, stream: io.StringIO) -> None:
    for transport in ("a", "b"):
        for cause in ("reset", "keepalive"):
            for _ in range(3):
                handler.handle(record(transport=transport, cause=cause))
    assert len(stream.getvalue().splitlines()) == 8


def test_handler_writes_the_counts_when_it_closes(handler: EventHandler, stream: io.StringIO) -> None:
    for _ in range(5):
        handler.handle(record())
    handler.close()
    assert stream.getvalue().splitlines()[-1] == "<4>repeated of=connection-down count=3"


def test_handler_writes_the_count_by_itself_when_nothing_follows() -> None:
    written = threading.Event()

    class Watched(io.StringIO):
        def write(self, text: str) -> int:
            if "repeated" in text:
                written.set()
            return super().write(text)

    stream = Watched()
    handler = EventHandler(stream, Repeats(limit=1, window=0.05), time.monotonic)
    handler.setFormatter(KeyValueFormatter(no_head))
    handler.handle(record())
    handler.handle(record())
    assert written.wait(5)
    handler.close()


def test_bad_logging_call_does_not_reach_the_caller(
    handler: EventHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    made = record("%d of %d")
    made.args = ("x",)
    handler.handle(made)


def test_configured_logs_what_escapes_from_a_thread_and_leaves_no_trace(stream: io.StringIO) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, threading.excepthook)
    with configured(LogSettings(journal=True), stream):
        thread = threading.Thread(target=lambda: 1 / 0, name="pjka-reactor")
        thread.start()
        thread.join(5)
        logging.getLogger("pjka.x").info("connection-up", extra=fields(serial=1))
        logging.getLogger("pjka.x").debug("unseen")
    assert (list(root.handlers), root.level, threading.excepthook) == before
    first, second = stream.getvalue().splitlines()
    assert first.startswith("<3>thread-failed thread=pjka-reactor exception=")
    assert "ZeroDivisionError" in first
    assert second == "<6>connection-up serial=1"


def test_configured_json(stream: io.StringIO) -> None:
    with configured(LogSettings(json=True), stream):
        logging.getLogger("pjka.x").warning("drift", extra=fields(serial=1))
    assert json.loads(stream.getvalue())["event"] == "drift"
