"""What a PBX knows of a contact, whichever way it told."""

from __future__ import annotations

from dataclasses import dataclass

from pjka.pbx.ami import AmiMessage


@dataclass(frozen=True, slots=True)
class PbxContact:
    """A registered contact.

    ``via_host`` and ``via_port``: where the REGISTER came from, "" and 0 where the PBX does not tell.
    ``status`` is one of Asterisk's long labels, "" where it is not known; ``rtt`` in seconds; ``expires`` in
    seconds since the epoch.
    """

    aor: str
    uri: str
    endpoint: str = ""
    status: str = ""
    rtt: float | None = None
    via_host: str = ""
    via_port: int = 0
    user_agent: str = ""
    expires: float | None = None


def contact_of(event: AmiMessage) -> PbxContact | None:
    """The contact in an event that has one: ``ContactList``, ``ContactStatusDetail``, ``ContactStatus``."""
    if event.event not in ("ContactList", "ContactStatusDetail", "ContactStatus"):
        return None
    host, port = _via(event)
    return PbxContact(
        aor=event.get("AOR") or event.get("Aor") or event.get("ObjectName").split(";@", 1)[0],
        uri=event.get("URI"),
        endpoint=event.get("EndpointName") or event.get("Endpoint"),
        status=event.get("ContactStatus") or event.get("Status"),
        rtt=_rtt(event.get("RoundtripUsec")),
        via_host=host,
        via_port=port,
        user_agent=event.get("UserAgent"),
        expires=_number(event.get("RegExpire") or event.get("ExpirationTime")),
    )


def _via(event: AmiMessage) -> tuple[str, int]:
    text = event.get("ViaAddress") or event.get("ViaAddr")
    if event.get("ViaPort"):
        return text.strip("[]"), int(_number(event.get("ViaPort")) or 0)
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isascii() and port.isdigit() else (text, 0)


def _rtt(text: str) -> float | None:
    """Microseconds; Asterisk says 0 or N/A where there was no answer."""
    number = _number(text)
    return number / 1e6 if number else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
