"""Where the members of pjproject's structures lie, for each version that is known.

pjsua2 does not wrap everything that transport management needs; the rest is read from and written to
pjproject's own structures. Their members move from version to version, so offsets are data, keyed by
what ``pj_get_version()`` reports, and are checked against known values before they are relied on.
All offsets are in bytes, for 64-bit Linux on x86_64.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from pjka.errors import PjkaError


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets of one version of pjproject.

    The members of ``struct pjsip_transport`` bear its names; ``factory_*`` belong to ``pjsip_tpfactory``,
    ``manager_*`` to ``pjsip_tpmgr`` and ``config_*`` to ``pjsip_cfg_t``.
    """

    version: str
    direction: int
    manager: int
    factory: int
    ref_cnt: int = 40
    is_shutdown: int = 68
    is_destroying: int = 72
    type: int = 80
    rem_addr: int = 88
    type_name: int = 120
    flag: int = 128
    addr_len: int = 144
    local_addr: int = 148
    factory_type: int = 64
    factory_local_addr: int = 96
    factory_port: int = 144
    factory_destroy: int = 168
    manager_endpoint: int = 16
    manager_factories: int = 24
    config_t1: int = 56
    config_t2: int = 60
    config_t4: int = 64
    config_td: int = 68
    config_tcp_keep_alive: int = 80
    config_tls_keep_alive: int = 88


LAYOUTS = {
    "2.15.1": Layout("2.15.1", direction=224, manager=240, factory=248),
    "2.17": Layout("2.17", direction=232, manager=248, factory=256),
    "2.17-dev": Layout("2.17-dev", direction=232, manager=248, factory=256),
}


def layout_of(version: str) -> Layout:
    """The layout of pjproject ``version``; PjkaError if that version is not known."""
    layout = LAYOUTS.get(version)
    if layout is None:
        raise PjkaError(f"pjproject {version} is not known to pjka", expected=f"one of {', '.join(LAYOUTS)}")
    return layout


class String(ctypes.Structure):
    """``pj_str_t``: counted text, not terminated."""

    _fields_ = (("ptr", ctypes.c_char_p), ("slen", ctypes.c_ssize_t))


class Selector(ctypes.Structure):
    """``pjsip_tpselector``: by which transport or listener a request leaves."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("disable_connection_reuse", ctypes.c_int),
        ("pointer", ctypes.c_void_p),
    )


class StateInfo(ctypes.Structure):
    """``pjsip_transport_state_info``: why a transport changed its state."""

    _fields_ = (("status", ctypes.c_int), ("ext_info", ctypes.c_void_p), ("user_data", ctypes.c_void_p))


class DroppedData(ctypes.Structure):
    """``pjsip_tp_dropped_data``: bytes that pjproject received and did not take for a SIP message."""

    _fields_ = (
        ("transport", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("len", ctypes.c_size_t),
        ("status", ctypes.c_int),
    )


MessageFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
StateFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(StateInfo))
DroppedFunction = ctypes.CFUNCTYPE(None, ctypes.POINTER(DroppedData))
LogFunction = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class Module(ctypes.Structure):
    """``pjsip_module``: a listener to the messages that the endpoint receives."""

    _fields_ = (
        ("prev", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
        ("name", String),
        ("id", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("load", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("unload", ctypes.c_void_p),
        ("on_rx_request", MessageFunction),
        ("on_rx_response", MessageFunction),
        ("on_tx_request", ctypes.c_void_p),
        ("on_tx_response", ctypes.c_void_p),
        ("on_tsx_state", ctypes.c_void_p),
    )


class IoqueueCallback(ctypes.Structure):
    """``pj_ioqueue_callback``; only the completion of a read is of use here."""

    _fields_ = (
        ("on_read_complete", ctypes.c_void_p),
        ("on_write_complete", ctypes.c_void_p),
        ("on_accept_complete", ctypes.c_void_p),
        ("on_connect_complete", ctypes.c_void_p),
    )
