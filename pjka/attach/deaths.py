"""Why a connection ended, from the kernel's last account of it. Pure."""

from __future__ import annotations

from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.status import Cause


def cause_of(last: TcpState, info: TcpInfo, after: TcpState | None, *, incoming: bool) -> Cause:
    """Why a connection ended that was in state ``last`` when it was last seen.

    ``info`` is what the kernel told as it freed the socket: counts of what went unanswered stay in it.
    ``after`` is the state of what the kernel keeps for the same addresses now: TIME_WAIT on the side that
    closed first (RFC 9293 3.6). A FIN of ours that was acknowledged counts as one octet that was never
    sent as data, and so does the SYN of a connection that we opened.
    """
    if last is TcpState.SYN_SENT:
        return Cause.CONNECT_FAILED
    if info.probes:
        return Cause.KEEPALIVE
    if info.retransmits:
        return Cause.USER_TIMEOUT
    if after in (TcpState.TIME_WAIT, TcpState.FIN_WAIT2):
        return Cause.CLOSED
    ours = info.bytes_acked - (info.bytes_sent - info.bytes_retransmitted)
    return Cause.PEER_CLOSED if ours > (0 if incoming else 1) else Cause.RESET
