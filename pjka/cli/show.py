"""The commands that ask a running daemon what it knows: ``show`` and ``events``."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from pjka.cli.daemon import Decorator, filter_option, json_option, members_of, reporting, socket_option
from pjka.cli.tables import TABLES, facts, lines, moment
from pjka.logs import key_values
from pjka.status import SHOWS, Row
from pjka.surface.client import ControlClient
from pjka.surface.shows import FILTERS
from pjka.text import printable

_SUBJECTS: Final[Mapping[str, str]] = {
    "transports": "Show each transport, its policy and its cost per hour.",
    "connections": "Show each connection, and what the kernel says of it.",
    "deaths": "Show the last connections that ended, and why.",
    "contacts": "Show each contact, its status and round-trip times.",
    "aors": "Show each AOR, with its qualify settings.",
    "endpoints": "Show each endpoint, and whether it can be reached.",
    "flows": "Show each RFC 5626 flow, or why it is not kept alive.",
    "engine": "Show the daemon, and the pjproject that it runs on.",
}
_EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "connections": ("--peer 192.0.2.0/24 --watch", "--transport 'phones*' --json | jq '.rows[].rtt'"),
    "deaths": ("--transport phones", "--json | jq -r '.rows[].cause' | sort | uniq -c"),
    "contacts": ("--aor alice", "--peer '192.0.2.*'"),
}
_ANY: Final = ("", "--watch", "--json")
_WATCH_OPTIONS: Final[tuple[Decorator, ...]] = (
    click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C."),
    click.option(
        "--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds, for --watch."
    ),
    click.option("--times", type=click.IntRange(1), help="End --watch after so many."),
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be shown: the subject, and the filters as the protocol has them."""

    subject: str
    filters: Mapping[str, str]

    def ask(self, client: ControlClient) -> object:
        """The daemon's answer."""
        return client.request(f"show {self.subject}", self.filters)

    def rows(self, answer: object) -> list[Row]:
        """The rows in an answer; raises PjkaError if it is malformed."""
        return [SHOWS[self.subject].from_json(members) for members in members_of(answer)]

    def lines(self, rows: Sequence[Row]) -> Iterator[str]:
        """The rows as text."""
        if not rows:
            yield f"No {self.subject}."
        elif self.subject == "engine":
            yield from facts(TABLES[self.subject], rows[0])
        else:
            yield from lines(TABLES[self.subject], rows)


def ticks(interval: float, times: int | None) -> Iterator[None]:
    """Now, and again after each interval (s), so many times or without end."""
    for number in itertools.count(1):
        yield
        if number == times:
            return
        time.sleep(interval)


@click.group()
def show() -> None:
    """Show what the running pjka knows.

    \b
    Examples:
      pjka show connections
      pjka show connections --transport phones --peer '192.0.2.*' --watch
      pjka show deaths --json | jq '.rows[].cause'
    """


def _subject_command(subject: str) -> click.Command:
    def command(
        path: Path, as_json: bool, watch: bool, interval: float, times: int | None, **filters: str | None
    ) -> None:
        ended_by = (KeyboardInterrupt,) if watch else ()
        question = Question(subject, {name: text for name, text in filters.items() if text is not None})
        with reporting(), contextlib.suppress(*ended_by):
            if watch and not as_json and sys.stdout.isatty():
                _watch_on_terminal(path, question, ticks(interval, times))
            else:
                _print_repeatedly(path, question, as_json, ticks(interval, times if watch else 1))

    filter_options = map(filter_option, FILTERS[subject])
    options: list[Decorator] = [*filter_options, json_option(), *_WATCH_OPTIONS, socket_option()]
    for option in reversed(options):
        command = option(command)
    examples = "\n".join(
        f"  pjka show {subject} {example}".rstrip() for example in _EXAMPLES.get(subject, _ANY)
    )
    return click.command(subject, help=f"{_SUBJECTS[subject]}\n\n\b\nExamples:\n{examples}")(command)


def _print_repeatedly(path: Path, question: Question, as_json: bool, moments: Iterator[None]) -> None:
    for number, _ in enumerate(moments):
        with ControlClient(path) as client:
            answer = question.ask(client)
        if as_json:
            click.echo(json.dumps(answer))
            continue
        if number:
            click.echo()
        click.echo("\n".join(question.lines(question.rows(answer))))


def _watch_on_terminal(path: Path, question: Question, moments: Iterator[None]) -> None:
    from pjka.cli.watch import watch  # rich takes longer to import than all else here

    watch(path, question, moments)


@click.command()
@filter_option("transport")
@filter_option("peer")
@filter_option("aor")
@json_option()
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after this time.")
@socket_option()
def events(
    path: Path, as_json: bool, count: int | None, seconds: float | None, **filters: str | None
) -> None:
    """Print what happens, as it happens, until Ctrl-C.

    \b
    Examples:
      pjka events
      pjka events --transport phones --json | jq .event.cause
      pjka events --seconds 60 > events.log
    """
    given = {name: text for name, text in filters.items() if text is not None}
    with reporting(), ControlClient(path) as client, contextlib.suppress(KeyboardInterrupt):
        for line in itertools.islice(client.events(given, seconds), count):
            click.echo(json.dumps(line) if as_json else _event_line(line))


def _event_line(line: Mapping[str, object]) -> str:
    event = line.get("event")
    if not isinstance(event, dict):
        return f"lost count={line.get('lost')}: this terminal was too slow"
    members = dict(event)
    name, at = members.pop("event", ""), members.pop("at", 0.0)
    return f"{moment(at)} {printable(str(name))} {key_values(members.items())}".rstrip()


for _subject in SHOWS:
    show.add_command(_subject_command(_subject))
