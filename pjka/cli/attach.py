"""``pjka attach``: the policy of a pjsip.conf on the sockets of a running PBX."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from pjka.attach.commands import commands
from pjka.attach.events import PbxSilent
from pjka.attach.held import Held
from pjka.attach.pings_off import pings_off
from pjka.attach.rights import RightsError
from pjka.attach.session import Session
from pjka.attach.watch import Target, Watch
from pjka.cli.daemon import listen_option, listen_path, own_settings, settings_option
from pjka.cli.failures import NotPermitted, Unusable
from pjka.conf import settings
from pjka.enforce import Drift
from pjka.errors import PjkaError
from pjka.events import Events
from pjka.linux import find
from pjka.linux.connections import printed
from pjka.logs import LogSettings, configured, log_event, under_journal
from pjka.pbx.client import AmiClient
from pjka.surface.control import ControlServer
from pjka.surface.notify import Notifier
from pjka.surface.pages import pages
from pjka.text import printable

_SETTLE_SECONDS = 5.0
_WAIT_SECONDS = 0.5


@click.command()
@click.option("--pid", type=click.IntRange(1), help="Attach to this process.")
@click.option("--pidfile", type=click.Path(), help="Attach to the process whose number is in this file.")
@click.option("--container", metavar="NAME", help="Attach to the Asterisk in this Docker container.")
@click.option("--process", "name", metavar="NAME", help="Attach to the process of this name: any SIP server.")
@click.option(
    "--config", type=click.Path(), help="The policy, if not the PBX's own /etc/asterisk/pjsip.conf."
)
@click.option(
    "--default-transport", default="", metavar="NAME", help="For outgoing connections to unknown peers."
)
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option("--once", is_flag=True, help="Apply and exit: 0 if every socket has its policy, else 1.")
@click.option("--restore", is_flag=True, help="At the end, put back what was found at attach.")
@click.option(
    "--ami", is_flag=True, help="Ask the PBX for contacts and calls ([ami] of pjka.conf, or PJKA_AMI_*)."
)
@click.option(
    "--crlf-off", is_flag=True, help="With --ami: set keep_alive_interval=0 in pjsip.conf, and reload."
)
@click.option("--wait", is_flag=True, help="Wait for the PBX if it does not run yet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with --dry-run and --once.")
@click.option("--log-json", is_flag=True, help="Log JSON, one object per line.")
@listen_option()
@settings_option()
def attach(
    path: Path | None,
    settings_path: str | None,
    pid: int | None,
    pidfile: str | None,
    container: str | None,
    name: str | None,
    config: str | None,
    default_transport: str,
    dry_run: bool,
    once: bool,
    restore: bool,
    ami: bool,
    crlf_off: bool,
    wait: bool,
    as_json: bool,
    log_json: bool,
) -> None:
    """Give a running PBX's connections the TCP keep-alive that its pjsip.conf says, and keep it so.

    Nothing of the PBX is restarted or patched, and no byte is sent on its connections. Without options it
    attaches to the one Asterisk that runs.

    \b
    Examples:
      pjka attach --dry-run
      pjka attach --container pbx --once
      pjka attach --process kamailio --config /etc/pjka/pjsip.conf
      pjka attach --pidfile /run/asterisk/asterisk.pid --restore
    """
    if crlf_off and not ami:
        raise click.UsageError("--crlf-off needs --ami, to have the PBX reload")
    target = Target(_finder(pid, pidfile, container, name), config, default_transport)
    logs = LogSettings(json=log_json, journal=under_journal(sys.stderr, os.environ))
    with configured(logs, sys.stderr), ExitStack() as undo:
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
        watch = Watch(target, Events(), notifier.watchdog)
        watch.events.subscribe(log_event)
        undo.callback(watch.close)
        try:
            session = _attached(watch, wait)
            if dry_run:
                raise SystemExit(_preview(session, as_json))
            if once:
                raise SystemExit(_apply(session, as_json))
            if ami:
                client = _ask_pbx(watch, settings_path or settings.DEFAULT_PATH)
                watch.ask_pbx = client.ask
                undo.callback(client.stop)
                if crlf_off:
                    _pings_off(watch, session, client)
            _serve(watch, path, own_settings(settings_path), notifier, restore)
        except RightsError as error:
            raise NotPermitted(str(error)) from error
        except (PjkaError, OSError) as error:
            raise Unusable(str(error)) from error


def _attached(watch: Watch, wait: bool) -> Session:
    while True:
        try:
            return watch.attach()
        except find.NotFoundError:
            if not wait:
                raise
        time.sleep(_WAIT_SECONDS)


def _finder(
    pid: int | None, pidfile: str | None, container: str | None, name: str | None
) -> Callable[[], int]:
    ways: list[Callable[[], int]] = []
    if pid is not None:
        ways.append(lambda: pid)
    if pidfile is not None:
        ways.append(partial(find.from_file, pidfile))
    if container is not None:
        ways.append(partial(find.container, container))
    if name is not None:
        ways.append(partial(find.named, name))
    if len(ways) > 1:
        raise click.UsageError("only one of --pid, --pidfile, --container and --process")
    return ways[0] if ways else find.asterisk


def _pings_off(watch: Watch, session: Session, client: AmiClient) -> None:
    """Where that cannot be done it is told, and the rest is done all the same."""
    try:
        written = pings_off(session)
    except PjkaError as error:
        watch.events.publish(PbxSilent(reason=str(error)))
        return
    for event in written:
        watch.events.publish(event)
    if written:
        client.order("Reload", {"Module": "res_pjsip.so"})


def _ask_pbx(watch: Watch, path: str) -> AmiClient:
    """Start the manager session."""
    account = settings.ami(path, os.environ)
    if not account.user:
        raise PjkaError(
            "no account for --ami",
            file=path,
            option="[ami] user",
            expected="a user there, or in the environment as PJKA_AMI_USER, with PJKA_AMI_SECRET",
        )
    client = AmiClient((account.host, account.port), account.user, account.secret, watch.learn)
    client.start()
    return client


def _serve(
    watch: Watch, path: Path | None, own: settings.Settings, notifier: Notifier, restore: bool
) -> None:
    asked = commands(watch)
    server = ControlServer(path or listen_path(own), asked, watch.events)
    before = {
        number: signal.signal(number, lambda *_: watch.stop()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    server.start()
    try:
        with pages(own, asked, watch.events):
            notifier.ready()
            watch.run()
        if restore and watch.session is not None:
            watch.session.attachment.restore()
    finally:
        notifier.stopping()
        server.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _apply(session: Session, as_json: bool) -> int:
    session.begin()
    session.settle(_SETTLE_SECONDS)
    unmet = [(held, held.unmet) for held in session.attachment.unmet()]
    _print(unmet, as_json, "Every socket has its policy.", "is not as wanted")
    return 1 if unmet else 0


def _preview(session: Session, as_json: bool) -> int:
    changes = [(held, drift) for held, drift in session.preview() if drift]
    _print(changes, as_json, "Nothing would change.", "would change")
    return 1 if changes else 0


def _print(sockets: list[tuple[Held, tuple[Drift, ...]]], as_json: bool, nothing: str, what: str) -> None:
    if as_json:
        click.echo(json.dumps([_members(held, drift) for held, drift in sockets]))
    elif not sockets:
        click.echo(nothing)
    else:
        click.echo("\n".join(f"{_name(held)} {what}: {_words(drift)}" for held, drift in sockets))


def _members(held: Held, drift: tuple[Drift, ...]) -> dict[str, object]:
    return {
        "transport": held.assignment.transport,
        "local": printed(held.connection.local),
        "peer": printed(held.connection.remote) if held.connection.remote[1] else None,
        "drift": {one.option.symbol: {"found": one.found, "wanted": one.option.value} for one in drift},
    }


def _name(held: Held) -> str:
    transport = printable(held.assignment.transport)
    if not held.connection.remote[1]:
        return f"listener {printed(held.connection.local)} of {transport}"
    return f"connection {printed(held.connection.local)} - {printed(held.connection.remote)} of {transport}"


def _words(drift: tuple[Drift, ...]) -> str:
    return "; ".join(map(str, drift)) or "its user timeout waits for the peer to answer"
