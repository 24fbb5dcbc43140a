"""Releases of Asterisk, and what each knows."""

from __future__ import annotations

import pytest

from pjka.check.versions import (
    NEWER_OPTIONS,
    TCP_KEEPALIVE,
    Version,
    VersionError,
    inverts_keepalive,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("16.28", Version(16, 28)),
        ("16.28.0", Version(16, 28)),
        ("22.10.1+dfsg+~cs6.17", Version(22, 10)),
        ("16.28.0~dfsg-0+deb11u4", Version(16, 28)),
        ("Asterisk 20.8.1", Version(20, 8)),
        ("certified/20.7-cert2", Version(20, 7)),
        (" 23.0-rc1 ", Version(23, 0)),
        ("1.2.3.4", Version(1, 2)),
    ],
)
def test_versions_as_they_are_written(text: str, version: Version) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["", "22", "foo", "22.", ".10", "22.10000000", "-1.5"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(VersionError, match=r"expected MAJOR\.MINOR"):
        parse_version(text)


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ("16.28", 0),
        ("18.22", 0),
        ("18.23", 1),
        ("19.8", 0),
        ("20.7", 0),
        ("20.8", 1),
        ("21.2", 0),
        ("21.3", 1),
        ("22.0", 1),
        ("23.5", 1),
    ],
)
def test_asterisk_2_1_keepalive_came_with(version: str, has: int) -> None:
    assert parse_version(version).has(TCP_KEEPALIVE) is bool(has)


@pytest.mark.parametrize(
    ("version", "inverted"),
    [
        ("16.28", 0),
        ("18.22", 0),
        ("18.23", 1),
        ("18.26", 1),
        ("19.8", 0),
        ("20.7", 0),
        ("20.8", 1),
        ("20.12", 1),
        ("20.13", 0),
        ("21.2", 0),
        ("21.3", 1),
        ("21.7", 1),
        ("21.8", 0),
        ("22.0", 1),
        ("22.2", 1),
        ("22.3", 0),
        ("23.0", 0),
    ],
)
def test_asterisk_2_3_the_flag_was_inverted_in(version: str, inverted: int) -> None:
    assert inverts_keepalive(parse_version(version)) is bool(inverted)


@pytest.mark.parametrize(
    ("option", "version", "has"),
    [
        ("qualify_2xx_only", "20.11", 0),
        ("qualify_2xx_only", "20.12", 1),
        ("qualify_2xx_only", "21.6", 0),
        ("qualify_2xx_only", "21.7", 1),
        ("qualify_2xx_only", "22.1", 0),
        ("qualify_2xx_only", "22.2", 1),
        ("qualify_2xx_only", "23.0", 1),
        ("external_signaling_hostname", "20.20", 0),
        ("external_signaling_hostname", "20.21", 1),
        ("external_signaling_hostname", "21.12", 0),
        ("external_signaling_hostname", "22.10", 0),
        ("external_signaling_hostname", "22.11", 1),
        ("external_signaling_hostname", "23.4", 0),
        ("external_signaling_hostname", "23.5", 1),
        ("external_signaling_hostname", "24.0", 1),
    ],
)
def test_asterisk_2_1_and_3_1_newer_options_came_with(option: str, version: str, has: int) -> None:
    assert parse_version(version).has(NEWER_OPTIONS[option]) is bool(has)
