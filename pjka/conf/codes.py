"""Every kind of finding that the objects of a configuration can give rise to, in one table.

``asterisk`` and ``advice`` may hold ``{kind}``, the type of the object. A finding's own message
says what it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pjka.conf.findings import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """What all findings of one code have in common."""

    severity: Severity
    summary: str
    """For the documentation: when it is given."""
    asterisk: str
    advice: str
    rejects: bool = False
    """The object is not loaded."""


_REJECTED: Final = "Rejects the {kind}, logs an error and goes on with the next object."
_IGNORED: Final = "Ignores it without a word."
_AT: Final = "Ignores every name that begins with @."


def _error(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.ERROR, summary, asterisk, advice)


def _rejecting(summary: str, advice: str) -> Code:
    return Code(Severity.ERROR, summary, _REJECTED, advice, rejects=True)


def _warning(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.WARNING, summary, asterisk, advice)


def _notice(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.NOTICE, summary, asterisk, advice)


CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        # what an object is
        "type-missing": _warning(
            "a section that is no template has no type",
            _IGNORED,
            "Give it a type, or make it a template with (!).",
        ),
        "type-case": _warning(
            "a type in other case than Asterisk's",
            "Compares types exactly and ignores the section without a word.",
            "Write the type in lower case.",
        ),
        "type-unknown": _warning("a type that Asterisk does not know", _IGNORED, "Correct the type."),
        "type-overridden": _warning(
            "a later type differs from the first, which may be inherited",
            "Uses the first type, even an inherited one.",
            "Give a section one type; take it out of the template.",
        ),
        "type-not-read": _warning(
            "type=contact",
            "Keeps contacts in its database, and ignores those of pjsip.conf without a word.",
            "Put the URI into the contact option of an aor.",
        ),
        "untyped-ignored": _warning(
            "[global] or [system] has no type, and an option by which Asterisk does not recognise it",
            "Takes such a section for something else and ignores all of it without a word.",
            "Add type={kind}, and correct the option.",
        ),
        "duplicate-object": _error(
            "two objects have the same id and type",
            "Loads none of this type: at start there is no {kind} at all, on reload the old ones stay.",
            "Rename or remove one, or continue the first with (+).",
        ),
        "two-singles": _error(
            "two objects of a type of which there can be one",
            "Uses the last one, and logs an error only if they are of type global.",
            "Merge them.",
        ),
        "several-singles": _error(
            "three or more objects of a type of which there can be one",
            "Loads none of them, so that all defaults hold.",
            "Merge them.",
        ),
        # options
        "unknown-option": _rejecting("an option that the type does not have", "Remove it."),
        "never-an-option": _rejecting(
            "a keep-alive option that is written about but never existed",
            "Use the option that exists.",
        ),
        "at-needed": _rejecting(
            "an option of pjka's own without its @",
            "Write it with @ in front, which Asterisk ignores and pjka reads.",
        ),
        "unknown-at-option": _warning(
            "a name with @ that pjka does not know", _AT, "Correct the name, or remove the line."
        ),
        "at-value": _warning("a value of an @ option that pjka cannot use", _AT, "Correct the value."),
        "both-spellings": _warning(
            "an option is set with and without @",
            "Sees only the name without @, and so does pjka.",
            "Remove the line with @.",
        ),
        "deprecated-option": _notice(
            "an option has a newer name", "Still accepts the old name.", "Use the new name."
        ),
        # values
        "bad-value": _rejecting("a value that the option does not accept", "Correct the value."),
        "odd-boolean": _warning(
            "a boolean is neither a word for true nor one for false",
            "Takes everything but yes, true, y, t, 1 and on for false, and says nothing.",
            "Write yes or no.",
        ),
        "system-needs-at": _rejecting(
            "the value system for an option spelled without @",
            "Write it with @ in front, which Asterisk ignores and pjka reads.",
        ),
        "option-missing": _rejecting("an option without which the object is useless", "Set it."),
        "empty-value": _rejecting("an option is empty that must not be", "Set it, or remove the line."),
        "file-unreadable": _rejecting("a file is missing", "Correct the name, or put the file there."),
        "file-unverified": _notice(
            "whether a file is readable cannot be told from here",
            "Rejects the {kind} if it cannot read the file.",
            "Check again as the user that runs the PBX, and give the whole path.",
        ),
        "exclusive-options": _rejecting("two options exclude each other", "Remove one of them."),
        "incomplete-pair": _rejecting("of two options that need each other one is set", "Set both or none."),
        "too-many-ciphers": _rejecting("more than 64 ciphers", "Name fewer."),
        "contact-repeated": _notice("a contact is named twice", "Keeps one of them.", "Remove one."),
        "async-operations": _warning(
            "async_operations is not 1", "Logs a warning and uses 1.", "Remove the line."
        ),
        "tos-rounded": _warning(
            "tos has bits that are not part of a DSCP",
            "Logs a warning and rounds it down to a multiple of 4.",
            "Use a multiple of 4, or a name as CS3 or EF.",
        ),
        "websocket-ignores": _warning(
            "tos, cos or TLS files on a websocket transport",
            "Logs a warning and ignores them: websockets use the listener of http.conf.",
            "Remove the lines.",
        ),
        "algorithms-default": _warning(
            "default_auth_algorithms_uas or _uac names an algorithm that does not exist",
            "Logs a warning and uses MD5.",
            "Use MD5, SHA-256 and SHA-512-256.",
        ),
        "timer-raised": _warning(
            "a timer is below its minimum",
            "Logs a warning and uses the minimum.",
            "Use at least the minimum.",
        ),
        # keep-alive
        "keepalive-not-tcp": _warning(
            "TCP keep-alive options on a transport that is neither tcp nor tls",
            _IGNORED,
            "Remove them, or set them on the tcp and tls transports.",
        ),
        "kernel-limit": _warning(
            "a keep-alive value that the kernel refuses",
            "Accepts it and says nothing when the kernel refuses it and keeps its own "
            "(on Linux 7200 s idle, 75 s interval, 9 probes).",
            "Stay within 1 to 32767 for the times and 1 to 127 for the probes.",
        ),
        "interval-default": _notice(
            "keep-alive is enabled and tcp_keepalive_interval_time is not set",
            "Uses 1 second, although its documentation says 10.",
            "Set tcp_keepalive_interval_time, so that nobody has to know.",
        ),
        # names of other objects
        "transport-missing": _rejecting(
            "a registration names no transport, and none is of its server's protocol",
            "Add such a transport, or name another with transport.",
        ),
        "reference-missing": _warning(
            "an object names another that is not there",
            "Loads the {kind} and fails where the other is needed.",
            "Correct the name, or add the object.",
        ),
    }
)
