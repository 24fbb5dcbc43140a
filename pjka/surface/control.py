"""The control socket: commands and an event stream for local clients, on a thread of its own.

The server knows neither rows nor pjproject. The owner gives it

* ``commands``, a mapping from a command's name to a function of its arguments. A function is called in a
  thread made for that one call, so it may wait for the reactor; whatever it raises or however long it hangs,
  the client gets an answer by its deadline and other clients are not held up. It returns what JSON can
  express, or values with a ``to_json``; it refuses by raising a PjkaError.
* ``events``, whose ``subscribe`` is called once. Events may be delivered on any thread; that never blocks.

The protocol is that of ``pjka.surface.protocol``; ``events`` is the one command that is built in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from pjka.errors import PjkaError
from pjka.logs import Members, fields
from pjka.surface.connection import ClientConnection, EventQueue, Limits
from pjka.surface.listener import BACKLOG, ControlListener
from pjka.surface.protocol import (
    LINE_LIMIT,
    Code,
    Request,
    RequestError,
    encode_error,
    encode_event,
    encode_result,
    parse_request,
)
from pjka.surface.shows import EVENT_FILTERS, Command, parse_filter

_log: Final = logging.getLogger(__name__)
_START_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 5.0


class EventSource(Protocol):
    """Where events come from."""

    def subscribe(self, deliver: Callable[[Members], None]) -> Callable[[], None]:
        """Call ``deliver`` with each event from now on, on any thread; the function returned ends that.

        An event's members are at least ``event``, its name, and ``at``, s since the epoch.
        """


class ControlServer:
    """The server; ``start`` it once, and ``stop`` it."""

    def __init__(
        self, path: Path, commands: Mapping[str, Command], events: EventSource, limits: Limits | None = None
    ) -> None:
        self.path = path
        self._commands = commands
        self._events = events
        self._limits = limits or Limits()
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pjka-control", daemon=True)

    def start(self) -> None:
        """Listen; raises ListenError if the socket cannot be had, PjkaError if the thread does not start."""
        self._listener = ControlListener(self.path)
        self._thread.start()
        if not self._running.wait(_START_SECONDS):
            raise PjkaError("the control server did not start", value=str(self.path))
        self._unsubscribe = self._events.subscribe(self._deliver)

    def stop(self) -> None:
        """Disconnect every client and remove the socket; a command still running ends by itself."""
        self._unsubscribe()
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_STOP_SECONDS)
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self._slots = asyncio.Semaphore(self._limits.commands)
        self._clients: dict[asyncio.Task[None], ClientConnection] = {}
        self._streams: set[EventQueue] = set()
        server = await asyncio.start_unix_server(
            self._accept, sock=self._listener.socket, limit=LINE_LIMIT, backlog=BACKLOG
        )
        self._running.set()
        await self._ending.wait()
        server.close()
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = ClientConnection(reader, writer, self._limits)
        task = self._loop.create_task(self._serve(client))
        self._clients[task] = client
        task.add_done_callback(self._clients.pop)

    async def _serve(self, client: ClientConnection) -> None:
        try:
            if len(self._clients) > self._limits.clients:
                raise RequestError(Code.BUSY, f"more than {self._limits.clients} clients")
            while line := await client.read():
                await self._respond(client, line)
        except RequestError as error:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await client.send(encode_error(error.request, error.code, error))
            _log.info(
                "control-client-refused", extra=fields(pid=client.pid, uid=client.uid, reason=error.message)
            )
        except (ConnectionError, TimeoutError):
            _log.info("control-client-lost", extra=fields(pid=client.pid, uid=client.uid))
        finally:
            client.abort()

    async def _respond(self, client: ClientConnection, line: bytes) -> None:
        try:
            request = parse_request(line)
            if request.command == "events":
                return await self._stream(client, request)
        except RequestError as error:
            answer = encode_error(error.request, error.code, error)
        else:
            answer = self._within_memory(request, await self._answer(client, request))
        await client.send(answer)
        # A client with many requests waiting in its buffer leaves the turn to the others.
        await asyncio.sleep(0)
        return None

    async def _answer(self, client: ClientConnection, request: Request) -> bytes:
        command = self._commands.get(request.command)
        if command is None:
            return encode_error(request.id, Code.UNKNOWN_COMMAND, self._unknown(request.command))
        if not request.command.startswith("show "):
            _log.info(
                "control-command", extra=fields(command=request.command, pid=client.pid, uid=client.uid)
            )
        code, problem = Code.BUSY, f"{self._limits.commands} commands are under way already"
        try:
            async with asyncio.timeout(request.timeout):
                await self._slots.acquire()
                code, problem = Code.DEADLINE, f"pjka did not get to it within {request.timeout:g} s"
                return await self._carry_out(command, request)
        except TimeoutError:
            return encode_error(request.id, code, PjkaError(problem))

    def _unknown(self, command: str) -> PjkaError:
        known = ", ".join(sorted([*self._commands, "events"]))
        return PjkaError("unknown command", option="command", value=command, expected=known)

    async def _carry_out(self, command: Command, request: Request) -> bytes:
        """Call the command in a thread of its own: a pool's threads would be lost to commands that hang."""
        answer: asyncio.Future[bytes] = self._loop.create_future()
        thread = threading.Thread(
            target=self._work, args=(command, request, answer), name="pjka-command", daemon=True
        )
        thread.start()
        return await answer

    def _work(self, command: Command, request: Request, answer: asyncio.Future[bytes]) -> None:
        # What escapes is a defect: it goes on to threading.excepthook, and the client still gets an answer.
        line = encode_error(request.id, Code.INTERNAL, PjkaError("the command failed; see the log of pjka"))
        try:
            line = _perform(command, request)
        finally:
            with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
                self._loop.call_soon_threadsafe(self._finish, answer, line)

    def _finish(self, answer: asyncio.Future[bytes], line: bytes) -> None:
        self._slots.release()
        if not answer.done():
            answer.set_result(line)

    def _within_memory(self, request: Request, answer: bytes) -> bytes:
        unread = sum(client.unread for client in self._clients.values())
        if unread + len(answer) <= self._limits.unread:
            return answer
        return encode_error(request.id, Code.BUSY, PjkaError("too many answers wait to be read"))

    async def _stream(self, client: ClientConnection, request: Request) -> None:
        queue = EventQueue(parse_filter(request.arguments, EVENT_FILTERS), self._limits.queue)
        self._streams.add(queue)
        try:
            await client.send(encode_result(request.id, {"streaming": True}))
            await client.stream(queue)
        finally:
            self._streams.discard(queue)

    def _deliver(self, event: Members) -> None:
        if self._streams:
            with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
                self._loop.call_soon_threadsafe(self._distribute, event)

    def _distribute(self, event: Members) -> None:
        members = event.to_json()
        line = encode_event(members)
        for queue in self._streams:
            queue.put(members, line)


def _perform(command: Command, request: Request) -> bytes:
    try:
        return encode_result(request.id, command(request.arguments))
    except RequestError as error:
        return encode_error(request.id, error.code, error)
    except PjkaError as error:
        return encode_error(request.id, Code.FAILED, error)
    except TimeoutError:
        return encode_error(request.id, Code.DEADLINE, PjkaError("the reactor did not answer in time"))
    except OSError as error:
        return encode_error(request.id, Code.FAILED, PjkaError(str(error)))
