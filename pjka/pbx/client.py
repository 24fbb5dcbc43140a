"""A manager session over TCP, on a thread of its own that comes back by itself after every failure."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from pjka.pbx.ami import AmiError, AmiMessage, Answer, Manager, ManagerState
from pjka.pbx.contacts import PbxContact, contact_of

_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 10.0
_RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
_ASK_AGAIN = 60.0
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All contacts that the PBX has now, and the endpoints that have calls.

    ``keep_alive``: seconds of `keep_alive_interval` as the PBX has it, None where it does not tell.
    """

    contacts: tuple[PbxContact, ...]
    calling: frozenset[str]
    keep_alive: int | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """The PBX cannot be asked, and why; it is tried again."""

    reason: str


News = Snapshot | PbxContact | Trouble


class AmiClient:
    """Tells what the PBX knows: everything after each login and every minute, and each change at once.

    ``tell`` is called on the client's thread. `start` it once, and `stop` it.
    """

    def __init__(
        self, address: tuple[str, int], user: str, secret: str, tell: Callable[[News], object]
    ) -> None:
        self._address = address
        self._account = user, secret
        self._tell = tell
        self._stopping = threading.Event()
        self._again = threading.Event()
        self._orders: SimpleQueue[tuple[str, Mapping[str, str]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="pjka-ami", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def order(self, action: str, fields: Mapping[str, str]) -> None:
        """Have an action done once the session is up, and everything asked for anew; from any thread."""
        self._orders.put((action, fields))

    def ask(self) -> None:
        """Have everything asked for anew; from any thread."""
        self._again.set()

    def stop(self) -> None:
        """End the session."""
        self._stopping.set()
        self._thread.join(_CONNECT_SECONDS + _POLL_SECONDS)

    def _run(self) -> None:
        failures = 0
        told = ""
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._converse()
            except (OSError, AmiError) as error:
                reason = str(error)
            else:
                return
            failures = 0 if time.monotonic() - began > _ASK_AGAIN else failures + 1
            if reason != told or not failures:
                self._tell(Trouble(reason))
            told = reason
            self._stopping.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS)) - 1])

    def _converse(self) -> None:
        manager = Manager(*self._account)
        with socket.create_connection(self._address, _CONNECT_SECONDS) as connection:
            connection.settimeout(_POLL_SECONDS)
            questions = _Questions(manager)
            deadline = time.monotonic() + _ANSWER_SECONDS
            while not self._stopping.is_set():
                connection.sendall(manager.to_send())
                if manager.state is ManagerState.REFUSED:
                    raise AmiError(f"the manager refuses the login: {manager.reason}")
                if manager.state is ManagerState.READY:
                    deadline = questions.deadline
                if time.monotonic() > deadline:
                    raise AmiError("the manager does not answer")
                while not self._orders.empty() and manager.state is ManagerState.READY:
                    questions.order(*self._orders.get_nowait())
                if self._again.is_set():
                    self._again.clear()
                    questions.again()
                questions.ask(time.monotonic())
                for one in self._received(connection, manager):
                    self._consider(one, questions)

    def _received(self, connection: socket.socket, manager: Manager) -> Sequence[Answer | AmiMessage]:
        try:
            data = connection.recv(_CHUNK)
        except TimeoutError:
            return ()
        if not data:
            raise AmiError("the manager closed the session")
        return manager.receive(data)

    def _consider(self, one: Answer | AmiMessage, questions: _Questions) -> None:
        if isinstance(one, Answer):
            if one.number in questions.orders and not one.ok:
                self._tell(Trouble(f"the manager refuses an action: {one.response.get('Message')}"))
            snapshot = questions.answered(one)
            if snapshot is not None:
                self._tell(snapshot)
        elif one.event == "ContactStatus":
            contact = contact_of(one)
            if contact is not None:
                self._tell(contact)
                if contact.status == "Unreachable":  # it may be given up, if it has no call
                    questions.again()


class _Questions:
    """What makes a snapshot, asked for every minute and after each order."""

    def __init__(self, manager: Manager) -> None:
        self.deadline = float("inf")
        self._manager = manager
        self._due = 0.0
        self._contacts = self._channels = self._settings = 0
        self.orders: set[int] = set()
        self._answers: dict[int, Answer] = {}

    def order(self, action: str, fields: Mapping[str, str]) -> None:
        self.orders.add(self._manager.ask(action, fields))
        self.again()

    def again(self) -> None:
        self._due = 0.0

    def ask(self, now: float) -> None:
        if self._manager.state is ManagerState.READY and now >= self._due:
            self._answers.clear()
            self._contacts = self._manager.ask("PJSIPShowContacts")
            self._channels = self._manager.ask("CoreShowChannels")
            self._settings = self._manager.ask("Command", {"Command": "pjsip show settings"})
            self._due, self.deadline = now + _ASK_AGAIN, now + _ANSWER_SECONDS

    def answered(self, answer: Answer) -> Snapshot | None:
        self._answers[answer.number] = answer
        if not {self._contacts, self._channels, self._settings} <= self._answers.keys():
            return None
        self.deadline = float("inf")
        listed = (contact_of(event) for event in self._answers[self._contacts].events)
        names = (event.get("Channel") for event in self._answers[self._channels].events)
        return Snapshot(
            tuple(contact for contact in listed if contact is not None),
            frozenset(name[6:].rpartition("-")[0] for name in names if name.startswith("PJSIP/")),
            keep_alive_in(self._answers[self._settings]),
        )


def keep_alive_in(answer: Answer) -> int | None:
    """``keep_alive_interval`` in the answer to ``pjsip show settings``; None where that was refused."""
    for name, value in answer.response.fields:
        option, _, number = value.partition(":")
        if name == "Output" and option.strip() == "keep_alive_interval" and number.strip().isdecimal():
            return int(number)
    return None
