"""Keep-alive and transport management for PJSIP systems.

:func:`load` puts a ``pjsip.conf`` into force on a program's own ``pjsua2.Endpoint``. Names are looked up when
they are first used, so that what needs no pjproject does not load it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pjka.call import Call
    from pjka.errors import PjkaError
    from pjka.events import ConnectionDown, ConnectionUp, ContactStatus, Drift
    from pjka.loading import Loaded, load
    from pjka.status import Cause

__all__ = [
    "Call",
    "Cause",
    "ConnectionDown",
    "ConnectionUp",
    "ContactStatus",
    "Drift",
    "Loaded",
    "PjkaError",
    "load",
]


def __getattr__(name: str) -> object:
    places = {
        "pjka.call": ("Call",),
        "pjka.errors": ("PjkaError",),
        "pjka.events": ("ConnectionDown", "ConnectionUp", "ContactStatus", "Drift"),
        "pjka.loading": ("Loaded", "load"),
        "pjka.status": ("Cause",),
    }
    for place, names in places.items():
        if name in names:
            return getattr(import_module(place), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
