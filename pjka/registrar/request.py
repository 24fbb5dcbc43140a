"""A REGISTER as it came, and the text of its response."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sipmessage import URI, Headers
from sipmessage.message import COMPACT_FORMS

_FOLD = re.compile(r"\r\n[ \t]+")
_ADDRESS = re.compile(
    r'(?:(?:"(?:[^"\\]|\\.)*"\s*|[^<>"]*)<(?P<inside>[^<>"]+)>|(?P<bare>[^\s<>;"]+))\s*(?P<parameters>(?:;.*)?)'
)
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+))?\s*')
_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+')
_MAX_REG_ID = 2**31 - 1


class BadRequest(ValueError):
    """The request is malformed; the text is the reason phrase of the 400."""


@dataclass(frozen=True, slots=True)
class ContactField:
    """One Contact: its URI as it was written, and the parameters that count."""

    uri: str
    expires: int | None = None
    reg_id: int | None = None
    instance_id: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """What a REGISTER asks for. ``vias`` are all Via values, the topmost first."""

    uri: str
    to: URI
    sender: URI
    call_id: str
    cseq: int
    contacts: tuple[ContactField, ...] = ()
    wildcard: bool = False
    expires: int | None = None
    path: tuple[str, ...] = ()
    supported: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    user_agent: str = ""
    authorization: tuple[str, ...] = ()
    vias: tuple[str, ...] = ()

    @property
    def keep(self) -> bool:
        """Whether the sender wants to send keep-alives (RFC 6223 4.3): ``keep`` without a value."""
        return bool(self.vias) and parameters(self.vias[0]).get("keep", "") is None


def head(data: bytes) -> Headers:
    """The header fields of a message, compact names written out; BadRequest for a line that is none."""
    text = _FOLD.sub(" ", data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace"))
    headers = Headers()
    for line in text.split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("Bad Header")
        name = name.strip()
        headers.add(COMPACT_FORMS.get(name.lower(), name), value.strip())
    return headers


def read(data: bytes) -> Register:
    """The REGISTER in ``data``; BadRequest if it cannot be understood."""
    headers = head(data)
    contacts = values(headers, "Contact")
    return Register(
        uri=data.split(b" ", 2)[1].decode("utf-8", "replace"),
        to=_uri(address(headers.get("To") or "")[0]),
        sender=_uri(address(headers.get("From") or "")[0]),
        call_id=headers.get("Call-ID") or "",
        cseq=_number((headers.get("CSeq") or "").partition(" ")[0], "CSeq"),
        contacts=tuple(_contact(value) for value in contacts if value != "*"),
        wildcard="*" in contacts,
        expires=_optional(headers.get("Expires"), "Expires"),
        path=tuple(address(value)[0] for value in values(headers, "Path")),
        supported=_tags(headers, "Supported"),
        required=_tags(headers, "Require"),
        user_agent=headers.get("User-Agent") or "",
        authorization=tuple(headers.getlist("Authorization")),
        vias=tuple(values(headers, "Via")),
    )


def address(value: str) -> tuple[str, dict[str, str | None]]:
    """The URI of a name-addr or addr-spec as it was written, and the parameters of the header field."""
    found = _ADDRESS.fullmatch(value.strip())
    if found is None:
        raise BadRequest("Bad Address")
    return (found["inside"] or found["bare"]).strip(), parameters(found["parameters"])


def parameters(text: str) -> dict[str, str | None]:
    """The ``;name=value`` of ``text``, names in lower case, quotes taken off; None = without a value."""
    return {name.lower(): _unquoted(value) if value else None for name, value in _PARAMETER.findall(text)}


def response(data: bytes, source: tuple[str, int], status: str, lines: Iterable[str], *, tag: str) -> bytes:
    """The response to a request that came from ``source``: ``status`` is code and phrase.

    The topmost Via gets ``received`` and ``rport`` (RFC 3261 18.2.1, RFC 3581 4), To gets the tag.
    """
    headers = head(data)
    vias = values(headers, "Via")
    to = headers.get("To") or ""
    fields = [f"Via: {_stamped(vias[0], source)}", *(f"Via: {via}" for via in vias[1:])] if vias else []
    fields += [
        f"From: {headers.get('From')}",
        f"To: {to}" if ";tag=" in to.lower() else f"To: {to};tag={tag}",
    ]
    fields += [f"Call-ID: {headers.get('Call-ID')}", f"CSeq: {headers.get('CSeq')}"]
    return "\r\n".join([f"SIP/2.0 {status}", *fields, *lines, "Content-Length: 0", "", ""]).encode()


def with_keep(data: bytes, seconds: int) -> bytes:
    """The request as if its topmost ``keep`` had the value that its response is to have (RFC 6223 4.4)."""
    text, rest = data.partition(b"\r\n\r\n")[0], data.partition(b"\r\n\r\n")[2]
    return re.sub(rb"(?i);keep(?=[;,\r\n]|$)", b";keep=%d" % seconds, text, count=1) + b"\r\n\r\n" + rest


def _contact(value: str) -> ContactField:
    uri, said = address(value)
    _uri(uri)
    instance = said.get("+sip.instance") or ""
    reg_id = _optional(said.get("reg-id"), "reg-id")
    if reg_id is not None and not 1 <= reg_id <= _MAX_REG_ID:
        raise BadRequest("Bad reg-id")
    instance = instance.removeprefix("<").removesuffix(">")
    if not _plain(instance):
        raise BadRequest("Bad +sip.instance")
    return ContactField(uri, _optional(said.get("expires"), "expires"), reg_id, instance)


def _plain(text: str) -> bool:
    return text.isprintable() and not any(mark in text for mark in '"<>\\ ')


def _uri(text: str) -> URI:
    if not _plain(text):
        raise BadRequest("Bad URI")
    try:
        return URI.parse(text.partition("?")[0])
    except ValueError:
        raise BadRequest("Bad URI") from None


def values(headers: Headers, name: str) -> list[str]:
    """All values of a header field that may hold several."""
    return [item.strip() for value in headers.getlist(name) for item in _ITEM.findall(value) if item.strip()]


def _tags(headers: Headers, name: str) -> frozenset[str]:
    return frozenset(value.lower() for value in values(headers, name))


def _optional(text: str | None, what: str) -> int | None:
    return None if text is None else _number(text, what)


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise BadRequest(f"Bad {what}")
    return min(int(text), 2**32 - 1)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _stamped(via: str, source: tuple[str, int]) -> str:
    host, port = source
    via = re.sub(r"(?i);rport(?==|;|$)(=\d*)?", "", via)
    return f"{via};rport={port};received={host}"
