"""What a REGISTER does to the bindings of an AOR: values in, values out (RFC 3261 10.3, RFC 5626 6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pjka.registrar.request import ContactField, Register, parameters

_KNOWN = frozenset({"outbound", "path"})


@dataclass(frozen=True, slots=True)
class Binding:
    """A contact of an AOR until ``expires`` (s since the epoch).

    ``target`` is where requests for it go: ``uri``, or what the endpoint's ``rewrite_contact`` makes of it.
    With ``flow`` it is one of RFC 5626. ``connection`` is the serial of the connection that it lives and dies
    with; None = with none, or with one of an earlier life of the daemon.
    """

    uri: str
    target: str
    expires: float
    call_id: str
    cseq: int
    since: float = 0.0
    endpoint: str = ""
    user_agent: str = ""
    path: tuple[str, ...] = ()
    instance_id: str = ""
    reg_id: int | None = None
    flow: bool = False
    connection: int | None = None

    @property
    def key(self) -> str:
        """What a later REGISTER has to name to mean this binding: instance and reg-id, or the URI (6)."""
        return f"{self.instance_id} {self.reg_id}" if self.flow else self.uri


class Why(StrEnum):
    """Why a binding was removed, in the words of Asterisk's log."""

    REQUEST = "request"
    REMOVE_EXISTING = "remove existing"
    REMOVE_UNAVAILABLE = "remove unavailable"
    EXPIRATION = "expiration"
    SHUTDOWN = "shutdown"  # its connection is gone
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Limits:
    """An AOR's options; expirations in seconds."""

    max_contacts: int
    minimum: int = 60
    maximum: int = 7200
    default: int = 3600
    remove_existing: bool = False
    remove_unavailable: bool = False
    support_path: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What the transport that the REGISTER came over offers.

    ``outbound``: flows of RFC 5626, with this Flow-Timer (s; None = without). ``require`` is False for
    draft03, whose answers name ``outbound`` in Supported only.
    """

    outbound: bool = False
    flow_timer: int | None = None
    require: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """Who registers, and how: ``connection`` None = the binding does not depend on one.

    ``rewritten`` is host and port that replace those of the contact, "" = they stay.
    """

    endpoint: str = ""
    connection: int | None = None
    rewritten: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The response, and the bindings after it; ``flow_timer`` is what went into it (s)."""

    code: int
    phrase: str
    lines: tuple[str, ...]
    bindings: tuple[Binding, ...]
    put: tuple[Binding, ...] = ()
    removed: tuple[tuple[Binding, Why], ...] = ()
    flow: bool = False
    flow_timer: int | None = None


def register(
    request: Register,
    bindings: Sequence[Binding],
    limits: Limits,
    offer: Offer,
    origin: Origin,
    now: float,
    unavailable: Collection[str] = (),
) -> Outcome:
    """What the request makes of the bindings at ``now``; ``unavailable`` are targets that do not answer."""
    current = tuple(binding for binding in bindings if binding.expires > now)
    refused = _refusal(request, limits, offer)
    if refused is not None:
        return Outcome(*refused, current)
    if request.wildcard:
        return _remove_all(request, current)
    outdated = any(_outdated(request, binding) for binding in _named(request, current, offer))
    if outdated:
        return Outcome(500, "CSeq Out Of Order", (), current)
    return _update(request, current, limits, offer, origin, now, unavailable)


def _refusal(request: Register, limits: Limits, offer: Offer) -> tuple[int, str, tuple[str, ...]] | None:
    known = _KNOWN if offer.outbound else _KNOWN - {"outbound"}
    unknown = sorted(request.required - known)
    if unknown:
        return 420, "Bad Extension", (f"Unsupported: {', '.join(unknown)}",)
    if limits.max_contacts == 0:
        return 403, "Forbidden", ()
    if request.wildcard and (request.contacts or request.expires != 0):
        return 400, "Bad Wildcard", ()
    lasting = [contact for contact in request.contacts if _seconds(request, contact, limits)]
    if len(lasting) > 1 and any(_is_flow(contact) for contact in request.contacts):
        return 400, "Several Contacts With reg-id", ()
    if any(_is_flow(contact) for contact in lasting) and _lacks_outbound(request, offer):
        return 439, "First Hop Lacks Outbound Support", ()
    if any(_seconds(request, contact, limits) < limits.minimum for contact in lasting):
        return 423, "Interval Too Brief", (f"Min-Expires: {limits.minimum}",)
    return None


def _is_flow(contact: ContactField) -> bool:
    """A reg-id without an instance-id is ignored."""
    return contact.reg_id is not None and bool(contact.instance_id)


def _seconds(request: Register, contact: ContactField, limits: Limits) -> int:
    said = contact.expires if contact.expires is not None else request.expires
    return min(limits.default if said is None else said, limits.maximum)


def _offered(request: Register) -> bool:
    return "outbound" in request.supported | request.required


def _first_hop(request: Register) -> bool:
    """Whether the sender is next to us, or next to a proxy that keeps its flow (``ob`` in Path)."""
    return len(request.vias) <= 1 or bool(request.path and "ob" in parameters(request.path[-1]))


def _lacks_outbound(request: Register, offer: Offer) -> bool:
    return offer.outbound and _offered(request) and not _first_hop(request)


def _as_flow(request: Register, contact: ContactField, offer: Offer) -> bool:
    return offer.outbound and _is_flow(contact) and _offered(request) and _first_hop(request)


