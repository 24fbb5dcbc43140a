"""pjproject's endpoint on a reactor: no worker threads, no media, no sound, no keep-alive of its own."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from pjka.errors import PjkaError
from pjka.pjproject.engine import active_engine
from pjka.pjproject.layouts import LogFunction
from pjka.pjproject.native import TIMERS, Native
from pjka.pjproject.reactor import Reactor
from pjka.pjproject.wakeup import Wakeup

logger = logging.getLogger("pjproject")

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
_NO_NETWORK = 3


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What our own endpoint is started with; ``timer_t1`` and ``timer_b`` in milliseconds (RFC 3261).

    ``trial_reachable`` lets the trial engine listen where other hosts can reach it.
    """

    user_agent: str = "pjka"
    timer_t1: int = 500
    timer_b: int = 32000
    trial_reachable: bool = False


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise pjsua2's own error as PjkaError, saying ``what`` failed."""
    try:
        yield
    except pj.Error as error:
        raise PjkaError(f"{what}: {error.reason} ({error.status})") from error


class Endpoint:
    """pjproject in this process, started by us and run by a reactor of its own.

    ``pj`` is pjsua2's endpoint, ``native`` the rest of pjproject; both are for the reactor's thread only.
    There can be one at a time in a process.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.engine = active_engine()
        self.loopback_only = self.engine.loopback_only and not settings.trial_reachable
        self.native = Native(self.engine.path)
        self.pj: Any = None
        self.reactor = Reactor(_EnginePoller(self, settings))

    def start(self) -> None:
        """Start pjproject on its thread; PjkaError if it does not start or is not laid out as known."""
        self.reactor.start()

    def stop(self) -> None:
        """Stop pjproject and its thread. TimeoutError if it does not stop within 10 s."""
        self.reactor.stop()


class HostedEndpoint:
    """pjproject in this process, started and polled by the program that pjka is loaded into.

    The reactor is a thread of its own that makes pjka's calls; ``endpoint`` is the program's pjsua2 endpoint,
    and so is the decision where its engine may listen.
    """

    def __init__(self, endpoint: Any) -> None:
        self.engine = active_engine()
        self.loopback_only = False
        self.native = Native(self.engine.path)
        self.pj = endpoint
        self.reactor = Reactor(_HostedPoller(self))

    def start(self) -> None:
        """Start the thread; PjkaError if pjproject is not running or not laid out as known."""
        if self.pj.libGetState() < pj.PJSUA_STATE_INIT:
            raise PjkaError("the endpoint is to be initialised (libInit) before pjka is loaded into it")
        self.reactor.start()

    def stop(self) -> None:
        """Stop the thread. TimeoutError if it does not stop within 10 s."""
        self.reactor.stop()

    def forget(self) -> None:
        """Let go of the program's endpoint: it can make another one only when all have let go of this."""
        self.pj = None


class _EnginePoller:
    def __init__(self, owner: Endpoint, settings: EndpointSettings) -> None:
        self._owner = owner
        self._settings = settings
        self._wakeup = Wakeup()
        self._log = LogFunction(_log)

    def open(self) -> None:
        native = self._owner.native
        native.check_configuration()
        self._take_log()
        with translated("pjproject does not start"):
            endpoint = pj.Endpoint()
            endpoint.libCreate()
            self._owner.pj = endpoint
            endpoint.libInit(_configuration(self._settings))
            self._take_log()
            native.disable_keep_alive()
            native.set_timers(self._settings.timer_t1, 0, 0, self._settings.timer_b)
            endpoint.libStart()
        native.check_manager()
        self._wakeup.attach(native)

    def poll(self, seconds: float) -> None:
        self._owner.pj.libHandleEvents(int(seconds * 1000 + 0.999))
        self._wakeup.settle()

    def wake(self) -> None:
        self._wakeup.wake()

    def close(self) -> None:
        if self._owner.pj is not None:
            self._wakeup.detach()
            self._owner.native.set_timers(*TIMERS)
            self._owner.pj.libDestroy(_NO_NETWORK)
            self._owner.pj = None
        self._wakeup.close()
        library = self._owner.native.library
        library.pj_log_set_log_func(ctypes.cast(library.pj_log_write, LogFunction))

    def _take_log(self) -> None:
        library = self._owner.native.library
        self._owner.native.declare("pj_log_set_log_func", None, LogFunction)
        library.pj_log_set_level(_log_level())
        library.pj_log_set_log_func(self._log)


class _HostedPoller:
    def __init__(self, owner: HostedEndpoint) -> None:
        self._owner = owner
        self._woken = threading.Event()

    def open(self) -> None:
        with translated("pjproject does not know the reactor's thread"):
            self._owner.pj.libRegisterThread("pjka")
        self._owner.native.check_manager()
        self._owner.native.require_fresh()
        self._owner.native.disable_keep_alive()

    def poll(self, seconds: float) -> None:
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        """The endpoint is the program's own."""


def _configuration(settings: EndpointSettings) -> Any:
    configuration = pj.EpConfig()
    configuration.uaConfig.userAgent = settings.user_agent
    configuration.uaConfig.threadCnt = 0
    configuration.uaConfig.maxCalls = 1
    configuration.medConfig.threadCnt = 0
    configuration.medConfig.hasIoqueue = False
    configuration.logConfig.level = _log_level()
    configuration.logConfig.consoleLevel = 0
    configuration.logConfig.msgLogging = 0
    configuration.logConfig.decor = pj.PJ_LOG_HAS_SENDER
    return configuration


def _log_level() -> int:
    return 4 if logger.isEnabledFor(logging.DEBUG) else 2


def _log(level: int, data: int, length: int) -> None:
    text = ctypes.string_at(data, length).decode("utf-8", "replace").strip()
    logger.log(_LEVELS.get(level, logging.DEBUG), "%s", text.translate(_CONTROL))
