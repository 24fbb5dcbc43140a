"""The control protocol: one JSON object per line, both ways (``pjka/schemas/control.json``). No I/O here.

A request names a command, its arguments, how long the client waits (``timeout``, seconds) and an ``id`` that
comes back in the answer. An answer has ``ok`` and then ``result`` or ``error``; after ``events`` each line
has an ``event``, or the number of events ``lost`` because the client was too slow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from pjka.errors import PjkaError

VERSION: Final = 1
#: Bytes that a request may have, its newline included.
LINE_LIMIT: Final = 65536
#: Seconds that a client may ask the daemon to take for one command, and what is taken when it does not say.
TIMEOUT_LIMIT: Final = 120.0
TIMEOUT_DEFAULT: Final = 5.0
_MEMBERS: Final = frozenset({"version", "id", "command", "arguments", "timeout"})


class Code(StrEnum):
    """What kind of error an answer carries."""

    INVALID_REQUEST = "invalid-request"  # not JSON, or not of the form that the schema gives
    UNSUPPORTED_VERSION = "unsupported-version"
    UNKNOWN_COMMAND = "unknown-command"
    INVALID_ARGUMENT = "invalid-argument"
    FAILED = "failed"  # the command was understood and could not be carried out
    DEADLINE = "deadline"  # the daemon did not get to it within the timeout
    BUSY = "busy"  # too much asked at once
    TOO_LONG = "too-long"  # the request; the connection is closed after this answer
    IDLE = "idle"  # no whole request came for too long; closed after this answer
    INTERNAL = "internal"  # a defect of pjka; its log has the particulars


class RequestError(PjkaError):
    """A request that cannot be served; ``code`` says why, ``request`` is its id where that is known."""

    def __init__(
        self, code: Code, message: str, *, request: str | int | None = None, option: str | None = None
    ) -> None:
        super().__init__(message, option=option)
        self.code = code
        self.request = request


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    command: str
    arguments: Mapping[str, object]
    id: str | int | None = None
    timeout: float = TIMEOUT_DEFAULT  # s


def parse_request(line: bytes) -> Request:
    """The request in a line; raises RequestError, with the request's id where it could be read."""
    members = _object(line)
    number = members.get("id")
    if isinstance(number, bool) or not isinstance(number, str | int | None):
        raise RequestError(Code.INVALID_REQUEST, "id is neither a string nor an integer")
    version = members.get("version", VERSION)
    if type(version) is not int or version != VERSION:
        raise RequestError(
            Code.UNSUPPORTED_VERSION, f"this pjka speaks version {VERSION} of the protocol", request=number
        )
    if unknown := members.keys() - _MEMBERS:
        raise RequestError(Code.INVALID_REQUEST, f"unknown member {min(unknown)!r}", request=number)
    command, arguments = members.get("command"), members.get("arguments", {})
    if not isinstance(command, str):
        raise RequestError(Code.INVALID_REQUEST, "command is not a string", request=number)
    if not isinstance(arguments, dict):
        raise RequestError(Code.INVALID_REQUEST, "arguments is not an object", request=number)
    return Request(command, arguments, number, _timeout(members.get("timeout", TIMEOUT_DEFAULT), number))


def encode_request(request: Request) -> bytes:
    """The request as a line."""
    members = {"version": VERSION, "id": request.id, "command": request.command}
    return _line(members | {"arguments": dict(request.arguments), "timeout": request.timeout})


def encode_result(number: str | int | None, result: object) -> bytes:
    """The answer of a command that succeeded.

    Lists within the result are encoded item by item: one call for 5,000 rows would keep the interpreter's
    lock, and with it every other thread, for tens of milliseconds.
    """
    head = _text({"version": VERSION, "id": number, "ok": True})
    return f'{head[:-1]},"result":{_piecewise(result)}}}\n'.encode()


def encode_error(number: str | int | None, code: Code, error: PjkaError) -> bytes:
    """The answer of a request that failed, with what the error knows of the place that caused it."""
    known = {
        name: value
        for name in ("file", "line", "option", "value", "expected")
        if (value := getattr(error, name)) is not None
    }
    body = {"code": code, "message": error.message, **known}
    return _line({"version": VERSION, "id": number, "ok": False, "error": body})


def encode_event(event: object) -> bytes:
    """A line of the stream that ``events`` opens."""
    return _line({"version": VERSION, "event": event})


def encode_lost(count: int) -> bytes:
    """The line that stands for events which a slow client missed."""
    return _line({"version": VERSION, "lost": count})


def parse_answer(line: bytes) -> dict[str, object]:
    """The members of a line from the daemon; raises RequestError if it is not of this protocol."""
    members = _object(line)
    if members.get("version") != VERSION:
        raise RequestError(
            Code.UNSUPPORTED_VERSION, f"the daemon does not speak version {VERSION} of the protocol"
        )
    return members


def text_argument(arguments: Mapping[str, object], name: str, default: str | None = None) -> str:
    """The argument, a string; raises RequestError if it is something else, or missing without a default."""
    value = arguments.get(name, default)
    return value if isinstance(value, str) else _refuse(name, "a string")


def integer_argument(arguments: Mapping[str, object], name: str) -> int:
    """The argument, an integer; raises RequestError if it is missing or something else."""
    value = arguments.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else _refuse(name, "an integer")


def flag_argument(arguments: Mapping[str, object], name: str) -> bool:
    """The argument, true or false (if missing); raises RequestError if it is something else."""
    value = arguments.get(name, False)
    return value if isinstance(value, bool) else _refuse(name, "true or false")


def check_arguments(arguments: Mapping[str, object], known: frozenset[str]) -> None:
    """Raise RequestError for the first argument that the command does not know."""
    if unknown := arguments.keys() - known:
        expected = f"one of {', '.join(sorted(known))}" if known else "none"
        _refuse(min(unknown), expected)


def _refuse(name: str, expected: str) -> NoReturn:
    raise RequestError(Code.INVALID_ARGUMENT, f"argument {name}: expected {expected}")


def _timeout(value: object, number: str | int | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= TIMEOUT_LIMIT:
        message = f"timeout is not a number of seconds up to {TIMEOUT_LIMIT:g}"
        raise RequestError(Code.INVALID_REQUEST, message, request=number)
    return float(value)


def _object(line: bytes) -> dict[str, object]:
    try:
        members = json.loads(line, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(Code.INVALID_REQUEST, f"not a line of JSON: {error}") from error
    if not isinstance(members, dict):
        raise RequestError(Code.INVALID_REQUEST, "not a JSON object")
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _piecewise(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(str(name))}:{_piecewise(item)}" for name, item in value.items()) + "}"
    return _text(value)


def _line(members: object) -> bytes:
    return (_text(members) + "\n").encode()


def _text(value: object) -> str:
    return json.dumps(value, default=_members, allow_nan=False, separators=(",", ":"))


def _members(value: object) -> object:
    convert = getattr(value, "to_json", None)
    if convert is None:
        raise TypeError(f"{type(value).__name__} has no to_json")
    return convert()
