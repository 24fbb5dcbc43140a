"""What becomes of the requests under way when their connection is found stale.

The rules are those of Genesys SIP Server and SIP Proxy: with a transaction under way the connection is
reopened at once and the request sent again; an idle connection is reopened by the next request; a call whose
connection cannot be reopened is released. They do not replace qualify.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SERVICE_UNAVAILABLE = 503


class Recover(StrEnum):
    """``@recover`` of a transport: whether requests are sent again, and to which targets."""

    YES = "yes"
    NO = "no"
    DNS = "dns"  # targets found by name too


@dataclass(frozen=True, slots=True)
class Pending:
    """A request whose final response has not come.

    ``provisional`` tells whether a 1xx has; ``by_name`` whether its target was found through DNS;
    ``cancelled`` whether a CANCEL for it went out; ``resent`` whether it has been sent again already.
    """

    method: str
    provisional: bool = False
    by_name: bool = False
    cancelled: bool = False
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Resend:
    """Open a fresh connection and send the request with a new branch, and a new CSeq if ``next_cseq``.

    A request that no answer came to keeps its Call-ID and CSeq. One that had a provisional answer is known to
    the peer, which would take the same CSeq with another branch for a loop (RFC 3261 8.2.2.2).
    """

    next_cseq: bool


@dataclass(frozen=True, slots=True)
class End:
    """End the transaction with this status; a call that it belongs to is released. ``reason`` says why."""

    reason: str
    status: int = SERVICE_UNAVAILABLE


def stale(pending: Pending, recover: Recover) -> Resend | End:
    """What to do with a request whose connection was found stale (G4, G9)."""
    for applies, reason in (
        (recover is Recover.NO, "@recover is off"),
        (
            pending.method in ("ACK", "CANCEL"),
            f"{pending.method} belongs to a request of the stale connection",
        ),
        (pending.cancelled, "the request was cancelled"),
        (pending.resent, "the reopened connection was found stale as well"),
        (
            pending.by_name and recover is not Recover.DNS,
            "the target was found by name, and only @recover=dns reopens those",
        ),
    ):
        if applies:
            return End(reason)
    return Resend(next_cseq=pending.provisional)


def reopening_failed(error: str, *, tls: bool) -> End:
    """What to do with a request whose fresh connection did not come up (G6), in the system's words."""
    if tls:
        return End(f"reopening failed: {error}; over TLS the peer has to accept connections itself")
    return End(f"reopening failed: {error}")
