"""Where the members of pjproject's messages and transactions lie, and how to read and write them.

Offsets as in :mod:`pjka.pjproject.layouts`: bytes, x86_64, keyed by version. ``pjsip_rx_data`` also depends
on the packet size that pjproject was built with, which the first message tells (see ``Messages.read``).
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pjka.errors import PjkaError
from pjka.pjproject.native import Native

_RX_PACKET = 320
_PACKET_SIZES = (4000, 65535)
_TX_POOL, _TX_MESSAGE, _TX_DESTINATION, _TX_ADDRESSES = 16, 392, 464, 480
_EVENT_SOURCE, _EVENT_TRANSACTION, _EVENT_TYPE = 24, 32, 44
_TEXT_FIELD = struct.Struct("=qq")

RECEIVED, TRANSPORT_ERROR = 3, 4


@dataclass(frozen=True, slots=True)
class _Offsets:
    status_code: int  # pjsip_transaction
    transport_error: int  # pjsip_transaction
    first_address: int  # pjsip_tx_data.dest_info.addr.entry
    address_size: int
    address_type: int  # in one entry; priority, weight and the address follow
    addresses: int  # how many entries there are
    sent_by: int  # pjsip_tx_data.via_addr


_OFFSETS = {
    "2.15.1": _Offsets(176, 348, 484, 44, 0, 16, 1568),
    "2.17": _Offsets(184, 356, 488, 64, 16, 32, 2920),
    "2.17-dev": _Offsets(184, 356, 488, 64, 16, 32, 2920),
}


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came: its bytes and the address that sent it."""

    data: bytes
    source: tuple[str, int]


@dataclass(frozen=True, slots=True)
class TransactionEnd:
    """The final state of a transaction: ``received`` is None where no answer came."""

    code: int
    kind: int  # RECEIVED, TRANSPORT_ERROR, or another: pjproject's own timer
    error: int  # pjproject's status of a transport error; 0 = none
    received: Received | None


class Messages:
    """Reads and writes pjproject's messages in memory; PjkaError if the version is not known."""

    def __init__(self, native: Native) -> None:
        offsets = _OFFSETS.get(native.version)
        if offsets is None:
            raise PjkaError(f"the messages of pjproject {native.version} are not known to pjka")
        self._offsets = offsets
        self._length_at = 0
        self._alloc = native.declare("pj_pool_alloc", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self._parse = native.declare(
            "pjsip_parse_msg",
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
        )

    def set_text(self, tx_data: int, text: bytes) -> bool:
        """Make ``text``, a whole SIP message, that of ``tx_data``; False if pjproject cannot parse it."""
        pool = ctypes.c_void_p.from_address(tx_data + _TX_POOL)
        copy = self._alloc(pool, len(text) + 1)
        ctypes.memmove(copy, text, len(text) + 1)
        message = self._parse(pool, copy, len(text), None)
        ctypes.c_void_p.from_address(tx_data + _TX_MESSAGE).value = message
        return bool(message)

    def set_destination(
        self, tx_data: int, host: str, transport_type: int, addresses: Sequence[tuple[str, int]]
    ) -> None:
        """Where the request goes, in this order on failure; ``host`` is the name that TLS verifies.

        pjproject then looks no name up. Addresses beyond those that it has room for are left out.
        """
        offsets = self._offsets
        _TEXT_FIELD.pack_into(_memory(tx_data + _TX_DESTINATION, 16), 0, *self._copy(tx_data, host))
        wanted = addresses[: offsets.addresses]
        ctypes.c_uint.from_address(tx_data + _TX_ADDRESSES).value = len(wanted)
        for index, (address, port) in enumerate(wanted):
            entry = tx_data + offsets.first_address + index * offsets.address_size
            packed, length, family = _sockaddr(address, port)
            kind = transport_type | (0x80 if family == socket.AF_INET6 else 0)
            values = struct.pack("=iII28si", kind, 0, 0, packed, length)
            ctypes.memmove(entry + offsets.address_type, values, len(values))

    def set_sent_by(self, tx_data: int, host: str, port: int) -> None:
        """What Via names as our address: where a new connection to us would lead (RFC 3261 section 18.1.1).

        Otherwise pjproject names the ephemeral port of its own connection.
        """
        field = tx_data + self._offsets.sent_by
        _TEXT_FIELD.pack_into(_memory(field, 16), 0, *self._copy(tx_data, host))
        ctypes.c_int.from_address(field + 16).value = port

    def _copy(self, tx_data: int, text: str) -> tuple[int, int]:
        """The text in the memory of ``tx_data``: address and length."""
        raw = text.encode()
        copy = self._alloc(ctypes.c_void_p.from_address(tx_data + _TX_POOL), len(raw) + 1)
        ctypes.memmove(copy, raw, len(raw) + 1)
        return copy, len(raw)

    def end_of(self, event: int) -> TransactionEnd:
        """What an event of a transaction that has ended says; valid only inside pjproject's callback."""
        transaction = ctypes.c_void_p.from_address(event + _EVENT_TRANSACTION).value or 0
        kind = ctypes.c_int.from_address(event + _EVENT_TYPE).value
        code = ctypes.c_int.from_address(transaction + self._offsets.status_code).value
        if kind != RECEIVED:
            error = ctypes.c_int.from_address(transaction + self._offsets.transport_error).value
            return TransactionEnd(code, kind, error, None)
        received = self.read(ctypes.c_void_p.from_address(event + _EVENT_SOURCE).value or 0)
        return TransactionEnd(code, kind, 0, received)

    def read(self, rx_data: int) -> Received:
        """The bytes of a received message and who sent it; valid only inside pjproject's callback."""
        at = rx_data + (self._length_at or self._find_length(rx_data))
        start, length = struct.unpack("=qi", ctypes.string_at(at + 96, 12))
        source = ctypes.string_at(at + 40, 46).partition(b"\0")[0].decode("ascii", "replace")
        return Received(ctypes.string_at(start, length), (source, ctypes.c_int.from_address(at + 88).value))

    def _find_length(self, rx_data: int) -> int:
        """The offset of ``pkt_info.len``, told by the pointer to the packet that has to follow it."""
        for size in _PACKET_SIZES:
            end = -(-(_RX_PACKET + size) // 4) * 4 + 4
            offset = -(-end // 8) * 8
            if ctypes.c_void_p.from_address(rx_data + offset + 96).value == rx_data + _RX_PACKET:
                self._length_at = offset
                return offset
        raise PjkaError("pjproject was built with a packet size that pjka does not know")


def _memory(address: int, size: int) -> ctypes.Array[ctypes.c_char]:
    return (ctypes.c_char * size).from_address(address)


def _sockaddr(address: str, port: int) -> tuple[bytes, int, int]:
    """The bytes of a ``pj_sockaddr``, its used length and its family."""
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed, 16, socket.AF_INET
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
    return head + packed, 28, socket.AF_INET6
