"""Which Asterisk knows which option: the branches of ``ChangeLog`` and issue 1149.

An option comes to several branches at once, each with its own minor number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pjka.errors import PjkaError


class VersionError(PjkaError):
    """That is no version of Asterisk."""


@dataclass(frozen=True, slots=True)
class Since:
    """The first release of each branch that has something, and the branch from which on all have it."""

    branches: Mapping[int, int]
    everywhere: int


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A release of Asterisk."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def has(self, since: Since) -> bool:
        """Whether what came with ``since`` is in this release."""
        first = since.branches.get(self.major)
        return self.major >= since.everywhere or (first is not None and self.minor >= first)


TCP_KEEPALIVE: Final = Since({18: 23, 20: 8, 21: 3}, everywhere=22)

# fixed by commit 2f6578925d; branch 18 never was
_RIGHT_WAY_ROUND: Final = Since({20: 13, 21: 8, 22: 3}, everywhere=23)

NEWER_OPTIONS: Final[Mapping[str, Since]] = {
    "qualify_2xx_only": Since({20: 12, 21: 7, 22: 2}, everywhere=23),
    "external_signaling_hostname": Since({20: 21, 22: 11, 23: 5}, everywhere=24),
}
"""Options that not every release in use knows, beside those of TCP keep-alive."""


def parse_version(text: str) -> Version:
    """Read ``16.28``, ``22.10.1~dfsg``, ``certified/20.7-cert2``; raises :class:`VersionError`."""
    match = re.fullmatch(r"(?:[A-Za-z]+[ /-])?([0-9]{1,4})\.([0-9]{1,4})(?:[^0-9].*)?", text.strip())
    if match is None:
        raise VersionError(
            "no version of Asterisk", option="version", value=text, expected="MAJOR.MINOR, as 22.10"
        )
    return Version(int(match[1]), int(match[2]))


def inverts_keepalive(version: Version) -> bool:
    """Whether ``tcp_keepalive_enable`` means its opposite, and being absent means on (issue 1149)."""
    return version.has(TCP_KEEPALIVE) and not version.has(_RIGHT_WAY_ROUND)
