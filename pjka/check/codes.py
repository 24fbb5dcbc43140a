"""Every kind of finding about keep-alive and qualify as a whole; `pjka.conf.codes` has those about lines.

``advice`` may hold ``{advice}``, what is known better where the finding is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pjka.conf.codes import Code
from pjka.conf.findings import Severity

_RUNS_BOTH: Final = "Runs both: none of its keep-alives knows of another."
_AT: Final = "Ignores every name that begins with @."


def _error(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.ERROR, summary, asterisk, advice)


def _warning(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.WARNING, summary, asterisk, advice)


def _notice(summary: str, asterisk: str, advice: str) -> Code:
    return Code(Severity.NOTICE, summary, asterisk, advice)


CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        # two mechanisms on one connection
        "crlf-beside-tcp-keepalive": _warning(
            "the CRLF of keep_alive_interval is on beside TCP keep-alive",
            "Sends it every keep_alive_interval seconds (90 unless set) on every tcp and tls connection.",
            "{advice}",
        ),
        "crlf-beside-outbound": _warning(
            "the CRLF of keep_alive_interval is on beside the pings of RFC 5626",
            "Sends it every keep_alive_interval seconds (90 unless set) on every tcp and tls connection.",
            "{advice}",
        ),
        "pjproject-timer": _warning(
            "an external pjproject sends its own CRLF every 90 seconds",
            "Compiles that timer out of its bundled pjproject only; with another it cannot switch it off.",
            "{advice}",
        ),
        "pjproject-option-slots": _error(
            "an external pjproject has no room for the socket options of TCP keep-alive",
            "Logs a warning and starts the transport without any of them.",
            "Build Asterisk with its bundled pjproject, or let pjka attach set them.",
        ),
        "keepalive-contradiction": _warning(
            "@keepalive and tcp_keepalive_enable say different things", _AT, "Let both say the same."
        ),
        # what the times amount to
        "keepalive-times-unused": _warning(
            "times of TCP keep-alive are set and it is not enabled",
            "Starts the transport without TCP keep-alive.",
            "Set tcp_keepalive_enable=yes, or remove the times.",
        ),
        "options-without-user-timeout": _warning(
            "OPTIONS run on a transport with TCP keep-alive whose user timeout is switched off",
            "Has no user timeout at all: OPTIONS written on a dead path end the probing for minutes.",
            "Remove the line: @tcp_user_timeout=auto bounds that.",
        ),
        "user-timeout-above-budget": _warning(
            "the user timeout is longer than idle + interval x probes",
            _AT,
            "Remove the line: @tcp_user_timeout=auto is exactly that long.",
        ),
        "single-probe": _warning(
            "one lost probe ends a connection, which RFC 1122 4.2.3.6 forbids",
            "Uses the number as it is.",
            "Let two probes or more go unanswered.",
        ),
        "idle-above-firewall-timeout": _warning(
            "the firewall on the path forgets an idle connection before anything is sent on it",
            "Learns nothing of it: what it then sends is lost until TCP gives up.",
            "{advice}",
        ),
        "crlf-alone": _notice(
            "nothing but the CRLF of keep_alive_interval watches a transport",
            "Sends it and expects no answer: a dead peer is noticed when TCP gives up on it.",
            "Set tcp_keepalive_enable=yes and keep_alive_interval=0.",
        ),
        "nothing-keeps-alive": _warning(
            "no mechanism at all watches a transport",
            "Keeps a dead connection until it has something to send, and for minutes more.",
            "Set tcp_keepalive_enable=yes.",
        ),
        # qualify and registrations
        "qualify-timeout-above-frequency": _warning(
            "qualify_timeout is longer than qualify_frequency",
            "Sends the next OPTIONS while the last is still unanswered.",
            "Make qualify_timeout shorter than qualify_frequency.",
        ),
        "qualify-timeout-above-transaction": _warning(
            "qualify_timeout is longer than a SIP transaction (timer_b, 32 s)",
            "Ends the transaction after timer_b, whatever qualify_timeout says.",
            "Use at most {advice}.",
        ),
        "qualify-timeout-off": _notice(
            "qualify_timeout is 0 or negative",
            "Has no timer of its own and waits for the transaction to end (timer_b, 32 s).",
            "Set qualify_timeout to a few seconds.",
        ),
        "qualify-faster-than-needed": _notice(
            "OPTIONS are frequent although TCP keep-alive holds the path and finds a dead peer",
            "Sends them at that rate; each is a full SIP exchange.",
            "Set {advice}: OPTIONS are left with finding a peer whose SIP alone has died.",
        ),
        "qualify-needed": _warning(
            "an option that acts on the result of OPTIONS, and none are sent",
            _AT,
            "Set qualify_frequency.",
        ),
        "short-registration": _notice(
            "registrations are short although TCP keep-alive holds the path",
            "Handles each REGISTER with its full stack, authentication included.",
            "Let them last 300 s or longer.",
        ),
        # --asterisk VERSION
        "version-lacks-keepalive": _error(
            "a TCP keep-alive option that this Asterisk does not know",
            "Rejects the transport for it.",
            "Write {advice}, which this Asterisk ignores and pjka reads.",
        ),
        "version-lacks-option": _error(
            "an option that this Asterisk does not know", "Rejects the object for it.", "{advice}"
        ),
        "version-inverts-keepalive": _error(
            "tcp_keepalive_enable=yes, which this Asterisk takes for no (its issue 1149)",
            "Switches TCP keep-alive off.",
            "Update Asterisk to 20.13, 21.8, 22.3 or 23.0, or let pjka attach set the sockets.",
        ),
        "version-defaults-keepalive": _warning(
            "no tcp_keepalive_enable=yes, which this Asterisk takes for yes (its issue 1149)",
            "Switches TCP keep-alive on, with idle 30, interval 1 and 5 probes unless set.",
            "Update Asterisk to 20.13, 21.8, 22.3 or 23.0; there set tcp_keepalive_enable=yes to keep it on.",
        ),
    }
)