def _key(request: Register, contact: ContactField, offer: Offer) -> str:
    if _as_flow(request, contact, offer):
        return f"{contact.instance_id} {contact.reg_id}"
    return contact.uri


def _named(request: Register, bindings: Sequence[Binding], offer: Offer) -> list[Binding]:
    keys = {_key(request, contact, offer) for contact in request.contacts}
    return [binding for binding in bindings if binding.key in keys]


def _outdated(request: Register, binding: Binding) -> bool:
    return binding.call_id == request.call_id and binding.cseq >= request.cseq


def _remove_all(request: Register, bindings: tuple[Binding, ...]) -> Outcome:
    if any(_outdated(request, binding) for binding in bindings):
        return Outcome(500, "CSeq Out Of Order", (), bindings)
    return Outcome(200, "OK", (), (), removed=tuple((binding, Why.REQUEST) for binding in bindings))


def _update(
    request: Register,
    bindings: tuple[Binding, ...],
    limits: Limits,
    offer: Offer,
    origin: Origin,
    now: float,
    unavailable: Collection[str],
) -> Outcome:
    before = {binding.key: binding for binding in bindings}
    after, put, removed = dict(before), dict[str, Binding](), list[tuple[Binding, Why]]()
    for contact in request.contacts:
        key, seconds = _key(request, contact, offer), _seconds(request, contact, limits)
        known = after.pop(key, None)
        if seconds:
            made = _binding(request, contact, origin, now + seconds, now if known is None else known.since)
            path = request.path if limits.support_path and knows_path(request) else ()
            reg_id = contact.reg_id if _as_flow(request, contact, offer) else None
            put[key] = replace(made, path=path, reg_id=reg_id, flow=reg_id is not None)
        elif known is not None:
            removed.append((known, Why.REQUEST))
    excess = len(after) + len(put) - limits.max_contacts
    if excess > 0:
        victims = _victims(list(after.values()), excess, limits, unavailable)
        if victims is None:
            return Outcome(403, "Forbidden", (), bindings)
        removed += victims
        for victim, _ in victims:
            del after[victim.key]
    after |= put
    flow = any(binding.flow for binding in put.values())
    timer = offer.flow_timer if flow else None
    everything = tuple(after.values())
    lines = _lines(request, everything, put, offer, limits, timer, now)
    return Outcome(200, "OK", lines, everything, tuple(put.values()), tuple(removed), flow, timer)


def _binding(
    request: Register, contact: ContactField, origin: Origin, expires: float, since: float
) -> Binding:
    return Binding(
        uri=contact.uri,
        target=_rewritten(contact.uri, origin.rewritten) if origin.rewritten else contact.uri,
        expires=expires,
        call_id=request.call_id,
        cseq=request.cseq,
        since=since,
        endpoint=origin.endpoint,
        user_agent=request.user_agent,
        instance_id=contact.instance_id,
        connection=origin.connection,
    )


def knows_path(request: Register) -> bool:
    """Whether the sender knows what a Path is (RFC 3327 5.3)."""
    return "path" in request.supported | request.required


def _victims(
    bindings: list[Binding], excess: int, limits: Limits, unavailable: Collection[str]
) -> list[tuple[Binding, Why]] | None:
    """Which bindings make room; None if none has to: then the request is refused."""
    victims: list[tuple[Binding, Why]] = []
    if limits.remove_unavailable:
        gone = [binding for binding in bindings if binding.target in unavailable][:excess]
        victims += [(binding, Why.REMOVE_UNAVAILABLE) for binding in gone]
    rest = [binding for binding in bindings if all(binding is not victim for victim, _ in victims)]
    missing = excess - len(victims)
    if missing > 0 and limits.remove_existing:
        oldest = sorted(rest, key=lambda binding: binding.expires)[:missing]
        victims += [(binding, Why.REMOVE_EXISTING) for binding in oldest]
    return victims if len(victims) == excess else None


def _rewritten(uri: str, place: str) -> str:
    """The URI with another host and port; its user and parameters stay."""
    scheme, _, rest = uri.partition(":")
    user, at, where = rest.rpartition("@")
    _, semicolon, following = where.partition(";")
    return f"{scheme}:{user}{at}{place}{semicolon}{following}"


def _lines(
    request: Register,
    bindings: Sequence[Binding],
    put: Collection[str],
    offer: Offer,
    limits: Limits,
    flow_timer: int | None,
    now: float,
) -> tuple[str, ...]:
    lines = [f"Contact: {_shown(binding, now)}" for binding in bindings]
    flow = any(binding.flow and binding.key in put for binding in bindings)
    if flow and offer.require:
        lines.append("Require: outbound")
    if flow_timer is not None:
        lines.append(f"Flow-Timer: {flow_timer}")
    if limits.support_path and request.path and knows_path(request):
        lines += [f"Path: <{hop}>" for hop in request.path]
    supported = ["path"] if limits.support_path else []
    supported += ["outbound"] if offer.outbound else []
    return (*lines, f"Supported: {', '.join(supported)}") if supported else tuple(lines)


def _shown(binding: Binding, now: float) -> str:
    text = f"<{binding.uri}>;expires={max(round(binding.expires - now), 0)}"
    if binding.instance_id:
        text += f';+sip.instance="<{binding.instance_id}>"'
    return f"{text};reg-id={binding.reg_id}" if binding.flow else text
