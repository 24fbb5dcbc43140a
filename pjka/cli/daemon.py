"""What the commands that talk to a running daemon have in common."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from pjka.cli.failures import Failed, NotPermitted, Unusable
from pjka.conf import settings
from pjka.conf.settings import Settings
from pjka.errors import PjkaError
from pjka.surface.client import (
    SYSTEM_SOCKET,
    CommandError,
    ControlClient,
    NoDaemonError,
    NotPermittedError,
    daemon_socket,
    own_socket,
)
from pjka.surface.protocol import Code, RequestError
from pjka.text import printable

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_COMPLETION_SECONDS: Final = 0.5


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Turn what can go wrong between client and daemon into a message and an exit code."""
    try:
        yield
    except NotPermittedError as error:
        raise NotPermitted(str(error)) from error
    except (NoDaemonError, RequestError) as error:
        raise Unusable(str(error)) from error
    except CommandError as error:
        usage = error.code in (Code.INVALID_ARGUMENT, Code.UNKNOWN_COMMAND)
        raise (Unusable if usage else Failed)(str(error)) from error
    except PjkaError as error:
        raise Failed(str(error)) from error


def socket_option() -> Decorator:
    """``--socket`` of a command that asks a daemon."""
    return _socket_option(lambda: daemon_socket(os.environ, os.geteuid(), _configured()))


def listen_option() -> Decorator:
    """``--socket`` of a command that is a daemon; :func:`listen_path` where it is not given."""
    return _socket_option(None)


def listen_path(own: Settings) -> Path:
    """Where a daemon with these settings opens its control socket."""
    return own_socket(os.environ, os.geteuid(), _other_than_default(own))


def settings_option() -> Decorator:
    """``--settings`` of a command that is a daemon; its value is for :func:`own_settings`."""
    return click.option(
        "--settings",
        "settings_path",
        type=click.Path(dir_okay=False),
        help=f"pjka's own settings. [default: {settings.DEFAULT_PATH}, if it can be read]",
    )


def own_settings(path: str | None) -> Settings:
    """The settings in the file, or in the default one if that can be read; raises SettingsError."""
    if path is None and not os.access(settings.DEFAULT_PATH, os.R_OK):
        return Settings()
    return settings.load(path or settings.DEFAULT_PATH, os.environ)


def _socket_option(default: Callable[[], Path] | None) -> Decorator:
    return click.option(
        "--socket",
        "path",
        type=click.Path(path_type=Path),
        default=default,
        help="The daemon's control socket. [default: PJKA_SOCKET, pjka.conf, /run/pjka, XDG_RUNTIME_DIR]",
    )


def json_option() -> Decorator:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON (pjka/schemas/control.json).")


def filter_option(name: str) -> Decorator:
    """``--transport``, ``--peer`` or ``--aor``."""
    texts = {
        "transport": "Only those of transports like this: a name, with * and ?.",
        "peer": "Only those with a peer like this: address or address:port, with * and ?, or a network.",
        "aor": "Only those of AORs like this: a name, with * and ?.",
    }
    complete = {"transport": completion("transports", "id"), "aor": completion("aors", "id")}.get(name)
    return click.option(f"--{name}", metavar="PATTERN", help=texts[name], shell_complete=complete)


def completion(subject: str, member: str) -> Complete:
    """Shell completion by what the daemon knows: this member of the rows of ``show SUBJECT``."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            with ControlClient(_path_of(context), _COMPLETION_SECONDS) as client:
                rows = members_of(client.request(f"show {subject}", {}, _COMPLETION_SECONDS))
        except PjkaError:
            return []
        values = [printable(str(row.get(member, ""))) for row in rows]
        return [CompletionItem(value) for value in values if value.startswith(incomplete)]

    return complete


def _path_of(context: click.Context) -> Path:
    given: Path | None = context.params.get("path")
    return given or daemon_socket(os.environ, os.geteuid(), _configured())


def _configured() -> str | None:
    """The socket that pjka.conf names; a file that may not be read, as it has secrets, decides nothing."""
    try:
        return _other_than_default(settings.load(settings.DEFAULT_PATH, os.environ))
    except settings.SettingsError:
        return None


def _other_than_default(own: Settings) -> str | None:
    return None if own.control_socket == str(SYSTEM_SOCKET) else own.control_socket


def members_of(answer: object) -> list[dict[str, object]]:
    """The rows in an answer of the daemon, as they came; raises PjkaError if it has none."""
    rows = answer.get("rows") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PjkaError("the daemon's answer has no rows")
    return rows
