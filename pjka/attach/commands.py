"""What the control socket of `attach` can be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pjka.attach import contact_rows, rows
from pjka.attach.session import Session
from pjka.attach.watch import Watch
from pjka.errors import PjkaError
from pjka.status import Cause, ConnectionRow, Row
from pjka.surface.protocol import check_arguments, flag_argument, integer_argument
from pjka.surface.shows import Command, show_commands

_RELOAD_SECONDS = 60.0
_CALLS_SECONDS, _CALLS_LOOK = 3.0, 0.02
_CALLS_UNKNOWN = "without --ami it is not known whether it carried a call"


def commands(watch: Watch) -> dict[str, Command]:
    """The commands by name; each is carried out on the thread of the watch."""
    sources: Mapping[str, Callable[[Session], Iterable[Row]]] = {
        "transports": rows.transports,
        "connections": rows.connections,
        "contacts": contact_rows.contacts,
        "aors": contact_rows.aors,
        "endpoints": contact_rows.endpoints,
        "deaths": rows.deaths,
        "engine": rows.engine,
    }
    shows = show_commands({name: _source(watch, source) for name, source in sources.items()})
    return {
        **shows,
        "kill": lambda arguments: _kill(watch, arguments),
        "reload": lambda arguments: watch.call(lambda session: reload(session, arguments), _RELOAD_SECONDS),
    }


def _kill(watch: Watch, arguments: Mapping[str, object]) -> ConnectionRow:
    """Ask the PBX for its calls first, where it can be asked."""
    if watch.ask_pbx is not None and not flag_argument(arguments, "force"):
        before = watch.call(lambda session: session.contacts.asked)
        watch.ask_pbx()
        deadline = time.monotonic() + _CALLS_SECONDS
        while watch.call(lambda session: session.contacts.asked) == before:
            if time.monotonic() > deadline:
                raise PjkaError("the PBX does not say whether it carries a call", option="force")
            time.sleep(_CALLS_LOOK)
    return watch.call(lambda session: kill(session, arguments))


def kill(session: Session, arguments: Mapping[str, object]) -> ConnectionRow:
    """End the connection with the serial in ``connection``, not one that carries a call without ``force``.

    PjkaError where there is none, or no right to end it.
    """
    check_arguments(arguments, frozenset({"connection", "force"}))
    serial = integer_argument(arguments, "connection")
    row = next((row for row in rows.connections(session) if row.serial == serial), None)
    held = next((one for one in session.attachment.connections.values() if one.serial == serial), None)
    if row is None or held is None:
        raise PjkaError(f"there is no connection {serial}")
    if session.contacts.carries_call(held.connection.remote) and not flag_argument(arguments, "force"):
        raise PjkaError(f"connection {serial} carries a call", option="force")
    try:
        ended = session.attachment.kill(held, Cause.KILLED)
    except OSError as error:
        raise PjkaError(
            f"the kernel refuses to end it: {error.strerror}", expected="CAP_NET_ADMIN"
        ) from error
    if not ended:
        raise PjkaError(f"connection {serial} has ended already")
    return row if session.contacts.known else replace(row, note=_CALLS_UNKNOWN)


def reload(session: Session, arguments: Mapping[str, object]) -> object:
    """Read the configuration again; PjkaError where it is unusable, and the one before stays in force.

    With ``dry_run`` only say what would change.
    """
    check_arguments(arguments, frozenset({"dry_run"}))
    dry_run = flag_argument(arguments, "dry_run")
    return {"dry_run": dry_run, "rows": session.preview_reload() if dry_run else session.reload()}


def _source(watch: Watch, source: Callable[[Session], Iterable[Row]]) -> Callable[[], Iterable[Row]]:
    return lambda: watch.call(source)
