"""What pjsua2 does not wrap: pjproject's own C functions and structure members.

Transports and listeners (factories) are plain addresses here, and valid only while a reference is held; the
connection table is what keeps them. Every function is to be called on a thread that pjproject knows, in pjka
the reactor's.
"""

from __future__ import annotations

import ctypes
import ipaddress
import struct
from collections.abc import Callable, Iterator
from typing import Any

from pjka.errors import PjkaError
from pjka.pjproject.layouts import Layout, Selector, layout_of

PJ_SUCCESS = 0
PJ_EPENDING = 70002
TIMERS = (500, 4000, 5000, 32000)
TPSELECTOR_TRANSPORT = 1

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "pj_get_version": (ctypes.c_char_p, ()),
    "pj_strerror": (ctypes.c_void_p, (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)),
    "pj_atomic_get": (ctypes.c_long, (ctypes.c_void_p,)),
    "pjsua_get_pjsip_endpt": (ctypes.c_void_p, ()),
    "pjsip_endpt_get_tpmgr": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "pjsip_tpmgr_get_transport_count": (ctypes.c_uint, (ctypes.c_void_p,)),
    "pjsip_endpt_create_pool": (
        ctypes.c_void_p,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t),
    ),
    "pjsip_transport_shutdown2": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int)),
    "pjsip_transport_add_ref": (ctypes.c_int, (ctypes.c_void_p,)),
    "pjsip_transport_dec_ref": (ctypes.c_int, (ctypes.c_void_p,)),
    "pjsip_transport_shutdown": (ctypes.c_int, (ctypes.c_void_p,)),
    "pjsip_tcp_transport_get_socket": (ctypes.c_long, (ctypes.c_void_p,)),
    "pjsip_tsx_set_timers": (None, (ctypes.c_uint,) * 4),
    "pjsip_tpmgr_send_raw": (
        ctypes.c_int,
        (
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.POINTER(Selector),
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ),
    ),
}


def _int(address: int) -> int:
    return ctypes.c_int.from_address(address).value


def _long(address: int) -> int:
    return ctypes.c_long.from_address(address).value


