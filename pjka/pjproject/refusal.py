"""Why a transport cannot be started, with the place in the file."""

from __future__ import annotations

from pjka.conf.objects import Transport
from pjka.errors import PjkaError


class TransportError(PjkaError):
    """A transport cannot be started; its siblings are not concerned."""


def failure(transport: Transport, option: str, message: str) -> TransportError:
    """The error of ``transport`` that comes from ``option``, with the place where that was set."""
    place = transport.places.get(option, transport.place)
    return TransportError(f"transport {transport.id}: {message}", file=place.file, line=place.line)
