"""Digest credentials against the examples of the RFCs and against challenges as they are met."""

from __future__ import annotations

import hashlib
import re

import pytest

from pjka.pjproject import digest
from pjka.pjproject.digest import Credential, authorize, challenges


def asks(*values: str) -> bytes:
    """A 401 with these challenges, and one header more."""
    lines = ["SIP/2.0 401 Unauthorized", *values, "Content-Length: 0"]
    return "\r\n".join([*lines, "", ""]).encode()


def value(header: str, name: str) -> str:
    found = re.search(rf'\b{name}="?([^",]*)', header)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_3_9_1_example(monkeypatch: pytest.MonkeyPatch, algorithm: str, expected: str) -> None:
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(digest.secrets, "token_hex", lambda _: cnonce)
    challenge = (
        'WWW-Authenticate: Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f'algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    asked = challenges(asks(challenge))
    ((name, header),) = (
        authorize(asked, [Credential("Mufasa", "Circle of Life")], "GET", "/dir/index.html") or []
    )
    assert name == "Authorization"
    assert value(header, "response") == expected
    assert value(header, "opaque") == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_rfc2617_without_qop() -> None:
    asked = challenges(asks('WWW-Authenticate: Digest realm="r", nonce="n"'))
    headers = authorize(asked, [Credential("u", "p")], "OPTIONS", "sip:x") or []

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    assert value(headers[0][1], "response") == md5(f"{md5('u:r:p')}:n:{md5('OPTIONS:sip:x')}")
    assert "qop" not in headers[0][1]


def test_qop_nc_and_algorithm_are_not_quoted() -> None:
    asked = challenges(asks('WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=md5'))
    header = (authorize(asked, [Credential("u", "p")], "OPTIONS", "sip:x") or [])[0][1]
    assert header.endswith(f'algorithm=MD5, qop=auth, nc=00000001, cnonce="{value(header, "cnonce")}"')


def test_a_proxys_challenge_has_its_own_header() -> None:
    asked = challenges(asks('Proxy-Authenticate: Digest realm="r", nonce="n"'))
    assert (authorize(asked, [Credential("u", "p")], "OPTIONS", "sip:x") or [])[0][0] == "Proxy-Authorization"


def test_every_realm_that_asks_is_answered() -> None:
    asked = challenges(
        asks(
            'WWW-Authenticate: Digest realm="a", nonce="1"', 'Proxy-Authenticate: Digest realm="b", nonce="2"'
        )
    )
    known = [Credential("ua", "p", "a"), Credential("ub", "p", "b")]
    answered = authorize(asked, known, "OPTIONS", "sip:x") or []
    assert [value(header, "username") for _, header in answered] == ["ua", "ub"]
    assert authorize(asked, known[:1], "OPTIONS", "sip:x") is None


def test_rfc8760_the_first_algorithm_that_can_be_answered() -> None:
    asked = challenges(
        asks(
            'WWW-Authenticate: Digest realm="r", nonce="1", algorithm=SHA-256',
            'WWW-Authenticate: Digest realm="r", nonce="2", algorithm=MD5',
        )
    )
    ((_, both),) = authorize(asked, [Credential("u", "p")], "OPTIONS", "sip:x") or []
    assert value(both, "algorithm") == "SHA-256"
    stored = Credential("u", digests=(("MD5", hashlib.md5(b"u:r:p").hexdigest()),))
    ((_, only),) = authorize(asked, [stored], "OPTIONS", "sip:x") or []
    assert value(only, "nonce") == "2"


def test_a_stored_digest_answers_as_its_password_would() -> None:
    asked = challenges(asks('WWW-Authenticate: Digest realm="r", nonce="n"'))
    stored = Credential("u", digests=(("MD5", hashlib.md5(b"u:r:p").hexdigest()),))
    assert authorize(asked, [stored], "O", "sip:x") == authorize(asked, [Credential("u", "p")], "O", "sip:x")


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
        'Digest realm="r", nonce="n", qop="auth-int"',
        "Digest",
        "Digest ,,=,",
        "\\",
    ],
)
def test_a_challenge_that_cannot_be_answered_is_left_out(challenge: str) -> None:
    asked = challenges(asks(f"WWW-Authenticate: {challenge}"))
    assert asked == []
    assert authorize(asked, [Credential("u", "p")], "OPTIONS", "sip:x") is None


def test_commas_quotes_and_folded_lines_in_a_challenge() -> None:
    folded = 'WWW-Authenticate: Digest realm="a, b",\r\n\tnonce="n=,\\"x",\r\n qop="auth,auth-int"'
    (challenge,) = challenges(asks(folded))
    assert (challenge.realm, challenge.qop) == ("a, b", "auth")


def test_a_quote_in_the_user_name_is_escaped() -> None:
    asked = challenges(asks('WWW-Authenticate: Digest realm="r", nonce="n"'))
    header = (authorize(asked, [Credential('a"b\\c', "p")], "OPTIONS", "sip:x") or [])[0][1]
    assert 'username="a\\"b\\\\c"' in header


def test_stale_is_seen() -> None:
    asked = challenges(asks('WWW-Authenticate: Digest realm="r", nonce="n", stale=TRUE'))
    assert [challenge.stale for challenge in asked] == [True]


def test_secrets_are_in_no_representation() -> None:
    assert "geheim" not in repr(Credential("u", "geheim", digests=(("MD5", "geheim"),)))
