"""The commands that work with pjproject in this process."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from pjka.errors import PjkaError
from pjka.pjproject.engine import Engine, active_engine


class Unusable(click.ClickException):
    """What the user has to put right before anything can run; exit code 2."""

    exit_code = 2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def engine(as_json: bool) -> None:
    """Show which pjproject is active, what it holds, and its known defects.

    \b
    Examples:
      pjka engine
      pjka engine --json | jq .limits
      PJKA_ENGINE=trial pjka engine
    """
    try:
        active = active_engine()
    except PjkaError as error:
        raise Unusable(str(error)) from error
    click.echo(json.dumps(asdict(active), indent=2) if as_json else "\n".join(_lines(active)))


def _lines(active: Engine) -> list[str]:
    limits = active.limits
    descriptors = "" if limits.descriptor is None else f", with file descriptors below {limits.descriptor}"
    facts = {
        "engine": f"{active.name}{', for loopback only' if active.loopback_only else ''}",
        "pjproject": active.version,
        "module": active.path,
        "I/O queue": f"{active.ioqueue}, {limits.handles} sockets in total{descriptors}",
        "accounts": str(limits.accounts),
        "calls": str(limits.calls),
        "socket options": f"{limits.socket_options} per transport",
        "largest message": f"{limits.packet} bytes",
        "TLS": active.tls,
    }
    lines = [f"{name:<17}{value}" for name, value in facts.items()]
    lines += ["", "Known defects, and what is done about them:"]
    return lines + [f"  {defect.text}\n    {defect.workaround}" for defect in active.defects]
