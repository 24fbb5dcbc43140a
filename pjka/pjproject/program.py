"""The messages of a program that has its own pjsua, as far as they concern its connections."""

from __future__ import annotations

import ctypes
import re
from collections import OrderedDict

from pjka.pjproject.layouts import MessageFunction, Module, String
from pjka.pjproject.messages import Messages
from pjka.pjproject.native import PJ_SUCCESS, Native

_PRIORITY = 12  # after pjka's own eyes (11), before pjproject's transactions (16)
_RX_TRANSPORT = 8  # pjsip_rx_data.tp_info.transport
_CALLS_KEPT = 4096
_CALL_ID_AT = 80  # pjsua_call_info.call_id, the same in all known versions
_CALL_INFO = 1 << 16  # bytes; the largest known is a third of it

_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_OF_INVITE = re.compile(rb"^cseq[ \t]*:[ \t]*[0-9]+[ \t]+INVITE\b", re.IGNORECASE | re.MULTILINE)
_FLOW_TIMER = re.compile(rb"^flow-timer(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)


class ProgramMessages:
    """A module of pjproject that reads along.

    It hides Flow-Timer (RFC 5626 section 4.4.1) from pjsua, which takes a small one as leave to send without
    pause, and beside TCP keep-alive needs none. And it notes which connection carries which call. pjproject
    calls on whichever thread polls; nothing is decided here.
    """

    def __init__(self, native: Native) -> None:
        self._native = native
        self._messages = Messages(native)
        self._carriers: OrderedDict[bytes, int] = OrderedDict()
        self._request = MessageFunction(self._on_request)
        self._response = MessageFunction(self._on_response)
        name = b"mod-pjka-program"
        self._module = Module(
            name=String(name, len(name)),
            id=-1,
            priority=_PRIORITY,
            on_rx_request=self._request,
            on_rx_response=self._response,
        )
        address, integer = ctypes.c_void_p, ctypes.c_int
        self._register = native.declare("pjsip_endpt_register_module", integer, address, address)
        self._unregister = native.declare("pjsip_endpt_unregister_module", integer, address, address)
        self._count = native.declare("pjsua_call_get_max_count", ctypes.c_uint)
        self._list = native.declare("pjsua_enum_calls", integer, address, address)
        self._info = native.declare("pjsua_call_get_info", integer, integer, address)

    def install(self) -> None:
        """Read along from now on; PjkaError if the endpoint takes no more modules."""
        status = self._register(self._native.endpoint, ctypes.byref(self._module))
        self._native.require(status, "pjproject does not take pjka's module")

    def remove(self) -> None:
        """Read nothing any more."""
        self._unregister(self._native.endpoint, ctypes.byref(self._module))

    def calls(self, transport: int) -> int:
        """How many of pjsua's calls were last heard of on this transport."""
        return sum(self._carriers.get(call) == transport for call in self._running())

    def carrier(self, call_id: str) -> int:
        """The transport on which the call was last heard of, 0 if there is none."""
        return self._carriers.get(call_id.encode(), 0)

    def has(self, call_id: str) -> bool:
        """Whether pjsua has a call with this Call-ID."""
        return call_id.encode() in self._running()

    def _running(self) -> list[bytes]:
        """The Call-IDs of all calls that pjsua has."""
        number = ctypes.c_uint(self._count())
        ids = (ctypes.c_int * number.value)()
        if self._list(ids, ctypes.byref(number)) != PJ_SUCCESS:
            return []
        information = ctypes.create_string_buffer(_CALL_INFO)
        found = []
        for id in ids[: number.value]:
            if self._info(id, information) == PJ_SUCCESS:
                text = String.from_buffer(information, _CALL_ID_AT)
                found.append(ctypes.string_at(text.ptr, text.slen))
        return found

    def _on_request(self, rx_data: int) -> int:
        self._note_call(rx_data, self._messages.read(rx_data).data)
        return 0

    def _on_response(self, rx_data: int) -> int:
        data = self._messages.read(rx_data).data
        self._note_call(rx_data, data)
        head = data.partition(b"\r\n\r\n")[0]
        for found in _FLOW_TIMER.finditer(head):
            # pjproject's parsed header names point into the packet itself
            ctypes.memmove(self._messages.text_of(rx_data) + found.start(), b"X", 1)
        return 0

    def _note_call(self, rx_data: int, data: bytes) -> None:
        found = _CALL_ID.search(data)
        if found is None or not (found[1] in self._carriers or _OF_INVITE.search(data)):
            return
        self._carriers[found[1]] = ctypes.c_void_p.from_address(rx_data + _RX_TRANSPORT).value or 0
        self._carriers.move_to_end(found[1])
        if len(self._carriers) > _CALLS_KEPT:
            self._carriers.popitem(last=False)
