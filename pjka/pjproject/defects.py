"""What is known to be wrong with pjproject, in which versions, and what pjka does about it.

The numbers are those of pjproject's issues and pull requests. A defect stays listed while a version that pjka
runs on has it, so that nobody removes the workaround first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that pjproject does wrong; ``fixed`` is the first version without it, None if there is none.

    A ``trial`` defect is one of how the trial wheel was built, not of pjproject's source.
    """

    code: str
    text: str
    workaround: str
    fixed: str | None = None
    trial: bool = False


_DEFECTS = (
    Defect(
        "assertions",
        "a limit that is reached ends the process, and any peer can reach one: 150 connects per second do",
        "limits are checked before each call, and addresses that other hosts can reach are refused",
        trial=True,
    ),
    Defect(
        "openssl-1.0.2",
        "carries OpenSSL 1.0.2k of 2017: no TLS 1.3, and no security fix since",
        "addresses that other hosts can reach are refused",
        trial=True,
    ),
    Defect(
        "four-socket-options",
        "only four socket options fit a transport, further ones are dropped without a word",
        "TCP_USER_TIMEOUT is set on each connection's own socket",
        trial=True,
    ),
    Defect(
        "send-queue-deadlock",
        "#4442: two threads deadlock over a send queue that a dead peer has filled",
        "one thread makes every call",
        fixed="2.16",
    ),
    Defect(
        "keep-alive-timer-race",
        "#4536: its keep-alive timer can fire on a connection that was freed",
        "that timer is off before the first transport exists",
        fixed="2.16",
    ),
    Defect(
        "dangling-socket-option",
        "#5037: the values of socket options are read after they were freed",
        "the options are kept until the listener exists, and read back from every socket",
        fixed="2.18",
    ),
    Defect(
        "send-request-failure",
        "#5164: Account.sendRequest uses freed memory when a request cannot be sent",
        "requests are sent by pjsip's own functions",
        fixed="2.18",
    ),
    Defect(
        "no-pong",
        "a CRLF ping (RFC 5626) is not answered",
        "it is answered by pjka",
        fixed="2.18",
    ),
    Defect(
        "keep-alive-flood",
        "with a transport alive, a keep-alive interval changed to 0 sends CRLF without pause",
        "the interval is 0 before the first transport exists and is never changed",
    ),
    Defect(
        "flow-timer-flood",
        "a registrar that answers Flow-Timer: 1 makes an account send CRLF without pause",
        "a Flow-Timer is never left to pjsua",
    ),
    Defect(
        "callback-under-lock",
        "transport states are reported with the transport manager locked",
        "callbacks only record, and no lock is held around a call",
    ),
    Defect(
        "send-on-dead-connection",
        "sending on a connection that was reported dead succeeds",
        "nothing is sent on a connection after that report",
    ),
    Defect(
        "blocking-dns",
        "a host name stops the thread that polls until the name server answers",
        "names are looked up elsewhere, pjproject is given addresses",
    ),
    Defect(
        "no-request-timeout",
        "a request's own timeout is not implemented, only the 32 s of the transaction",
        "qualify counts its timeout itself",
    ),
)


def defects_of(version: str, *, trial: bool) -> tuple[Defect, ...]:
    """The known defects of pjproject ``version``, with those of the trial wheel's build if it is that."""
    return tuple(
        defect
        for defect in _DEFECTS
        if (trial or not defect.trial) and (defect.fixed is None or _number(version) < _number(defect.fixed))
    )


def _number(version: str) -> tuple[int, ...]:
    """2.15.1 as (2, 15, 1). 2.17-dev counts as 2.17, because it may be any state of the source after that."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
