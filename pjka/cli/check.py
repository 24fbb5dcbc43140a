"""``pjka check``: what a ``pjsip.conf`` amounts to, what is wrong with it, and what can be cured."""

from __future__ import annotations

import io
import json
import sys
from typing import NoReturn

import click

from pjka.check import Report, Surroundings, Version, VersionError, parse_version
from pjka.check import check as work_out
from pjka.check.codes import CODES
from pjka.cli.check_json import error_json, fix_json, report_json
from pjka.cli.failures import Failed, Unusable
from pjka.cli.render import console, show_platform, show_report
from pjka.conf.codes import CODES as OBJECT_CODES
from pjka.conf.dialect_codes import DIALECT_CODES
from pjka.conf.loader import load
from pjka.errors import PjkaError
from pjka.fix import Cure, cure, difference
from pjka.keepalive.platforms import PLATFORMS, Platform, platform
from pjka.linux.system_timers import this_machine
from pjka.rewrite import rewrite
from pjka.secrets import redacted


def _version(_: click.Context, __: click.Parameter, value: str | None) -> Version | None:
    try:
        return None if value is None else parse_version(value)
    except VersionError as error:
        raise click.BadParameter(str(error)) from error


def _codes(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    codes = {**DIALECT_CODES, **OBJECT_CODES, **CODES}
    width = max(map(len, codes))
    for name, code in sorted(codes.items()):
        click.echo(f"{name:<{width}}  {code.severity:<7}  {code.summary}")
    context.exit()


@click.command()
@click.argument("file", default="/etc/asterisk/pjsip.conf", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON; its schema is pjka/schemas/check.json.")
@click.option(
    "--platform",
    "system",
    type=click.Choice([known.name for known in PLATFORMS]),
    help="Work it out for a fresh installation of another system, and show its system-wide commands.",
)
@click.option(
    "--asterisk", "version", callback=_version, metavar="VERSION", help="Check for this release, as 16.28."
)
@click.option("--external-pjproject", is_flag=True, help="That Asterisk has a pjproject that is not bundled.")
@click.option("--fix", is_flag=True, help="Show a diff that cures what can be cured safely.")
@click.option("--write", is_flag=True, help="With --fix: write it, keeping backups.")
@click.option(
    "--codes",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_codes,
    help="List the codes of findings.",
)
def check(
    file: str,
    as_json: bool,
    system: str | None,
    version: Version | None,
    external_pjproject: bool,
    fix: bool,
    write: bool,
) -> None:
    """Explain FILE, a pjsip.conf: its keep-alives, detection times, and what is wrong with it.

    FILE is /etc/asterisk/pjsip.conf unless given. Nothing is changed without --write. The exit code is 0 if
    nothing is worse than a notice, 1 with warnings or errors, and 2 if the file is unusable.

    \b
    Examples:
      pjka check
      pjka check pjsip.conf --asterisk 16.28
      pjka check pjsip.conf --platform freebsd
      pjka check pjsip.conf --json | jq '.findings[].code'
      pjka check pjsip.conf --fix --write
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # ids and paths can hold what the terminal's encoding has no characters for
        sys.stdout.reconfigure(errors="backslashreplace")
    if write and not fix:
        raise click.UsageError("--write needs --fix.")
    try:
        surroundings = Surroundings(_platform(system), version, external_pjproject)
        if fix:
            report = _fix(cure(file, surroundings), as_json=as_json, write=write)
        else:
            report = work_out(load(file), surroundings)
            _show(report, as_json=as_json, with_platform=system is not None)
    except PjkaError as error:
        _end_unusable(file, error, as_json=as_json)
    if not report.clean:
        sys.exit(1)


def _platform(name: str | None) -> Platform:
    if name is not None:
        return platform(name)
    return this_machine() if sys.platform == "linux" else platform(sys.platform)


def _show(report: Report, *, as_json: bool, with_platform: bool) -> None:
    if as_json:
        _print_json(report_json(report))
        return
    out = console()
    show_report(report, out)
    if with_platform:
        show_platform(report, out)


def _fix(found: Cure, *, as_json: bool, write: bool) -> Report:
    """Print the diff, write it if asked to, and return the report on what the files now hold."""
    try:
        backups = rewrite(found.changes) if write else None
    except PjkaError as error:
        raise Failed(redacted(str(error))) from error
    report = found.after if write else found.before
    if as_json:
        _print_json({**report_json(report), "fix": fix_json(found.changes, backups)})
        return report
    for change in found.changes:
        click.echo(difference(change), nl=False)
    left = len(found.after.findings)
    click.echo(f"Findings: {len(found.before.findings) - left} cured, {left} left.", err=True)
    for backup in backups or ():
        click.echo(f"The old file is {backup}", err=True)
    return report


def _end_unusable(file: str, error: PjkaError, *, as_json: bool) -> NoReturn:
    if as_json:
        _print_json(error_json(file, error))
        sys.exit(Unusable.exit_code)
    raise Unusable(redacted(str(error))) from error


def _print_json(members: dict[str, object]) -> None:
    # ASCII only: file names and ids can hold bytes that are no UTF-8
    click.echo(json.dumps(members, indent=2, allow_nan=False))
