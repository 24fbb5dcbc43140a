"""What pjproject calls back: state changes of transports, requests received, data that is no SIP.

pjproject calls with its own locks held. So nothing here decides, or calls pjproject back: a callback tells
its sink, and a sink records.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any, Protocol

from pjka.pjproject.layouts import (
    DroppedData,
    DroppedFunction,
    MessageFunction,
    Module,
    StateFunction,
    String,
)
from pjka.pjproject.native import Native

# Between pjproject's transport layer (8) and transactions (16): sees every message, retransmissions too
_PRIORITY = 11


class TransportState(IntEnum):
    """``pjsip_transport_state``."""

    CONNECTED = 0
    DISCONNECTED = 1
    SHUTDOWN = 2
    DESTROY = 3


class Sink(Protocol):
    """Who is told; on the thread that polls pjproject, with pjproject's locks held."""

    def on_state(self, transport: int, state: TransportState, status: int) -> None:
        """``transport`` has a new state, with pjproject's status as the reason."""

    def on_request(self, transport: int) -> None:
        """A SIP request was received on ``transport``."""

    def on_response(self, transport: int) -> None:
        """A SIP response was received on ``transport``."""

    def on_dropped(self, transport: int, data: bytes, status: int) -> None:
        """``data`` was received on ``transport`` and was no SIP message."""


class Callbacks:
    """Puts the sink into pjproject, and takes it out again."""

    def __init__(self, native: Native, sink: Sink) -> None:
        self._native = native
        self._sink: Sink | None = sink
        self._state = StateFunction(self._on_state)
        self._dropped = DroppedFunction(self._on_dropped)
        self._request = MessageFunction(self._on_request)
        self._response = MessageFunction(self._on_response)
        self._state_address = ctypes.cast(self._state, ctypes.c_void_p).value
        self._previous: Any = None
        name = b"mod-pjka"
        self._module = Module(
            name=String(name, len(name)),
            id=-1,
            priority=_PRIORITY,
            on_rx_request=self._request,
            on_rx_response=self._response,
        )
        self._declare()

    def install(self) -> None:
        """Have the sink told from now on; PjkaError if the endpoint takes no more modules.

        Only before the first transport (``Native.require_fresh``): with that, pjsua puts a function of its
        own in front, which calls ours, which calls pjsip's. In front of pjsua's, ours would call itself.
        """
        native = self._native
        library, manager = native.library, native.manager
        self._previous = StateFunction(library.pjsip_tpmgr_get_state_cb(manager))
        library.pjsip_tpmgr_set_state_cb(manager, self._state)
        library.pjsip_tpmgr_set_drop_data_cb(manager, self._dropped)
        status = library.pjsip_endpt_register_module(native.endpoint, ctypes.byref(self._module))
        native.require(status, "pjproject does not take pjka's module")

    def remove(self) -> None:
        """Tell the sink nothing any more.

        pjsua may have kept the state function as the one to call after its own, so the function itself stays
        alive as long as the process.
        """
        native = self._native
        self._sink = None
        native.library.pjsip_endpt_unregister_module(native.endpoint, ctypes.byref(self._module))
        native.library.pjsip_tpmgr_set_drop_data_cb(native.manager, DroppedFunction())
        if self._is_current():
            native.library.pjsip_tpmgr_set_state_cb(native.manager, self._previous)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._state))

    def _declare(self) -> None:
        pointer, status = ctypes.c_void_p, ctypes.c_int
        declare = self._native.declare
        declare("pjsip_tpmgr_get_state_cb", pointer, pointer)
        declare("pjsip_tpmgr_set_state_cb", status, pointer, StateFunction)
        declare("pjsip_tpmgr_set_drop_data_cb", status, pointer, DroppedFunction)
        declare("pjsip_endpt_register_module", status, pointer, pointer)
        declare("pjsip_endpt_unregister_module", status, pointer, pointer)

    def _is_current(self) -> bool:
        native = self._native
        return bool(native.library.pjsip_tpmgr_get_state_cb(native.manager) == self._state_address)

    def _on_state(self, transport: int, state: int, info: Any) -> None:
        if self._sink is not None:
            self._sink.on_state(transport, TransportState(state), info.contents.status if info else 0)
        self._previous(transport, state, info)

    def _on_request(self, rdata: int) -> int:
        if self._sink is not None:
            self._sink.on_request(_transport_of(rdata))
        return 0

    def _on_response(self, rdata: int) -> int:
        if self._sink is not None:
            self._sink.on_response(_transport_of(rdata))
        return 0

    def _on_dropped(self, data: Any) -> None:
        dropped: DroppedData = data.contents
        if self._sink is not None:
            content = ctypes.string_at(dropped.data, dropped.len)
            self._sink.on_dropped(dropped.transport, content, dropped.status)


def _transport_of(rdata: int) -> int:
    """``pjsip_rx_data.tp_info.transport``."""
    return ctypes.c_void_p.from_address(rdata + 8).value or 0