def _pointer(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


def _sockaddr(address: int) -> tuple[str, int]:
    raw = ctypes.string_at(address, 28)
    family, port = struct.unpack_from("=H", raw)[0], struct.unpack_from("!H", raw, 2)[0]
    packed = raw[8:24] if family == 10 else raw[4:8]
    return str(ipaddress.ip_address(packed)), port


class Native:
    """pjproject's C functions in the library at ``path``, the file that ``import pjsua2`` mapped.

    PjkaError if its version is not known.
    """

    def __init__(self, path: str) -> None:
        self.library = ctypes.CDLL(path)
        for name, (result, arguments) in _SIGNATURES.items():
            self.declare(name, result, *arguments)
        self.version = self.library.pj_get_version().decode("ascii")
        self.layout: Layout = layout_of(self.version)
        self._config = ctypes.addressof(ctypes.c_char.in_dll(self.library, "pjsip_sip_cfg_var"))

    def declare(self, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        """The C function ``name`` with its types set, so that no pointer is cut to 32 bits."""
        function = getattr(self.library, name)
        function.restype = result
        function.argtypes = arguments
        return function  # type: ignore[no-any-return]

    def error_text(self, status: int) -> str:
        """What pjproject says about ``status``."""
        text = ctypes.create_string_buffer(120)
        self.library.pj_strerror(status, text, len(text))
        return text.value.decode("utf-8", "replace")

    def require(self, status: int, what: str) -> None:
        """PjkaError with pjproject's words unless ``status`` is success."""
        if status != PJ_SUCCESS:
            raise PjkaError(f"{what}: {self.error_text(status)} ({status})")

    # The library as a whole

    def new_pool(self, size: int) -> int:
        """A memory pool of ``size`` bytes to begin with; it lives as long as the endpoint."""
        return int(self.library.pjsip_endpt_create_pool(self.endpoint, b"pjka", size, size))

    @property
    def endpoint(self) -> int:
        """The address of the one ``pjsip_endpoint``."""
        return int(self.library.pjsua_get_pjsip_endpt())

    @property
    def manager(self) -> int:
        """The address of the transport manager."""
        return int(self.library.pjsip_endpt_get_tpmgr(self.endpoint))

    def keep_alive_intervals(self) -> tuple[int, int]:
        """pjproject's own CRLF intervals for TCP and TLS, in seconds; 0 is off."""
        layout = self.layout
        return (
            _long(self._config + layout.config_tcp_keep_alive),
            _long(self._config + layout.config_tls_keep_alive),
        )

    def disable_keep_alive(self) -> None:
        """Turn pjproject's own CRLF off; only before the first transport exists.

        With a transport alive a change to 0 makes pjproject send CRLF without pause.
        """
        for offset in (self.layout.config_tcp_keep_alive, self.layout.config_tls_keep_alive):
            ctypes.c_long.from_address(self._config + offset).value = 0

    def require_fresh(self) -> None:
        """PjkaError if a transport exists already.

        With one, pjproject's own CRLF can no longer be turned off, and transport states no longer be heard.
        """
        if self.library.pjsip_tpmgr_get_transport_count(self.manager) or any(self.factories()):
            raise PjkaError("pjka is to be loaded before the endpoint's first transport is created")

    def timers(self) -> tuple[int, int, int, int]:
        """T1, T2, T4 and the transaction timeout (timer B), in milliseconds (RFC 3261 section 17.1.1)."""
        layout = self.layout
        offsets = (layout.config_t1, layout.config_t2, layout.config_t4, layout.config_td)
        t1, t2, t4, td = (_int(self._config + offset) for offset in offsets)
        return t1, t2, t4, td

    def set_timers(self, t1: int, t2: int, t4: int, td: int) -> None:
        """Set the transaction timers of all transactions to come, in milliseconds; 0 leaves one as it is."""
        self.library.pjsip_tsx_set_timers(t1, t2, t4, td)

    def check_configuration(self) -> None:
        """Compare what lies at the layout's offsets with what a fresh pjproject holds; PjkaError if not.

        To be called before anything is changed, and before the endpoint is created.
        """
        found = (*self.keep_alive_intervals(), *self.timers())
        if found not in ((90, 90, *TIMERS), (0, 0, *TIMERS)):
            raise PjkaError(
                f"pjproject {self.version} is not laid out as pjka knows it: configuration {found}"
            )

    def check_manager(self) -> None:
        """See that the transport manager lies where the layout says; PjkaError if not."""
        if _pointer(self.manager + self.layout.manager_endpoint) != self.endpoint:
            raise PjkaError(f"pjproject {self.version} is not laid out as pjka knows it: transport manager")
        for factory in self.factories():
            if _int(factory + self.layout.factory_type) & 0x7F not in (2, 3):
                raise PjkaError(f"pjproject {self.version} is not laid out as pjka knows it: listeners")

    # Listeners

    def factories(self) -> Iterator[int]:
        """The TCP and TLS listeners, oldest first."""
        head = self.manager + self.layout.manager_factories
        node = _pointer(head + 8)
        for _ in range(1024):
            if node == head:
                return
            yield node
            node = _pointer(node + 8)
        raise PjkaError(f"pjproject {self.version} is not laid out as pjka knows it: listener list")

    def factory_address(self, factory: int) -> tuple[str, int]:
        """Where a listener is bound: host and port."""
        return _sockaddr(factory + self.layout.factory_local_addr)

    def set_published_port(self, factory: int, port: int) -> None:
        """The port that a listener names in Contact and Via instead of its own."""
        field = ctypes.c_int.from_address(factory + self.layout.factory_port)
        if field.value != self.factory_address(factory)[1]:
            raise PjkaError(f"pjproject {self.version} is not laid out as pjka knows it: published port")
        field.value = port

    # Transports

    def check_transport(self, transport: int) -> None:
        """See that ``transport`` is laid out as known; PjkaError if not."""
        right = (
            _pointer(transport + self.layout.manager) == self.manager
            and self.direction(transport) in (0, 1, 2)
            and self.references(transport) in range(1 << 16)
        )
        if not right:
            raise PjkaError(f"pjproject {self.version} is not laid out as pjka knows it: transport")

    def type_name(self, transport: int) -> str:
        """pjproject's name for the protocol: ``TCP``, ``TLS`` or ``UDP``, with a ``6`` for IPv6."""
        return ctypes.string_at(_pointer(transport + self.layout.type_name)).decode("ascii", "replace")

    def object_name(self, transport: int) -> str:
        """pjproject's name for the transport, as its log shows it; not unique over time."""
        return ctypes.string_at(transport).decode("ascii", "replace")

    def is_reliable(self, transport: int) -> bool:
        """Whether the transport is a stream (PJSIP_TRANSPORT_RELIABLE)."""
        return bool(_int(transport + self.layout.flag) & 1)

    def local_address(self, transport: int) -> tuple[str, int]:
        """The transport's own host and port."""
        return _sockaddr(transport + self.layout.local_addr)

    def remote_address(self, transport: int) -> tuple[str, int]:
        """The peer's host and port."""
        return _sockaddr(transport + self.layout.rem_addr)

    def direction(self, transport: int) -> int:
        """0 for a datagram transport, 1 for a connection that we opened, 2 for one that the peer opened."""
        return _int(transport + self.layout.direction)

    def factory(self, transport: int) -> int:
        """The listener that a connection belongs to, or 0; it may be closed by now."""
        return _pointer(transport + self.layout.factory)

    def is_shut_down(self, transport: int) -> bool:
        """Whether the transport is on its way out, and takes no new request."""
        layout = self.layout
        return bool(_int(transport + layout.is_shutdown) or _int(transport + layout.is_destroying))

    def references(self, transport: int) -> int:
        """How many users hold the transport."""
        return int(self.library.pj_atomic_get(_pointer(transport + self.layout.ref_cnt)))

    def hold(self, transport: int) -> None:
        """Take a reference: from now on pjproject's idle timers leave the transport alone."""
        self.library.pjsip_transport_add_ref(transport)

    def release(self, transport: int) -> None:
        """Give a reference back; the transport may be gone after this."""
        self.library.pjsip_transport_dec_ref(transport)

    def shut_down(self, transport: int) -> None:
        """Close gracefully: no new request uses the transport; its last user's release closes the socket."""
        self.library.pjsip_transport_shutdown(transport)

    def abort(self, transport: int) -> None:
        """Close now: whoever waits for an answer on the transport is told that it is gone."""
        self.library.pjsip_transport_shutdown2(transport, 1)

    def tcp_socket(self, transport: int) -> int:
        """The descriptor of a TCP (not TLS) connection."""
        return int(self.library.pjsip_tcp_transport_get_socket(transport))

    def send_raw(self, transport: int, data: bytes, to: bytes = b"") -> int:
        """Queue ``data`` on this very connection and return pjproject's status.

        A datagram goes to the address ``to``, as a ``pj_sockaddr``. Success and pending are the same to the
        caller: a dead connection shows by its state event, not here.
        """
        layout = self.layout
        selector = Selector(TPSELECTOR_TRANSPORT, 0, transport)
        where = ctypes.create_string_buffer(to) if to else None
        return int(
            self.library.pjsip_tpmgr_send_raw(
                _pointer(transport + layout.manager),
                _long(transport + layout.type),
                ctypes.byref(selector),
                None,
                data,
                len(data),
                ctypes.addressof(where) if where else transport + layout.rem_addr,
                len(to) or _int(transport + layout.addr_len),
                None,
                None,
            )
        )
