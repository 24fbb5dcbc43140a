"""What a response to REGISTER says to the client."""

from __future__ import annotations

from dataclasses import dataclass

from pjka.registrar.request import BadRequest, address, head, parameters, values


@dataclass(frozen=True, slots=True)
class Said:
    """The header fields that count; times in seconds, None = not said.

    ``keep`` is RFC 6223's in the topmost Via: how often the server wants to see a keep-alive, 0 = as we like.
    """

    expires: int | None = None
    min_expires: int | None = None
    retry_after: int | None = None
    flow_timer: int | None = None
    require_outbound: bool = False
    keep: int | None = None


def read(response: bytes, contact: str, instance_id: str, reg_id: int | None) -> Said:
    """What ``response`` says of our contact; a field that cannot be read counts as not there."""
    try:
        headers = head(response)
    except BadRequest:
        return Said()
    required = {tag.lower() for tag in values(headers, "Require")}
    via = next(iter(values(headers, "Via")), "")
    return Said(
        _expiry(values(headers, "Contact"), contact, instance_id, reg_id) or _seconds(headers.get("Expires")),
        _seconds(headers.get("Min-Expires")),
        _seconds(headers.get("Retry-After")),
        _seconds(headers.get("Flow-Timer")),
        "outbound" in required,
        _seconds(parameters(via).get("keep")),
    )


def _expiry(contacts: list[str], contact: str, instance_id: str, reg_id: int | None) -> int | None:
    for value in contacts:
        try:
            uri, said = address(value)
        except BadRequest:
            continue
        named = ((said.get("+sip.instance") or "").strip("<>"), said.get("reg-id"))
        if uri == contact or named == (instance_id, str(reg_id)):
            return _seconds(said.get("expires"))
    return None


def _seconds(text: str | None) -> int | None:
    digits = (text or "").strip().partition(";")[0].partition("(")[0].partition(" ")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
