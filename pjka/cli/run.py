"""The commands that work with pjproject in this process."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from pjka.cli.daemon import listen_option, listen_path, own_settings, settings_option
from pjka.cli.failures import Unusable
from pjka.daemon import Daemon, DaemonSettings
from pjka.errors import PjkaError
from pjka.logs import LogSettings, configured, under_journal
from pjka.pjproject.engine import Engine, active_engine


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


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@listen_option()
@settings_option()
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: state_directory(os.environ, os.geteuid()),
    help="Where registrations outlive a restart. [default: STATE_DIRECTORY, /var/lib/pjka, XDG_STATE_HOME]",
)
@click.option("--trial-engine", is_flag=True, help="Let the trial engine listen where other hosts reach it.")
@click.option("--log-json", is_flag=True, help="Log JSON, one object per line.")
@click.option("--log-journal", is_flag=True, help="Log for journald: <priority> instead of time and level.")
@click.option("--debug", is_flag=True, help="Log what pjproject says, too.")
def run(
    file: str,
    path: Path | None,
    settings_path: str | None,
    state: Path,
    trial_engine: bool,
    log_json: bool,
    log_journal: bool,
    debug: bool,
) -> None:
    """Run the transports of FILE, a pjsip.conf, until SIGINT or SIGTERM.

    SIGHUP reads the file again.

    \b
    Examples:
      pjka run /etc/pjka/pjsip.conf
      pjka run conf/pjsip.conf --socket /tmp/pjka.sock
      pjka run conf/pjsip.conf --log-json 2> pjka.log
      pjka run conf/pjsip.conf --settings conf/pjka.conf
    """
    logs = LogSettings(
        level=logging.DEBUG if debug else logging.INFO,
        json=log_json,
        journal=log_journal or under_journal(sys.stderr, os.environ),
    )
    with configured(logs, sys.stderr):
        try:
            own = own_settings(settings_path)
            control = path or listen_path(own)
            Daemon(DaemonSettings(file, control, trial_engine, state, own), os.environ).run()
        except PjkaError as error:
            raise Unusable(str(error)) from error


def state_directory(environment: Mapping[str, str], user: int) -> Path:
    """Where a daemon of this user keeps its state: as systemd says, else the system's place, else his own."""
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if user == 0:
        return Path("/var/lib/pjka")
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "/")) / ".local/state")
    return Path(home) / "pjka"


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
