"""SIP URIs as pjproject's ``sip_parser.c`` takes them, where Asterisk has it parse what a file says."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pjka.conf.document import fold

_USER: Final = r"[\w!#$%&'()*+,./;=?~-]+"
_PASSWORD: Final = r"[\w!$%&'()*+,.=~-]+"
_WORD: Final = r"[\w!$%&'()*+./:~\[\]-]"
_PARAMETER: Final = rf'{_WORD}++(?:=(?:"[^"]*"|{_WORD}*+))?'
_HEADER: Final = r"[\w!$%'()*+./:?~\[\]-]++(?:=[\w!$%'()*+./:?~\[\]-]*+)?"
_USER_PART: Final = rf"{_USER}(?::{_PASSWORD})?"
_AFTER_USER: Final = (
    rf"(?P<host>\[[\w:.%-]*\]|[\w.-]++)(?::(?P<port>[0-9]++))?"
    rf"(?P<parameters>(?:;{_PARAMETER})*+)(?:\?{_HEADER}(?:&{_HEADER})*+)?"
)
_URI: Final = re.compile(rf"(?P<scheme>(?i:sips?)):(?:{_USER_PART}@)?{_AFTER_USER}", re.ASCII)
_OTHER_URI: Final = re.compile(r"(?!(?i:sips?):)[A-Za-z][\w+.-]*:[!-~]+", re.ASCII)
_CONTACT_USER: Final = re.compile(_USER_PART, re.ASCII)
_TOKEN: Final = r"[\w!%&'*+.`~-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_TAIL: Final = rf"[ \t]*+{_TOKEN}[ \t]*+(?:=[ \t]*+(?:(?:{_TOKEN}|{_QUOTED})[ \t]*+)?)?"
_TAILS: Final = re.compile(rf"{_TAIL}(?:;{_TAIL})*+", re.ASCII)
_ODD_Q: Final = re.compile(r"(?:^|;)[ \t]*+[qQ][ \t]*+=[ \t]*+(?![0-9])")
_PORT_MAX: Final = 65535
_LONGEST_PORT: Final = 20


class Uri(NamedTuple):
    """What decides where a request goes."""

    scheme: str
    host: str
    """An IPv6 address without its brackets."""
    transport: str
    """Of the last ``transport`` parameter, "" where there is none."""


def parse_sip_uri(text: str) -> Uri:
    """The parts of a URI, which may stand in angle brackets; ValueError for what pjproject cannot parse."""
    match = _URI.fullmatch(_without_brackets(text))
    if match is None or len(match["port"] or "") > _LONGEST_PORT or int(match["port"] or 0) > _PORT_MAX:
        raise ValueError("a SIP URI")
    named = {}
    for parameter in match["parameters"].split(";"):
        name, _, value = parameter.partition("=")
        named[fold(name)] = value
    if not named.get("ttl", "0").isdecimal():
        raise ValueError("a SIP URI whose ttl is a number")
    return Uri(fold(match["scheme"]), match["host"].strip("[]"), fold(named.get("transport", "")))


def check_contact_user(text: str) -> None:
    """ValueError where it cannot be the user of a Contact; empty is left out."""
    if text and not _CONTACT_USER.fullmatch(text):
        raise ValueError("letters, digits and !#$%&'()*+,-./;=?_~")


def check_contact_parameters(text: str) -> None:
    """ValueError where it cannot be the parameters of a Contact; empty is left out."""
    if text and (not _TAILS.fullmatch(text) or _ODD_Q.search(text)):
        raise ValueError('name, name=value or name="value", separated by semicolons')


def check_route(text: str) -> None:
    """ValueError where it cannot be the URI of a Route; empty is left out."""
    if text and not _OTHER_URI.fullmatch(_without_brackets(text)):
        parse_sip_uri(text)


def _without_brackets(text: str) -> str:
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text
