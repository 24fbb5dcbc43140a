"""Why a connection ended, from what pjproject and the kernel say about it."""

from __future__ import annotations

import errno

from pjka.linux.tcp_info import TcpInfo
from pjka.status import Cause

_ERRNO_BASE = 120000
_END_OF_FILE = 70016
_OURS = (0, 70014)  # destroyed when its last user left, or shut down
_TLS_VERIFY = 171173
_TLS_ERRORS = range(470000, 520000)
_UNANSWERED = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_RESETS = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}


def errno_of(status: int) -> int | None:
    """The operating system's error in a pjproject ``status``, if it is one."""
    number = status - _ERRNO_BASE
    return number if 0 < number < 1000 else None


def cause_of(status: int, info: TcpInfo | None) -> Cause:
    """Why an established connection ended that pjproject reports gone with ``status``.

    Keep-alive and user timeout end in the same error. They are told apart by what went unanswered, as it
    stands in the socket when the kernel has given up: probes are sent only while nothing is outstanding, so
    a retransmission count above 0 means that data was (Linux ``tcp_keepalive_timer`` and
    ``tcp_retransmit_timer``). With an ICMP error noted in the meantime the kernel reports that, and not a
    timeout (``tcp_write_err``).
    """
    if status == _END_OF_FILE:
        return Cause.PEER_CLOSED
    if status in _OURS:
        return Cause.CLOSED
    if status == _TLS_VERIFY:
        return Cause.TLS_VERIFY
    if status in _TLS_ERRORS:
        return Cause.TLS_FAILED
    return _cause_of_error(errno_of(status), info)


def cause_of_attempt(status: int) -> Cause:
    """Why a connection never came up."""
    if status == _TLS_VERIFY:
        return Cause.TLS_VERIFY
    return Cause.TLS_FAILED if status in _TLS_ERRORS else Cause.CONNECT_FAILED


def _cause_of_error(error: int | None, info: TcpInfo | None) -> Cause:
    if error in _RESETS:
        return Cause.RESET
    if error not in _UNANSWERED:
        return Cause.UNKNOWN
    return Cause.USER_TIMEOUT if info is not None and info.retransmits else Cause.KEEPALIVE
