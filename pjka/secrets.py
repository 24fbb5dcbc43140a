"""Keeping passwords out of everything that is printed: findings, errors, differences between files."""

from __future__ import annotations

import re
from typing import Final

_HIDDEN: Final = "***"

# Options of pjsip.conf and manager.conf whose value nobody needs to see, also in a comment.
_OPTION: Final = re.compile(
    r"(?P<name>\b(?:password|password_digest|md5_cred|secret|oauth_secret|refresh_token|passphrase)\b"
    r"[ \t]*(?:\+?=>?|:)[ \t]*)[^\r\n]+",
    re.IGNORECASE,
)
# sip:user:password@host; rather a port hidden in a list of URIs than a password shown
_URI: Final = re.compile(r"(?P<user>\bsips?:[^\s:@;,<>\"']*):[^\s@<>\"']*@", re.IGNORECASE)


def redacted(text: str) -> str:
    """``text`` with ``***`` for the value of every secret option to the end of its line, and in SIP URIs."""
    text = _OPTION.sub(rf"\g<name>{_HIDDEN}", text)
    return _URI.sub(rf"\g<user>:{_HIDDEN}@", text)
