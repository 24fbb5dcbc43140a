"""The report of ``pjka check`` for people: tables that wrap rather than cut, a paragraph per finding."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pjka.check import AorReport, Report, TransportReport
from pjka.cli.tables import duration
from pjka.conf.findings import Finding, Severity
from pjka.keepalive.platforms import Platform
from pjka.keepalive.policy import Mechanism, Policy, Timers
from pjka.keepalive.system_wide import system_wide
from pjka.secrets import redacted
from pjka.text import printable

# where the output goes into a file or another program, and nobody has said how wide it is to be
_PIPE_WIDTH: Final = 160

# a table with fewer columns of the terminal breaks its words
_TABLE_WIDTH: Final = 110

_Row = dict[str, str]

_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}

_LEGEND: Final = (
    "Until a dead peer is noticed: IDLE with nothing outstanding, BUSY from a write on, WEDGED while its TCP "
    "still answers. ALONE is how long Asterisk without pjka keeps the connection."
)


def console() -> Console:
    """Standard output: coloured and as wide as it is on a terminal, plain and wide elsewhere."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def show_report(report: Report, out: Console) -> None:
    """Print the tables and the findings."""
    if report.transports:
        _show(_transports(report.transports), out)
        out.print(Text(_LEGEND, style="dim"))
        out.print()
    else:
        out.print(Text("There is no transport."))
    if report.aors:
        _show(_aors(report.aors), out)
    show_findings(report.findings, out)


def show_findings(findings: Sequence[Finding], out: Console) -> None:
    """Print the findings, each with its place at the start of a line that is never wrapped here."""
    for finding in findings:
        for line in _finding_lines(finding):
            out.print(line, soft_wrap=True)
    count = len(findings)
    out.print(Text(f"{count} finding{'' if count == 1 else 's'}." if count else "Nothing found."))


def _finding_lines(finding: Finding) -> Iterator[Text]:
    head = Text(f"{printable(finding.file)}:{finding.line}: ")
    head.append(finding.severity, _STYLES[finding.severity])
    head.append(f": {_safe(finding.message)} [{finding.code}]")
    yield head
    yield Text(f"    Asterisk: {finding.asterisk}")
    yield Text(f"    Advice: {_safe(finding.advice)}")


def show_platform(report: Report, out: Console) -> None:
    """Print what the transports' settings are on a platform, socket by socket and for the whole system."""
    platform = report.surroundings.platform
    for line in _platform_lines(report, platform):
        out.print(Text(line), soft_wrap=True)


def _safe(text: str) -> str:
    return printable(redacted(text))


def _transports(reports: Iterable[TransportReport]) -> Iterator[_Row]:
    for one in reports:
        found = one.detection
        yield {
            "TRANSPORT": printable(one.transport.id),
            "BIND": _bind(one),
            "MECHANISM": str(one.policy.mechanism),
            "KEEP-ALIVE": _keepalive(one),
            "IDLE": _detection(found.idle),
            "BUSY": _detection(found.busy),
            "WEDGED": _detection(found.wedged),
            "ALONE": _detection(found.alone),
            "BYTES/H": f"{one.bytes_per_hour:.0f}",
        }


def _aors(reports: Iterable[AorReport]) -> Iterator[_Row]:
    for one in reports:
        aor, qualify = one.aor, one.qualify
        more = f" and {len(one.ids) - 1} more" if len(one.ids) > 1 else ""
        yield {
            "AOR": printable(aor.id) + more,
            "FREQUENCY": duration(aor.qualify_frequency) if qualify else "off",
            "TIMEOUT": duration(qualify.patience) if qualify else "-",
            "2XX ONLY": "yes" if aor.qualify_2xx_only else "no",
            "DOWN/UP": f"{aor.qualify_down}/{aor.qualify_up}",
            "OVER": printable(", ".join(one.transports)) or "-",
            "WEDGED": _detection(qualify.detection if qualify else math.inf),
            "MESSAGES/H": f"{qualify.messages_per_hour:.0f}" if qualify else "0",
        }


def _show(rows: Iterable[_Row], out: Console) -> None:
    """A table where there is room for one, else a line for each value."""
    listed = list(rows)
    if out.width >= _TABLE_WIDTH:
        out.print(_table(listed))
        out.print()
        return
    for row in listed:
        for title, value in row.items():
            out.print(Text(f"{title:<12}{value}"), soft_wrap=True)
        out.print()


def _table(rows: Sequence[_Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in rows[0]:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row.values()))
    return table


def _bind(one: TransportReport) -> str:
    transport = one.transport
    host = f"[{transport.bind_host}]" if ":" in transport.bind_host else transport.bind_host
    return f"{transport.protocol} {printable(host)}:{transport.bind_port}"


def _keepalive(one: TransportReport) -> str:
    policy = one.policy
    parts = [_times(policy, one.timers)]
    if policy.tcp.user_timeout is not None:
        parts.append(f"user timeout {policy.tcp.user_timeout:g} s")
    return ", ".join(part for part in parts if part) or "-"


def _times(policy: Policy, timers: Timers | None) -> str:
    match policy.mechanism:
        case Mechanism.KERNEL if timers:
            tcp = policy.tcp
            idle = f"idle {timers.idle:g} s{_system(tcp.idle)}"
            interval = f"every {timers.interval:g} s{_system(tcp.interval)}"
            return f"{idle}, {timers.probes} probes{_system(tcp.probes)} {interval}"
        case Mechanism.CRLF | Mechanism.PJPROJECT:
            return f"CRLF every {policy.crlf_interval} s"
        case Mechanism.OUTBOUND:
            return f"ping every {policy.ping_interval} s, pong within {policy.pong_timeout:g} s"
        case Mechanism.OPTIONS if policy.qualify:
            return f"OPTIONS every {policy.qualify.frequency} s"
        case _:
            return ""


def _system(wanted: int | None) -> str:
    return " (system)" if wanted is None else ""


def _detection(seconds: float | None) -> str:
    return "never" if seconds is not None and math.isinf(seconds) else duration(seconds)


def _platform_lines(report: Report, platform: Platform) -> Iterator[str]:
    system = platform.timers
    yield ""
    yield f"On {platform.name}:"
    yield (
        f"    As it is: idle {system.idle:g} s, {system.probes} probes every {system.interval:g} s: "
        + duration(system.idle + system.interval * system.probes)
    )
    yield f"    {platform.remark}"
    by_timers: dict[Timers, list[str]] = {}
    for one in report.transports:
        if one.timers:
            options = (
                f"{option.symbol}={option.value}" for option in one.policy.tcp.socket_options(platform)
            )
            yield f"    Sockets of {printable(one.transport.id)}: {', '.join(options)}"
            by_timers.setdefault(one.timers, []).append(printable(one.transport.id))
    for timers, names in by_timers.items():
        found = system_wide(platform, timers)
        yield f"    The whole system as {', '.join(names)}, for servers that cannot set it by socket:"
        yield from (f"        {command}" for command in found.commands)
        yield f"        To last: {found.lasting}. Detection: {duration(found.detection)}"
