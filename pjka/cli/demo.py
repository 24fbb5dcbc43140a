"""``pjka demo``: a dead connection found at the predicted time, in a terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import queue
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

import pjka
from pjka.cli.failures import Failed, Unusable
from pjka.daemon import Daemon, DaemonSettings
from pjka.demo import Peer, Prediction, Verdict, may_cut, peers, predict
from pjka.errors import PjkaError
from pjka.events import ConnectionDown, Event
from pjka.linux.sockopts import read
from pjka.logs import LogSettings, configured
from pjka.monitors import Connection, last_words
from pjka.rows import next_probe

_CUT_AFTER = 4.0
_SILENT = "demo-tcp"
_FRAME = 0.25
_LEAST = 12
_TRUTH = (
    "The line was cut in the peer's socket, which dropped all that arrived. The daemon, its kernel's probes"
    " and their verdict are the same as on a real line."
)
_LESS = (
    "This machine lets an unprivileged process cut no line, not even in a namespace of its own, so the peer"
    " crashed instead. To see a silent peer, run this with CAP_NET_ADMIN."
)


@click.command()
@click.option(
    "--seconds",
    type=click.IntRange(_LEAST, 3600),
    default=20,
    show_default=True,
    help="How long to wait for the end of the silent connection, at most.",
)
def demo(seconds: int) -> None:
    """Watch a dead connection being found at the predicted time.

    Starts the daemon on conf/demo/pjsip.conf with three small SIP peers on loopback, over TCP, TLS and UDP.
    After 4 seconds the one on TCP falls silent. No root is needed.

    \b
    Examples:
      pjka demo
      pjka demo --seconds 60
    """
    console = Console(highlight=False, soft_wrap=True)
    directory = demo_files()
    with configured(LogSettings(level=logging.ERROR), io.StringIO()) as _, contextlib.ExitStack() as undo:
        try:
            undo.enter_context(contextlib.chdir(directory))
            cuts = may_cut()
            daemon = Daemon(DaemonSettings("pjsip.conf"), os.environ)
            daemon.start()
            undo.callback(daemon.stop)
            story = _Story(daemon, undo.enter_context(peers(daemon)), console)
            verdict = story.play(seconds, cuts)
        except (OSError, PjkaError) as error:
            raise Unusable(f"the demo does not start: {error}") from error
    _sum_up(console, verdict, seconds, cuts)


def demo_files() -> Path:
    """Where the demo's files are: in the installed package, or in the repository beside it."""
    package = Path(pjka.__file__).parent
    packaged = package / "conf" / "demo"
    return packaged if packaged.is_dir() else package.parent / "conf" / "demo"


class _Story:
    """What happens, and the frame that shows it."""

    def __init__(self, daemon: Daemon, phones: dict[str, Peer], console: Console) -> None:
        self._daemon = daemon
        self._phone = phones[_SILENT]
        self._console = console
        self._names = {phone.address: phone.name for phone in phones.values()}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._said: list[Text] = []
        self._prediction: Prediction | None = None
        self._live: Live | None = None
        engine = daemon.endpoint.engine
        self._say(f"pjproject {engine.version}, {engine.name} engine; three peers have said OPTIONS")

    def play(self, seconds: float, cuts: bool) -> Verdict | None:
        """The whole story; None if the end of the connection was not noticed within that time."""
        with self._shown():
            self._wait(_CUT_AFTER)
            self._cut() if cuts else self._crash()
            return self._outcome(seconds)

    @contextlib.contextmanager
    def _shown(self) -> Iterator[None]:
        """Show the frame while it lasts; a terminal sees it change, a file gets the lines only."""
        self._daemon.module.events.subscribe(self._events.put)
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            yield

    def _wait(self, seconds: float) -> ConnectionDown | None:
        """Let that much time pass, or less if a connection ends, which is returned."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._live is not None:
                self._live.update(self._frame(), refresh=True)
            try:
                event = self._events.get(timeout=min(left, _FRAME))
            except queue.Empty:
                continue
            if isinstance(event, ConnectionDown):
                return event
        return None

    def _cut(self) -> None:
        self._prediction = predict(self._daemon, self._phone)
        self._phone.fall_silent()
        self._say(f"{self._phone.name} falls silent; that is to be found in {self._prediction.after:.1f} s")

    def _crash(self) -> None:
        self._prediction = replace(predict(self._daemon, self._phone), after=0.0)
        self._phone.die()
        self._say(f"{self._phone.name} crashes, and its kernel says so; that is to be found at once")

    def _outcome(self, seconds: float) -> Verdict | None:
        """What came of the prediction, None if nothing within that time."""
        assert self._prediction is not None
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            down = self._wait(left)
            if down is not None and down.serial == self._prediction.serial:
                verdict = self._prediction.judge(down)
                self._say(f"connection {down.serial} ended after {verdict.found:.1f} s: {down.cause}")
                self._wait(4 * _FRAME)
                return verdict
        return None

    def _say(self, text: str) -> None:
        line = Text(f"{time.strftime('%H:%M:%S')}  {text}")
        self._said.append(line)
        if not self._console.is_terminal:
            self._console.print(line)

    def _frame(self) -> Group:
        table = Table(title="Connections, and what the kernel holds for each", title_justify="left", box=None)
        for head in ("PEER", "PROBES", "USER-TIMEOUT", "NEXT-PROBE", "UNANSWERED"):
            table.add_column(head, no_wrap=True)
        for connection in self._daemon.module.monitors:
            table.add_row(*self._cells(connection))
        return Group(table, *self._said)

    def _cells(self, connection: Connection) -> Iterator[str]:
        yield self._names.get(connection.peer, "?")
        info, policy = last_words(connection), self._daemon.module.listeners.policy(connection.transport)
        if info is None or policy is None or connection.descriptor is None:
            return
        held = read(connection.descriptor.fd)
        due = next_probe(policy, info, self._daemon.module.platform)
        yield f"after {held.idle}s, {held.probes} x {held.interval}s" if held.keepalive else "off"
        yield f"{held.user_timeout:g}s"
        yield "-" if due is None else f"{due:.1f}s"
        yield str(info.probes)


def _sum_up(console: Console, verdict: Verdict | None, seconds: int, cut: bool) -> None:
    if verdict is None:
        raise Failed(f"the silent connection has not ended within {seconds} s")
    console.print(
        f"Predicted {verdict.predicted:.2f} s, found after {verdict.found:.2f} s:"
        f" {verdict.down.cause} ({verdict.down.detail}). The other connections went on."
    )
    console.print(_TRUTH if cut else _LESS)
    if not verdict.kept:
        raise Failed("the prediction was wrong by more than a second")
