"""What is to be said about a configuration for one release of Asterisk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pjka.check.notes import Notes
from pjka.check.versions import NEWER_OPTIONS, TCP_KEEPALIVE, Version, inverts_keepalive
from pjka.conf.checks import KEEPALIVE_OPTIONS
from pjka.conf.loader import Configuration
from pjka.conf.objects import ConfigObject, Transport
from pjka.keepalive.policy import Mechanism, Policy

_INSTEAD: Final = {
    "qualify_2xx_only": "Write @qualify_2xx_only, which this Asterisk ignores and pjka reads.",
    "external_signaling_hostname": "Set external_signaling_address instead.",
}


def check_version(
    configuration: Configuration, policies: Mapping[str, Policy], version: Version, notes: Notes
) -> None:
    """Note what this release rejects or turns round."""
    for transport in configuration.transports.values():
        if not version.has(TCP_KEEPALIVE):
            _check_lacking(transport, version, notes)
        elif inverts_keepalive(version) and transport.protocol in ("tcp", "tls"):
            _check_inverted(transport, policies[transport.id], version, notes)
    for option, since in NEWER_OPTIONS.items():
        if not version.has(since):
            _check_newer(configuration, option, version, notes)


def seen_by_asterisk(thing: ConfigObject, option: str) -> bool:
    """Whether the file sets ``option`` in the spelling that Asterisk reads."""
    return option in thing.places and option not in thing.at_options


def _check_lacking(transport: Transport, version: Version, notes: Notes) -> None:
    for option in KEEPALIVE_OPTIONS:
        if seen_by_asterisk(transport, option):
            text = f"Asterisk {version} does not know {option}"
            notes.add("version-lacks-keepalive", transport, option, text, f"@{option}")


def _check_inverted(transport: Transport, policy: Policy, version: Version, notes: Notes) -> None:
    if not seen_by_asterisk(transport, "tcp_keepalive_enable"):
        if policy.mechanism is not Mechanism.KERNEL:
            text = f"Asterisk {version} switches TCP keep-alive on where it is not mentioned"
            notes.add("version-defaults-keepalive", transport, None, text)
    elif transport.tcp_keepalive_enable:
        text = f"Asterisk {version} takes yes for no"
        notes.add("version-inverts-keepalive", transport, "tcp_keepalive_enable", text)
    else:
        text = f"Asterisk {version} takes no for yes"
        notes.add("version-defaults-keepalive", transport, "tcp_keepalive_enable", text)


def _check_newer(configuration: Configuration, option: str, version: Version, notes: Notes) -> None:
    for thing in _objects(configuration):
        if seen_by_asterisk(thing, option):
            text = f"Asterisk {version} does not know {option}"
            notes.add("version-lacks-option", thing, option, text, _INSTEAD[option])


def _objects(configuration: Configuration) -> Iterator[ConfigObject]:
    yield from configuration.transports.values()
    yield from configuration.aors.values()
