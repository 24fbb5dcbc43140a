"""Where the members of pjproject's messages and transactions lie, and how to read and write them.

Offsets as in :mod:`pjka.pjproject.layouts`: bytes, x86_64, keyed by version. ``pjsip_rx_data`` also depends
on the packet size that pjproject was built with, which the first message tells (see ``Messages.read``).
"""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pjka.errors import PjkaError
from pjka.pjproject.native import Native

_RX_TRANSPORT, _RX_PACKET = 8, 320
_PACKET_SIZES = (4000, 65535)
_TX_POOL, _TX_MESSAGE, _TX_DESTINATION = 16, 392, 464
_EVENT_SOURCE = 24
_EVENT = struct.Struct("=qq4xi")  # pjsip_event.body.tsx_state: src, tsx, prev_state, type
_PACKET = struct.Struct("=46s2xi4xqi")  # pjsip_rx_data: src_name, src_port, msg_buf, its length
_NAME = struct.Struct("=qqI")  # dest_info: name, count
_ADDRESS = struct.Struct("=iII28si")  # type, priority, weight, address, its length
_SENT_BY = struct.Struct("=qqi")
_IPV6 = 0x80
_ENTRIES_KEPT = 16384

Addresses = tuple[tuple[str, int], ...]
"""Where to send to, in the order to try."""

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


class Envelope(NamedTuple):
    """A request and where it goes: the ``addresses`` in the order to try them, by transport type ``kind``.

    ``host`` is the name that TLS verifies. ``sent_by`` is what Via names as our address: where a new
    connection to us would lead (RFC 3261 section 18.1.1); None = the ephemeral port of the connection.
    """

    text: bytes
    kind: int
    host: str
    addresses: Addresses
    sent_by: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came: its bytes, the address that sent it, and the transport (valid while held)."""

    data: bytes
    source: tuple[str, int]
    transport: int = field(default=0, compare=False)


class TransactionEnd(NamedTuple):
    """The final state of a transaction: ``received`` is None where no answer came.

    The address ``transaction`` is valid only inside pjproject's callback.
    """

    transaction: int
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
        self._entries = lru_cache(_ENTRIES_KEPT)(self._make_entries)
        self._alloc = native.declare("pj_pool_alloc", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self._parse = native.declare(
            "pjsip_parse_msg",
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
        )

    def fill(self, tx_data: int, envelope: Envelope) -> bool:
        """Make the envelope's text the message of ``tx_data``, and say where it goes; False if it is no SIP.

        pjproject then looks no name up. Addresses beyond those that it has room for are left out.
        """
        text, host, sent_by = envelope.text, envelope.host.encode(), envelope.sent_by
        name, port = (sent_by[0].encode(), sent_by[1]) if sent_by else (b"", 0)
        block = b"\0".join((text, host, name))
        pool = ctypes.c_void_p.from_address(tx_data + _TX_POOL)
        copy = self._alloc(pool, len(block) + 1)
        ctypes.memmove(copy, block, len(block) + 1)
        message = self._parse(pool, copy, len(text), None)
        ctypes.c_void_p.from_address(tx_data + _TX_MESSAGE).value = message
        after = copy + len(text) + 1
        destination = self._destination(after, len(host), envelope)
        ctypes.memmove(tx_data + _TX_DESTINATION, destination, len(destination))
        if name:
            where = _SENT_BY.pack(after + len(host) + 1, len(name), port)
            ctypes.memmove(tx_data + self._offsets.sent_by, where, len(where))
        return bool(message)

    def end_of(self, event: int) -> TransactionEnd:
        """What an event of a transaction that has ended says; valid only inside pjproject's callback."""
        source, transaction, kind = _EVENT.unpack(ctypes.string_at(event + _EVENT_SOURCE, _EVENT.size))
        code = ctypes.c_int.from_address(transaction + self._offsets.status_code).value
        if kind == RECEIVED:
            return TransactionEnd(transaction, code, kind, 0, self.read(source))
        error = ctypes.c_int.from_address(transaction + self._offsets.transport_error).value
        return TransactionEnd(transaction, code, kind, error, None)

    def read(self, rx_data: int) -> Received:
        """The bytes of a received message and who sent it; valid only inside pjproject's callback."""
        at = rx_data + (self._length_at or self._find_length(rx_data))
        name, port, start, length = _PACKET.unpack(ctypes.string_at(at + 40, _PACKET.size))
        source = name.partition(b"\0")[0].decode("ascii", "replace")
        transport = ctypes.c_void_p.from_address(rx_data + _RX_TRANSPORT).value or 0
        return Received(ctypes.string_at(start, length), (source, port), transport)

    def text_of(self, rx_data: int) -> int:
        """The address of a received message's first byte; valid only inside pjproject's callback."""
        at = rx_data + (self._length_at or self._find_length(rx_data))
        return int(_PACKET.unpack(ctypes.string_at(at + 40, _PACKET.size))[2])

    def _destination(self, host: int, length: int, envelope: Envelope) -> bytes:
        """``pjsip_tx_data.dest_info``: the name that TLS verifies, then the addresses."""
        wanted = envelope.addresses[: self._offsets.addresses]
        name = _NAME.pack(host, length, len(wanted)).ljust(
            self._offsets.first_address - _TX_DESTINATION, b"\0"
        )
        return name + self._entries(envelope.kind, wanted)

    def _make_entries(self, protocol: int, addresses: Addresses) -> bytes:
        """The addresses as the entries of ``dest_info.addr``; the same ones are asked for again and again."""
        offsets, entries = self._offsets, b""
        for address, port in addresses:
            packed, size, family = sockaddr(address, port)
            kind = protocol | (_IPV6 if family == socket.AF_INET6 else 0)
            entry = bytes(offsets.address_type) + _ADDRESS.pack(kind, 0, 0, packed, size)
            entries += entry.ljust(offsets.address_size, b"\0")
        return entries

    def _find_length(self, rx_data: int) -> int:
        """The offset of ``pkt_info.len``, told by the pointer into the packet that has to follow it.

        It points behind what came before the message in the same read: newlines, or another message.
        """
        packet = rx_data + _RX_PACKET
        for size in _PACKET_SIZES:
            end = -(-(_RX_PACKET + size) // 4) * 4 + 4
            offset = -(-end // 8) * 8
            start = ctypes.c_void_p.from_address(rx_data + offset + 96).value or 0
            if packet <= start < packet + size:
                self._length_at = offset
                return offset
        raise PjkaError("pjproject was built with a packet size that pjka does not know")


def sockaddr(address: str, port: int) -> tuple[bytes, int, int]:
    """The bytes of a ``pj_sockaddr``, its used length and its family."""
    if ":" not in address:
        packed = socket.inet_pton(socket.AF_INET, address)
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + packed, 16, socket.AF_INET
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
    return head + socket.inet_pton(socket.AF_INET6, address), 28, socket.AF_INET6
