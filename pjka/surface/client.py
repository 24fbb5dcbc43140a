"""Asking the daemon: one request and its answer, or the stream of events, over the control socket."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pjka.errors import PjkaError
from pjka.surface.protocol import Request, encode_request, parse_answer

#: Where the control socket of the system's daemon is.
SYSTEM_SOCKET: Final = Path("/run/pjka/control.sock")
#: Seconds that an answer may take beyond the time that the daemon was given for the command.
_MARGIN: Final = 2.0
_CONNECT_PAUSE: Final = 0.02
_CHUNK: Final = 2**18
_ANSWER_LIMIT: Final = 2**28


class NoDaemonError(PjkaError):
    """Nobody answers at the control socket; ``value`` is its path."""


class NotPermittedError(PjkaError):
    """The control socket belongs to another user; ``value`` is its path."""


class CommandError(PjkaError):
    """The daemon refused; ``code`` is that of the protocol, the rest as the daemon said it."""

    def __init__(self, members: Mapping[str, object]) -> None:
        text = {
            name: str(members[name]) for name in ("file", "option", "value", "expected") if name in members
        }
        line = members.get("line")
        super().__init__(
            str(members.get("message", "no reason given")),
            file=text.get("file"),
            line=line if isinstance(line, int) else None,
            option=text.get("option"),
            value=text.get("value"),
            expected=text.get("expected"),
        )
        self.code = str(members.get("code"))


def own_socket(environment: Mapping[str, str], user: int, configured: str | None = None) -> Path:
    """Where a daemon of this user (an effective uid) opens its control socket.

    PJKA_SOCKET decides, then what pjka.conf says (``configured``); then it is below /run for root, and below
    XDG_RUNTIME_DIR for others who have one.
    """
    if given := environment.get("PJKA_SOCKET") or configured:
        return Path(given)
    runtime = environment.get("XDG_RUNTIME_DIR")
    return SYSTEM_SOCKET if user == 0 or not runtime else Path(runtime) / "pjka" / SYSTEM_SOCKET.name


def daemon_socket(environment: Mapping[str, str], user: int, configured: str | None = None) -> Path:
    """Where this user finds a daemon: a daemon of theirs, or else the system's."""
    own = own_socket(environment, user, configured)
    if environment.get("PJKA_SOCKET") or configured or own.exists() or not SYSTEM_SOCKET.exists():
        return own
    return SYSTEM_SOCKET


class ControlClient:
    """A connection to the daemon; a context manager."""

    def __init__(self, path: Path, patience: float = 5.0) -> None:
        """Connect within ``patience`` seconds; raises NoDaemonError or NotPermittedError."""
        self.path = path
        self._buffer = bytearray()
        self._socket = _connected(path, time.monotonic() + patience)

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def request(self, command: str, arguments: Mapping[str, object], timeout: float = 5.0) -> object:
        """The result of a command that the daemon may take ``timeout`` seconds for.

        Raises CommandError if the daemon refuses, NoDaemonError if it goes away or does not answer in time.
        """
        deadline = time.monotonic() + timeout + _MARGIN
        try:
            self._send(encode_request(Request(command, arguments, timeout=timeout)), deadline)
            answer = parse_answer(self._line(deadline))
        except TimeoutError as error:
            raise _gone(self.path, f"no answer within {timeout + _MARGIN:g} s") from error
        if answer.get("ok") is True:
            return answer.get("result")
        refusal = answer.get("error")
        raise CommandError(refusal if isinstance(refusal, dict) else {})

    def events(
        self, arguments: Mapping[str, object], seconds: float | None = None
    ) -> Iterator[dict[str, object]]:
        """What the daemon reports from now on: objects with ``event``, or with ``lost``, a number of events.

        Ends after ``seconds``, if given; raises CommandError for wrong filters, and NoDaemonError when the
        daemon goes away.
        """
        self.request("events", arguments)
        deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while True:
                yield parse_answer(self._line(deadline))

    def _send(self, line: bytes, deadline: float) -> None:
        self._wait_until(deadline)
        try:
            self._socket.sendall(line)
        except ConnectionError:
            pass  # the daemon turned us away and said why: that is read next

    def _line(self, deadline: float | None) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > _ANSWER_LIMIT:
                raise _gone(self.path, f"an answer of more than {_ANSWER_LIMIT} bytes")
            self._buffer += self._received(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _received(self, deadline: float | None) -> bytes:
        self._wait_until(deadline)
        try:
            data = self._socket.recv(_CHUNK)
        except ConnectionError as error:
            raise _gone(self.path, error.strerror or str(error)) from error
        if not data:
            raise _gone(self.path, "the daemon ended the connection")
        return data

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            self._socket.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


def _gone(path: Path, why: str) -> NoDaemonError:
    return NoDaemonError(f"no pjka answers at {path}: {why}", value=str(path))


def _connected(path: Path, deadline: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect(connection, path, deadline)
    except PermissionError as error:
        connection.close()
        raise NotPermittedError(f"not permitted to use {path}: run as its owner, or as root") from error
    except (OSError, ValueError) as error:
        connection.close()
        reason = getattr(error, "strerror", None) or error
        raise _gone(path, f"{reason}; is `pjka run` or `pjka attach` running?") from error
    return connection


def _connect(connection: socket.socket, path: Path, deadline: float) -> None:
    while True:
        connection.settimeout(max(0.0, deadline - time.monotonic()))
        try:
            return connection.connect(str(path))
        except BlockingIOError:  # its queue of clients is full
            if time.monotonic() >= deadline:
                raise
            time.sleep(_CONNECT_PAUSE)
