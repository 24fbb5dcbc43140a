"""The Asterisk Manager Interface without I/O: bytes in, messages out; actions out as bytes.

A message is a block of ``Name: value`` lines that an empty line ends (main/manager.c). Bytes that are no such
line, as a banner or the output of a command, never break the stream. `Manager` knows the login and joins the
events of a list to its action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from pjka.errors import PjkaError

LINE_LIMIT = 65_536
MESSAGE_LIMIT = 1_000
_BANNER = "Asterisk Call Manager/"


class AmiError(PjkaError):
    """What came is no AMI, an action was refused, or a value cannot be sent."""


@dataclass(frozen=True, slots=True)
class AmiMessage:
    """One block: the names and values in their order. Names compare without case; `get` gives the first."""

    fields: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """The first value under this name."""
        wanted = name.lower()
        return next((value for key, value in self.fields if key.lower() == wanted), default)

    @property
    def event(self) -> str:
        """The name of the event, "" for a response."""
        return self.get("Event")

    @property
    def is_response(self) -> bool:
        """Whether it answers an action."""
        return bool(self.fields) and self.fields[0][0].lower() == "response"


class AmiReader:
    """Splits a stream into messages; AmiError where it cannot be AMI, and then for good."""

    def __init__(self) -> None:
        self.banner = ""
        self._buffer = b""
        self._lines: list[tuple[str, str]] = []

    def feed(self, data: bytes) -> list[AmiMessage]:
        """The messages that these bytes complete."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LINE_LIMIT:
            raise AmiError(
                f"a line of more than {LINE_LIMIT} bytes", expected="an Asterisk manager interface"
            )
        return [
            message for line in lines for message in self._line(line.rstrip(b"\r").decode("utf-8", "replace"))
        ]

    def _line(self, line: str) -> Iterator[AmiMessage]:
        if not self.banner:
            self._greet(line)
        elif line:
            self._add(line)
        elif self._lines:
            message = AmiMessage(tuple(self._lines))
            self._lines = []
            yield message

    def _greet(self, line: str) -> None:
        if not line.startswith(_BANNER):
            raise AmiError("the greeting is not Asterisk's", value=line[:80], expected=f"{_BANNER}VERSION")
        self.banner = line

    def _add(self, line: str) -> None:
        name, colon, value = line.partition(":")
        if not colon:
            name, value = "Output", line
        if len(self._lines) >= MESSAGE_LIMIT:
            raise AmiError(f"a message of more than {MESSAGE_LIMIT} lines")
        self._lines.append((name.strip(), value.strip()))


def encode_action(action: str, fields: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> bytes:
    """An action as it is sent; AmiError for a line break, which would smuggle in another field or action."""
    pairs = [("Action", action), *(fields.items() if isinstance(fields, Mapping) else fields)]
    for name, value in pairs:
        if any(mark in name + value for mark in "\r\n\0"):
            raise AmiError("a line break in an action", option=name)
    return "".join(f"{name}: {value}\r\n" for name, value in pairs).encode() + b"\r\n"


class ManagerState(Enum):
    """Where the conversation stands."""

    GREETING = "greeting"
    LOGIN = "login"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action came to: its response, and the events of its list where it has one.

    ``number`` is what `Manager.ask` returned.
    """

    number: int
    response: AmiMessage
    events: tuple[AmiMessage, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether Asterisk did it."""
        return self.response.get("Response").lower() in ("success", "follows", "goodbye")


@dataclass(slots=True)
class _Pending:
    response: AmiMessage | None = None
    events: list[AmiMessage] = field(default_factory=list)


class Manager:
    """One manager session: login, questions, events.

    Give it what was received, and send what it has `to_send`.
    """

    def __init__(self, user: str, secret: str, events: str = "system,command") -> None:
        self.state = ManagerState.GREETING
        self.reason = ""
        self._login = encode_action(
            "Login", {"ActionID": "0", "Username": user, "Secret": secret, "Events": events}
        )
        self._reader = AmiReader()
        self._outgoing = b""
        self._waiting: dict[str, _Pending] = {}
        self._queued: list[bytes] = []
        self._next = 1

    def to_send(self) -> bytes:
        """What is to be sent now; each byte is given once."""
        data, self._outgoing = self._outgoing, b""
        return data

    def ask(self, action: str, fields: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> int:
        """Have an action sent as soon as the login is done; the number is that of its answer."""
        number = self._next
        self._next += 1
        pairs = [*(fields.items() if isinstance(fields, Mapping) else fields)]
        data = encode_action(action, [("ActionID", str(number)), *pairs])
        self._waiting[str(number)] = _Pending()
        if self.state is ManagerState.READY:
            self._outgoing += data
        else:
            self._queued.append(data)
        return number

    def receive(self, data: bytes) -> list[Answer | AmiMessage]:
        """Take in what came; the answers and the events, in order. AmiError where it is no AMI."""
        told: list[Answer | AmiMessage] = []
        messages = self._reader.feed(data)
        if self.state is ManagerState.GREETING and self._reader.banner:
            self.state = ManagerState.LOGIN
            self._outgoing += self._login
        for message in messages:
            told += self._take(message)
        return told

    def _take(self, message: AmiMessage) -> list[Answer | AmiMessage]:
        number = message.get("ActionID")
        if number == "0" and message.is_response:
            self._logged_in(message)
            return []
        pending = self._waiting.get(number)
        if pending is None:
            return [message] if message.event else []
        return [*self._join(number, pending, message)]

    def _logged_in(self, message: AmiMessage) -> None:
        if message.get("Response").lower() == "success":
            self.state = ManagerState.READY
            self._outgoing += b"".join(self._queued)
            self._queued.clear()
        else:
            self.state = ManagerState.REFUSED
            self.reason = message.get("Message")

    def _join(self, number: str, pending: _Pending, message: AmiMessage) -> Iterator[Answer]:
        """A list starts with ``EventList: start`` in the response, and ends with ``EventList: Complete``."""
        ended = message.get("EventList").lower() in ("complete", "cancelled")
        if message.is_response:
            pending.response = message
            ended = message.get("EventList").lower() != "start"
        elif not ended:
            pending.events.append(message)
        if ended and pending.response is not None:
            del self._waiting[number]
            yield Answer(int(number), pending.response, tuple(pending.events))
