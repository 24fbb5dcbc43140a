"""SIP URIs, by what an Asterisk 22.10 was seen to take and to refuse, mark by mark."""

from __future__ import annotations

import string
import time

import pytest

from pjka.conf.uris import check_contact_parameters, check_contact_user, check_route, parse_sip_uri

MARKS = set(string.punctuation)


def taken(form: str) -> set[str]:
    """The marks that may stand in the place of ``*``."""
    return {mark for mark in MARKS if accepts(form.replace("*", mark))}


def accepts(text: str) -> bool:
    try:
        parse_sip_uri(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        ("sip:a*b@h", '"<>@[\\]^`{|}'),
        ("sip:u:a*b@h", '"#/:;<>?@[\\]^`{|}'),
        ("sip:a*b", "!\"#$%&'()*+,/:<=>[\\]^`{|}~"),
        ("sip:h;a*b", '"#,<>\\^`{|}'),
        ("sip:h;x=a*b", '"#,<=>\\^`{|}'),
        ("sip:h?a*b", '"#,;<>\\^`{|}'),
        ("sip:h?x=a*b", '"#,;<=>\\^`{|}'),
    ],
)
def test_marks_of_a_uri(form: str, refused: str) -> None:
    assert taken(form) == MARKS - set(refused)


TAKEN = """
    sip:h SIP:h sIp:a@h sips:h <sip:h> <sip:h;a=b> sip:h:0 sip:h:65535 sip:h:05060 sip:%4@h sip:h;a=
    sip:h;a="b" sip:h;a=[::1] sip:h?a sip:h?a=b&c=d sip:[::1] sip:u@[::1]:5060 sip:[zz] sip:. sip:h_h
"""
REFUSED = """
    sip: sip:@h sip:u:@h sip:u:p:q@h sip:a@b@c sip:h: sip:h:x sip:h:65536 sip:h; sip:h;;a sip:h?
    sip:h?a=b;c sip:h> sip:h/x sip:[::1 sip:ü sip:h;a=ü sip:h;ttl=x tel:1 <sip:h>;a
"""


@pytest.mark.parametrize("text", [*TAKEN.split()])
def test_uris_that_asterisk_takes(text: str) -> None:
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        *REFUSED.split(),
        *["sip:a b@h", "sip: h", "sip:h h", "sip:h ;a", "sip:h; a", '"x" <sip:h>', "sip:h:" + "9" * 5000],
    ],
)
def test_uris_that_asterisk_refuses(text: str) -> None:
    assert not accepts(text)


def test_what_decides_where_a_request_goes() -> None:
    assert parse_sip_uri("SIPS:u@[::1]:5061;Transport=udp;transport=TLS?a=b") == ("sips", "::1", "tls")


@pytest.mark.parametrize("text", ["", "s", "a%41b", "a:b", "a;b", "+1-2.3"])
def test_asterisk_5_3_contact_user_taken(text: str) -> None:
    check_contact_user(text)


@pytest.mark.parametrize("text", ["two words", "ü", '"q"', "a@b", "a:b:c", ":a", "<x"])
def test_asterisk_5_3_contact_user_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check_contact_user(text)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "a",
            "a=b",
            "a=",
            'a="x y"',
            'a="x\\"y"',
            "a;b=c",
            "a; b=c",
            "a ;b",
            "a =b",
            "a= b",
            "q",
            "q=0.5",
        ],
        *["q=5", 'reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"', "expires=x"],
    ],
)
def test_asterisk_5_3_contact_parameters_taken(text: str) -> None:
    check_contact_parameters(text)


@pytest.mark.parametrize(
    "text",
    [
        *["two words", "ü", "a=ü", ";a", "a;", ";;", 'a="b', 'a="x"y', "=", "a,b", "a=[::1]", "a=<b>"],
        *["q=x", "Q=x", "q=.5", "b;q=x", "a/b"],
    ],
)
def test_asterisk_5_3_contact_parameters_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check_contact_parameters(text)


@pytest.mark.parametrize("text", ["", "sip:h;lr", "<sip:h>", "tel:1"])
def test_asterisk_5_3_outbound_proxy_taken(text: str) -> None:
    check_route(text)


@pytest.mark.parametrize("text", ["h", "sip:", "sip:h sip:x", "two words"])
def test_asterisk_5_3_outbound_proxy_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check_route(text)


@pytest.mark.parametrize("piece", [" ", ";a", "a=", "[", '="', ";a= ", "a@", ":", "?a", "&"])
def test_a_long_line_is_refused_or_taken_soon(piece: str) -> None:
    began = time.process_time()
    for check in (parse_sip_uri, check_contact_user, check_contact_parameters, check_route):
        for start in ("", "sip:h", "a="):
            try:
                check(start + piece * (8000 // len(piece)) + "\x00")
            except ValueError:
                continue
            pytest.fail("a NUL was taken")
    assert time.process_time() - began < 2
