"""What a new version of a configuration changes for running transports; nothing is done here.

Better than Asterisk (``config_transport.c``): keep-alive reaches existing connections, a removed transport's
listener closes, and only a change that a listener cannot take on restarts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path

from pjka.conf.loader import Configuration
from pjka.conf.objects import ConfigObject, Transport
from pjka.conf.options import rules_of
from pjka.conf.transport_values import Address
from pjka.keepalive.policy import Policy
from pjka.status import ChangeRow

# What a listening socket or its TLS context is made with.
_LISTENER_OPTIONS = frozenset(
    {
        "protocol",
        "bind",
        "ca_list_file",
        "ca_list_path",
        "cert_file",
        "priv_key_file",
        "password",
        "external_signaling_address",
        "external_signaling_port",
        "external_signaling_hostname",
        "verify_server",
        "verify_client",
        "require_client_cert",
        "allow_wildcard_certs",
        "method",
        "cipher",
        "tos",
        "cos",
    }
)
_SECRET = frozenset({"password"})


class Action(Enum):
    """What is to be done with one transport."""

    START = "added"
    STOP = "removed"
    RESTART = "restarted"
    CHANGE = "changed"
    KEEP = "rejected"


@dataclass(frozen=True, slots=True)
class Running:
    """A transport as it runs; ``listens``: it has not failed; ``files``: its ``fingerprint`` of then."""

    transport: Transport
    policy: Policy
    listens: bool
    files: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, with the row that says so; ``transport`` and ``policy`` are those to come."""

    action: Action
    row: ChangeRow
    transport: Transport | None = None
    policy: Policy | None = None


def plan(
    running: Mapping[str, Running],
    new: Configuration,
    wanted: Mapping[str, Policy],
    present: Collection[str],
) -> list[Step]:
    """The steps from what runs to the new configuration, nothing for what stays as it is.

    ``present`` are the ids of all transport sections in the file, those too that had to be rejected: what is
    rejected keeps its old version, and only what is gone from the file ends.
    """
    steps = [
        step
        for id, transport in new.transports.items()
        if (step := _step(running.get(id), transport, wanted[id])) is not None
    ]
    gone = [each for id, each in running.items() if id not in new.transports]
    return steps + [_keep(each, new) if each.transport.id in present else _stop(each) for each in gone]


def differences(old: ConfigObject, new: ConfigObject) -> Iterator[tuple[str, str]]:
    """The options in which two versions of an object differ, each with the change in words."""
    for name in rules_of(type(old)):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield (
                name,
                f"{name}: changed" if name in _SECRET else f"{name}: {_said(before)} -> {_said(after)}",
            )


def fingerprint(transport: Transport) -> str:
    """A digest of the files that a tls transport reads, which changes when their content does."""
    digest = hashlib.sha256()
    for path in (transport.cert_file, transport.priv_key_file, transport.ca_list_file):
        if path and transport.protocol == "tls":
            digest.update(_content(path))
    return digest.hexdigest()


def _content(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b"unreadable"


def _step(before: Running | None, transport: Transport, policy: Policy) -> Step | None:
    if before is None:
        return Step(Action.START, _row(Action.START, transport), transport, policy)
    changes = dict(differences(before.transport, transport))
    texts = (*changes.values(), *_policy_changes(before.policy, policy))
    restart = _why_restart(before, transport, changes)
    if restart:
        return Step(
            Action.RESTART, _row(Action.RESTART, transport, options=texts, reason=restart), transport, policy
        )
    if not texts:
        return None
    return Step(Action.CHANGE, _row(Action.CHANGE, transport, options=texts), transport, policy)


def _why_restart(before: Running, transport: Transport, changes: Mapping[str, str]) -> str:
    if not before.listens:
        return "it had failed"
    if affected := sorted(_LISTENER_OPTIONS & changes.keys()):
        return f"its listener is made with {', '.join(affected)}"
    return "the content of a certificate file changed" if fingerprint(transport) != before.files else ""


def _policy_changes(before: Policy, after: Policy) -> Iterator[str]:
    for each in fields(Policy):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if each.name in ("mechanism", "crlf_interval") and old != new:
            yield f"{each.name}: {_said(old)} -> {_said(new)}"


def _keep(before: Running, new: Configuration) -> Step:
    prefix = f"transport {before.transport.id}:"
    why = [finding for finding in new.findings if finding.message.startswith(prefix)]
    reason = why[0].message if why else "the new version is rejected, see `pjka check`"
    file, line = (why[0].file, why[0].line) if why else (new.path, 0)
    row = ChangeRow("transport", before.transport.id, "rejected", reason=reason, file=file, line=line)
    return Step(Action.KEEP, row)


def _stop(before: Running) -> Step:
    return Step(Action.STOP, _row(Action.STOP, before.transport, reason="it is no longer in the file"))


def _row(
    action: Action, transport: Transport, *, options: tuple[str, ...] = (), reason: str = ""
) -> ChangeRow:
    place = transport.place
    return ChangeRow(
        "transport",
        transport.id,
        action.value,
        options=options,
        reason=reason,
        file=place.file,
        line=place.line,
    )


def _said(value: object) -> str:
    if isinstance(value, Address):
        return f"{value.host}:{value.port}"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)
