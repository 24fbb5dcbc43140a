"""``pjka drill``: predicted and measured detection times, on paths that are cut."""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import sys
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pjka.cli.failures import NotPermitted, Unusable
from pjka.cli.render import console
from pjka.conf.loader import load
from pjka.drill import Drill, prepare, running
from pjka.drill_attempt import Outcome
from pjka.drill_plan import Case, Condition, tolerance
from pjka.errors import PjkaError
from pjka.lab import LabDeniedError
from pjka.secrets import redacted
from pjka.text import printable

_VERSION = 1
_WORDS = {
    Condition.IDLE: "idle",
    Condition.BUSY: "request in flight",
    Condition.FIREWALL: "firewall forgets",
}


@click.command()
@click.argument("file", default="/etc/asterisk/pjsip.conf", type=click.Path())
@click.option(
    "--scale",
    type=click.FloatRange(1, 1000),
    default=1,
    show_default=True,
    help="Make every time so many times shorter: whole seconds, at least 1.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=1200,
    show_default=True,
    help="Leave out what takes more seconds than this.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; its schema is pjka/schemas/drill.json.")
def drill(file: str, scale: float, limit: int, as_json: bool) -> None:
    """Pull the cable, for each tcp and tls transport of FILE, a pjsip.conf, and measure when that is noticed.

    Everything happens in network namespaces made for it, at the same time, with plain sockets that have the
    options of the transport's policy: TLS makes no difference to them. It needs root, and takes about as long
    as the longest time predicted. The exit code is 1 if a prediction is wrong by more than 1 s, or 5 % if
    that is more.

    \b
    Examples:
      pjka drill
      pjka drill conf/pjsip.conf --scale 10
      pjka drill conf/pjsip.conf --json | jq '.drills[] | select(.right | not)'
    """
    if os.geteuid() != 0:
        raise NotPermitted("pjka drill needs root: it makes network namespaces and cuts paths in them")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        plan = prepare(load(file), scale, limit)
        outcomes = _run(plan)
    except LabDeniedError as error:
        raise NotPermitted(f"pjka drill needs CAP_SYS_ADMIN and CAP_NET_ADMIN: {error}") from error
    except PjkaError as error:
        raise Unusable(redacted(str(error))) from error
    if as_json:
        click.echo(json.dumps(_members(file, scale, plan, outcomes), indent=2, allow_nan=False))
    else:
        _show(plan, outcomes, console())
    if not all(outcome.right for outcome in outcomes):
        sys.exit(1)


def _run(plan: Drill) -> list[Outcome]:
    """Try everything, and show how far it is; the outcomes in the order of the file."""
    with _Shown(plan) as shown, running(plan, shown.began) as outcomes:
        done: dict[Case, Outcome] = {}
        for outcome in outcomes:
            done[outcome.case] = outcome
            shown.ended(outcome)
    return [done[case] for case in plan.cases]


class _Shown:
    """How far it is, on standard error: a line for each case on a terminal, and one for all elsewhere."""

    def __init__(self, plan: Drill) -> None:
        self._plan = plan
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(10),
            TimeElapsedColumn(),
            TextColumn("{task.fields[result]}", markup=False),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[Case, TaskID] = {}

    def __enter__(self) -> _Shown:
        count, left = len(self._plan.cases), len(self._plan.beyond)
        more = f", {left} left out that would take longer" if left else ""
        self._console.print(Text(f"{count} connections, about {self._plan.seconds:.0f} s{more}"))
        for case in self._plan.cases:
            result = f"predicted: {_predicted(case)}"
            self._tasks[case] = self._progress.add_task(_name(case), False, None, result=result)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def began(self, case: Case) -> None:
        """The path of this case is cut now."""
        self._progress.start_task(self._tasks[case])

    def ended(self, outcome: Outcome) -> None:
        """This is what came of a case."""
        result = f"predicted: {_predicted(outcome.case)}, measured: {_measured(outcome)}"
        self._progress.update(self._tasks[outcome.case], total=1, completed=1, result=result)


def _show(plan: Drill, outcomes: list[Outcome], out: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("TRANSPORT", "PROTOCOL", "CASE", "PREDICTED", "MEASURED", "VERDICT"):
        table.add_column(head, overflow="fold")
    for one in outcomes:
        table.add_row(*map(Text, (*_cells(one.case), _measured(one), _verdict(one))))
    for case in plan.beyond:
        table.add_row(*map(Text, (*_cells(case), "-", "left out: longer than --limit")))
    out.print(table)
    wrong = sum(not outcome.right for outcome in outcomes)
    out.print(f"{len(outcomes) - wrong} of {len(outcomes)} as predicted, on Linux {platform.release()}.")


def _name(case: Case) -> str:
    return f"{printable(case.transport)} {_WORDS[case.condition]}"


def _cells(case: Case) -> tuple[str, str, str, str]:
    words = _WORDS[case.condition]
    condition = f"{words} after {case.firewall} s" if case.firewall else words
    return printable(case.transport), case.protocol, condition, _predicted(case)


def _predicted(case: Case) -> str:
    if case.firewall:
        return _fate(case.outlives)
    return "never" if math.isinf(case.predicted) else f"{case.predicted:.1f} s"


def _measured(outcome: Outcome) -> str:
    if outcome.problem:
        return "-"
    if outcome.outlived is not None:
        return _fate(outcome.outlived)
    if outcome.measured is None:
        return f"not within {outcome.waited:.0f} s"
    return f"{outcome.measured:.2f} s"


def _fate(outlives: bool) -> str:
    return "survives" if outlives else "lost"


def _verdict(outcome: Outcome) -> str:
    if outcome.problem:
        return f"not tried: {printable(outcome.problem)}"
    if outcome.right:
        return "as predicted"
    if outcome.case.firewall or math.isinf(outcome.case.predicted):
        return "WRONG"
    return f"WRONG by more than {tolerance(outcome.case.predicted):.1f} s"


def _members(file: str, scale: float, plan: Drill, outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "version": _VERSION,
        "file": file,
        "kernel": platform.release(),
        "scale": scale,
        "right": all(outcome.right for outcome in outcomes),
        "drills": [_drill(outcome) for outcome in outcomes],
        "left_out": [_case(case) for case in plan.beyond],
    }


def _case(case: Case) -> dict[str, object]:
    return {
        "transport": case.transport,
        "protocol": case.protocol,
        "condition": str(case.condition),
        "predicted": None if case.firewall else _json_time(case.predicted),
        "firewall_timeout": case.firewall or None,
        "outlives": case.outlives if case.firewall else None,
    }


def _drill(outcome: Outcome) -> dict[str, object]:
    return {
        **_case(outcome.case),
        "measured": outcome.measured,
        "outlived": outcome.outlived,
        "waited": outcome.waited,
        "right": outcome.right,
        "problem": outcome.problem or None,
    }


def _json_time(seconds: float) -> float | str:
    return "never" if math.isinf(seconds) else seconds
