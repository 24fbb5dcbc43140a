"""Messages that belong to no transaction of pjproject's: late answers, and OPTIONS while shutting down.

Incoming OPTIONS are otherwise answered by pjsua itself: 200 with Allow, Accept and Supported. But while it
ends it says 480, where 503 is what tells a peer to try elsewhere (RFC 3261 section 21.5.4).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from pjka.pjproject.layouts import MessageFunction, Module, String
from pjka.pjproject.messages import Messages, Received
from pjka.pjproject.native import Native

_PRIORITY = 20  # after pjproject's transaction layer (16), before its user agents (32)
_UNAVAILABLE = 503


class Incoming:
    """A module of pjproject; ``on_stray`` gets each response that no transaction waited for."""

    def __init__(self, native: Native, on_stray: Callable[[Received], None]) -> None:
        self._native = native
        self._messages = Messages(native)
        self._on_stray = on_stray
        self._response = MessageFunction(self._on_response)
        self._request = MessageFunction(self._on_request)
        name = b"mod-pjka-stray"
        self._module = Module(
            name=String(name, len(name)), id=-1, priority=_PRIORITY, on_rx_response=self._response
        )
        address, integer = ctypes.c_void_p, ctypes.c_int
        self._register = native.declare("pjsip_endpt_register_module", integer, address, address)
        self._unregister = native.declare("pjsip_endpt_unregister_module", integer, address, address)
        self._respond = native.declare(
            "pjsip_endpt_respond_stateless", integer, address, address, integer, address, address, address
        )

    def install(self) -> None:
        """Be told from now on; PjkaError if the endpoint takes no more modules."""
        status = self._register(self._native.endpoint, ctypes.byref(self._module))
        self._native.require(status, "pjproject does not take pjka's module")

    def remove(self) -> None:
        """Be told nothing any more."""
        self._unregister(self._native.endpoint, ctypes.byref(self._module))

    def refuse_options(self) -> None:
        """Answer OPTIONS with 503 from now on: this end is about to go."""
        self._module.on_rx_request = self._request

    def _on_response(self, rx_data: int) -> int:
        self._on_stray(self._messages.read(rx_data))
        return 0

    def _on_request(self, rx_data: int) -> int:
        if not self._messages.read(rx_data).data.startswith(b"OPTIONS "):
            return 0
        self._respond(self._native.endpoint, rx_data, _UNAVAILABLE, None, None, None)
        return 1
