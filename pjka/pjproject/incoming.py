"""Messages that pjsua is not to see: late answers, OPTIONS while shutting down, and REGISTER.

Incoming OPTIONS are otherwise answered by pjsua itself: 200 with Allow, Accept and Supported. But while it
ends it says 480, where 503 is what tells a peer to try elsewhere (RFC 3261 section 21.5.4).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from pjka.pjproject.layouts import MessageFunction, Module, String
from pjka.pjproject.messages import Messages, Received, sockaddr
from pjka.pjproject.native import Native

_PRIORITY = 20  # after pjproject's transaction layer (16), before its user agents (32)
_UNAVAILABLE = 503

OnRequest = Callable[[Received], object]
"""Told of a request, inside pjproject's callback: only notes."""


class Incoming:
    """A module of pjproject; ``on_stray`` gets each response that no transaction waited for."""

    def __init__(self, native: Native, on_stray: Callable[[Received], None]) -> None:
        self._native = native
        self._messages = Messages(native)
        self._on_stray = on_stray
        self._refusing = False
        self._takers: dict[bytes, OnRequest] = {}
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
        self._refusing = True
        self._module.on_rx_request = self._request

    def take(self, method: str, on_request: OnRequest) -> None:
        """Have all requests of this method handed to ``on_request``, and to nobody else from now on."""
        self._takers[method.encode()] = on_request
        self._module.on_rx_request = self._request

    def answer(self, request: Received, response: bytes) -> None:
        """Send the text of a response where its request came from: by the same transport, to its source."""
        packed, size, _ = sockaddr(*request.source)
        self._native.send_raw(request.transport, response, packed.ljust(size, b"\0"))

    def _on_response(self, rx_data: int) -> int:
        self._on_stray(self._messages.read(rx_data))
        return 0

    def _on_request(self, rx_data: int) -> int:
        received = self._messages.read(rx_data)
        method = received.data.partition(b" ")[0]
        taker = self._takers.get(method)
        if taker is not None:
            taker(received)
            return 1
        if method != b"OPTIONS" or not self._refusing:
            return 0
        self._respond(self._native.endpoint, rx_data, _UNAVAILABLE, None, None, None)
        return 1
