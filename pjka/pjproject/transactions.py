"""pjproject's client transactions, for requests whose whole text is given (RFC 3261 section 17.1.2)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from pjka.pjproject.layouts import Selector, String
from pjka.pjproject.messages import RECEIVED, Envelope, Messages, TransactionEnd
from pjka.pjproject.native import PJ_SUCCESS, Native

_TRANSACTION_LOCK = 32  # pjsip_transaction.grp_lock, the same in all versions known
_INVALID_MESSAGE = 171020  # PJSIP_EINVALIDMSG

_EndFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class Transactions:
    """Starts transactions; ``on_end`` (token, how it ended) comes from inside pjproject and only notes it."""

    def __init__(self, native: Native, on_end: Callable[[int, TransactionEnd], None]) -> None:
        self._native = native
        self._messages = Messages(native)
        self._on_end = on_end
        self._callback = _EndFunction(self._ended)
        address, integer = ctypes.c_void_p, ctypes.c_int
        declare = native.declare
        self._create = declare("pjsip_endpt_create_tdata", integer, address, ctypes.POINTER(address))
        self._add_ref = declare("pjsip_tx_data_add_ref", None, address)
        self._dec_ref = declare("pjsip_tx_data_dec_ref", integer, address)
        self._select = declare("pjsip_tx_data_set_transport", integer, address, ctypes.POINTER(Selector))
        self._send = declare(
            "pjsip_endpt_send_request", integer, address, address, integer, address, _EndFunction
        )
        self._find = declare("pjsip_tsx_layer_find_tsx", address, ctypes.POINTER(String), integer)
        self._unlock = declare("pj_grp_lock_release", integer, address)
        self._terminate = declare("pjsip_tsx_terminate", integer, address, integer)

    def send(self, token: int, envelope: Envelope, selector: Selector | None) -> int:
        """Send to the first address that takes it, and return pjproject's status.

        With a status other than success ``on_end`` may be called too.
        """
        pointer = ctypes.c_void_p()
        status = int(self._create(self._native.endpoint, ctypes.byref(pointer)))
        tx_data = pointer.value
        if status != PJ_SUCCESS or tx_data is None:
            return status
        self._add_ref(tx_data)
        if not self._messages.fill(tx_data, envelope):
            self._dec_ref(tx_data)
            return _INVALID_MESSAGE
        if selector is not None:
            self._select(tx_data, ctypes.byref(selector))
        return int(self._send(self._native.endpoint, tx_data, -1, token, self._callback))

    def terminate(self, method: str, branch: str) -> None:
        """End the transaction of this method and Via branch, if there is one: nothing is retransmitted."""
        key = f"c${method}${branch}".encode()
        transaction = self._find(ctypes.byref(String(key, len(key))), 1)
        if transaction:
            lock = ctypes.c_void_p.from_address(transaction + _TRANSACTION_LOCK).value
            self._terminate(transaction, 408)
            self._unlock(lock)

    def _ended(self, token: int, event: int) -> None:
        """End the transaction with its answer, as pjproject does over TCP; a repeated answer is then a stray.

        Over UDP it would be kept for T4, which is 5 s, with its 19 kB; as pjproject has it, after 3xx to 6xx
        it is.
        """
        end = self._messages.end_of(event)
        if end.kind == RECEIVED:
            self._terminate(end.transaction, end.code)
        self._on_end(token, end)
