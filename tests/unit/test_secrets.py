"""Passwords stay out of what is printed."""

from __future__ import annotations

import pytest

from pjka.secrets import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2", "password=***"),
        ("  PassWord => hunter 2 ; note", "  PassWord => ***"),
        ("password += 2", "password += ***"),
        (";password = hunter2", ";password = ***"),
        ("@password=hunter2", "@password=***"),
        ("md5_cred=0123", "md5_cred=***"),
        ("password_digest = SHA-256:0123", "password_digest = ***"),
        ("oauth_secret=x", "oauth_secret=***"),
        ("refresh_token=x", "refresh_token=***"),
        ("secret: x", "secret: ***"),
        ("keep_alive_interval=0 ; ami secret=x", "keep_alive_interval=0 ; ami secret=***"),
        ("contact=sip:bob:hunter2@192.0.2.1", "contact=sip:bob:***@192.0.2.1"),
        ("<sips:bob:h,2;x=1@a>, sip:c:d:e@f", "<sips:bob:***@a>, sip:c:***@f"),
        ("password=hunter2\r\nport=1", "password=***\r\nport=1"),
    ],
)
def test_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "password=",
        "auth_type=userpass",
        "my_password_file=x",
        "sip:bob@192.0.2.1:5060",
        "sip:192.0.2.1:5060",
        "a=b",
    ],
)
def test_left_alone(text: str) -> None:
    assert redacted(text) == text
