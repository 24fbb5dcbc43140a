"""The commands that make a running daemon do something: ``reload``, ``kill`` and ``qualify``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from pjka.cli.daemon import completion, json_option, members_of, reporting, socket_option
from pjka.cli.tables import CHANGES, CONTACTS, lines
from pjka.status import ChangeRow, ConnectionRow, ContactRow
from pjka.surface.client import ControlClient
from pjka.text import printable

#: Seconds that a reload may take, and the answers to the OPTIONS of one AOR (Timer F and then some).
_RELOAD_SECONDS: Final = 60.0
_QUALIFY_SECONDS: Final = 45.0


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option()
@socket_option()
def reload(path: Path, as_json: bool, dry_run: bool) -> None:
    """Read pjsip.conf again and put it into force, also on existing connections.

    Nothing changes if it is unusable. Exit code 1 if a part of it was rejected.

    \b
    Examples:
      pjka reload --dry-run
      pjka reload --json | jq '.rows[] | select(.change == "rejected")'
    """
    with reporting(), ControlClient(path) as client:
        answer = client.request("reload", {"dry_run": True} if dry_run else {}, _RELOAD_SECONDS)
        rows = [ChangeRow.from_json(members) for members in members_of(answer)]
    click.echo(json.dumps(answer) if as_json else _changes(rows))
    if any(row.change == "rejected" for row in rows):
        raise SystemExit(1)


@click.command()
@click.argument("connection", type=click.IntRange(0), shell_complete=completion("connections", "serial"))
@click.option("--force", is_flag=True, help="Even if it carries a call.")
@json_option()
@socket_option()
def kill(path: Path, connection: int, as_json: bool, force: bool) -> None:
    """Close the CONNECTION with this serial (the first column of `pjka show connections`).

    \b
    Examples:
      pjka kill 7
      pjka kill 7 --force
    """
    with reporting(), ControlClient(path) as client:
        answer = client.request("kill", {"connection": connection} | ({"force": True} if force else {}))
        row = ConnectionRow.from_json(answer if isinstance(answer, dict) else {})
    closed = f"Closed connection {row.serial}: {row.peer} on {row.transport or 'no transport'}."
    closed = printable(f"{closed} Note: {row.note}." if row.note else closed)
    click.echo(json.dumps(answer) if as_json else closed)


@click.command()
@click.argument("aor", shell_complete=completion("aors", "id"))
@json_option()
@socket_option()
def qualify(path: Path, aor: str, as_json: bool) -> None:
    """Send OPTIONS to each contact of the AOR now, and show the results. Exit code 1 if none answers.

    \b
    Examples:
      pjka qualify alice
      pjka qualify alice --json | jq '.rows[].rtt'
    """
    with reporting(), ControlClient(path) as client:
        answer = client.request("qualify", {"aor": aor}, _QUALIFY_SECONDS)
        rows = [ContactRow.from_json(members) for members in members_of(answer)]
    text = "\n".join(lines(CONTACTS, rows)) if rows else f"AOR {printable(aor)} has no contacts."
    click.echo(json.dumps(answer) if as_json else text)
    if not any(row.status == "Reachable" for row in rows):
        raise SystemExit(1)


def _changes(rows: Sequence[ChangeRow]) -> str:
    return "\n".join(lines(CHANGES, rows)) if rows else "Nothing changed."
