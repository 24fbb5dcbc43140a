"""A call of a program with its own ``pjsua2.Endpoint`` that outlives its connection, or says why not.

The rules are those of :mod:`pjka.keepalive.recovery`.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pjsua2 as pj

from pjka.conf.uris import parse_sip_uri
from pjka.events import ConnectionDown
from pjka.keepalive.recovery import Pending, Recover, Resend, reopening_failed, stale
from pjka.loading import Loaded
from pjka.monitors import Connection
from pjka.pjproject.names import is_address
from pjka.status import Cause

_REFUSED = 120111  # ECONNREFUSED: nothing was stale, nobody listens
_UNANSWERED = (pj.PJSIP_EVENT_TRANSPORT_ERROR, pj.PJSIP_EVENT_TIMER)
_FOUND_DEAD = (Cause.RESET, Cause.PEER_CLOSED, Cause.KEEPALIVE, Cause.USER_TIMEOUT)
_OURS = (Cause.CLOSED, Cause.IDLE_KILL, Cause.ENGINE_FULL)  # closed here, so not stale


class Call(pj.Call):  # type: ignore[misc]  # pjsua2 is not typed
    """A ``pjsua2.Call`` on a program's endpoint that :func:`pjka.load` was called for.

    An INVITE whose connection is found stale before a final answer is sent again, once, over a fresh one, and
    the call goes on. Where that fails it ends as pjsua2 ends it, with 503. When the connection of a confirmed
    call is lost, an OPTIONS within the dialog opens it anew; if no answer comes to that the call is released.
    In both cases ``ended`` has the reason.

    The INVITE that is sent again has the same Call-ID and a new branch. CSeq and the tag in From are new
    ones, because pjsua2 can set neither: each INVITE of ``makeCall`` is a dialog of its own. A peer that
    had sent a provisional answer to the first one is called a second time. The number that pjsua2 gives to
    the call (``getId``) changes, too.

    Override :meth:`on_state` where one overrides ``onCallState`` otherwise: an end that is none is not passed
    on to it. A program that overrides ``onCallTsxState`` calls this class's from it. ``recover`` is as
    ``@recover`` of a transport; a target is found by name if the host of the URI is none.
    """

    def __init__(
        self,
        account: Any,
        call_id: int = pj.PJSUA_INVALID_ID,
        *,
        loaded: Loaded,
        recover: Recover = Recover.YES,
    ) -> None:
        super().__init__(account, call_id)
        self.ended = ""
        self._loaded = loaded
        self._recover = recover
        self._uri = ""
        self._parameters: Any = None
        self._provisional = self._confirmed = self._resent = self._hung_up = self._between = False
        self._tls = False
        self._connection: Connection | None = None
        this = weakref.ref(self)  # pjsua2 hangs up where the program lets go of the object

        def down(event: ConnectionDown) -> None:
            if (call := this()) is not None:
                call._connection_down(event)

        self._forget: Callable[[], None] = loaded.on(ConnectionDown, down)

    def on_state(self, information: Any) -> None:
        """The call is in another state, as ``information`` (a ``pjsua2.CallInfo``) says; to be overridden."""

    def makeCall(self, uri: str, parameters: Any) -> None:
        """As pjsua2's; ``parameters`` (a ``CallOpParam``) are kept, to be sent again."""
        self._uri, self._parameters = uri, parameters
        super().makeCall(uri, parameters)

    def hangup(self, parameters: Any) -> None:
        """As pjsua2's, and nothing is sent again any more."""
        self._hung_up = True
        if not self._between:
            super().hangup(parameters)

    def onCallState(self, parameters: Any) -> None:
        """From pjsua2; see :meth:`on_state`."""
        information = self.getInfo()
        if information.state == pj.PJSIP_INV_STATE_EARLY:
            self._provisional = True
        elif information.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._confirmed = True
            self._watch(information.callIdString)
        elif information.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            if self._send_again(information, parameters.e):
                return
            self._forget()
        self.on_state(information)

    def onCallTsxState(self, parameters: Any) -> None:
        """From pjsua2: whether the OPTIONS that is to open a fresh connection was answered."""
        change = parameters.e.body.tsxState
        if change.tsx.method != "OPTIONS" or change.tsx.role != pj.PJSIP_ROLE_UAC:
            return
        answered = change.prevState >= pj.PJSIP_TSX_STATE_COMPLETED  # then the timer is only the end of it
        if change.type in _UNANSWERED and not answered:
            self._loaded.later(partial(self._release, _words(change)))
        elif change.type == pj.PJSIP_EVENT_RX_MSG:
            self._watch(self.getInfo().callIdString)

    def _send_again(self, information: Any, event: Any) -> bool:
        """Have an INVITE sent again that ended because its connection was stale; False if it is not to be."""
        change = event.body.tsxState
        lost = event.type == pj.PJSIP_EVENT_TSX_STATE and change.type == pj.PJSIP_EVENT_TRANSPORT_ERROR
        if not lost or self._confirmed or information.role != pj.PJSIP_ROLE_UAC:
            return False
        uri = parse_sip_uri(self._uri)
        self._tls = uri.scheme == "sips" or uri.transport == "tls"
        if self._resent or _words(change) == _text(_REFUSED):
            self.ended = reopening_failed(_words(change), tls=self._tls).reason
            return False
        pending = Pending("INVITE", self._provisional, not is_address(uri.host), self._hung_up)
        decision = stale(pending, self._recover)
        if not isinstance(decision, Resend):
            self.ended = decision.reason
            return False
        self._resent = self._between = True
        self._loaded.when_over(information.callIdString, partial(self._again, information))
        return True

    def _again(self, information: Any) -> None:
        """Send the INVITE again; ``information`` is how the first one ended, and the call if that fails."""
        self._between = False
        if not self._hung_up:
            self._parameters.opt.customCallId = information.callIdString
            try:
                super().makeCall(self._uri, self._parameters)
            except pj.Error as error:
                self.ended = reopening_failed(error.reason, tls=self._tls).reason
            else:
                return
        self._forget()
        self.on_state(information)

    def _watch(self, call_id: str) -> None:
        def note() -> None:
            self._connection = self._loaded.connection_of(call_id)

        self._loaded.later(note)

    def _connection_down(self, event: ConnectionDown) -> None:
        """On pjka's thread: have a fresh connection opened in the place of the call's own."""
        connection = self._connection
        if connection is None or event.serial != connection.serial or event.cause in _OURS:
            return
        self._connection, self._tls = None, event.protocol == "tls"
        if connection.held and event.cause in _FOUND_DEAD:
            self._loaded.when_aside(connection, self._probe)
        else:
            self._loaded.later(self._probe)

    def _probe(self) -> None:
        request = pj.CallSendRequestParam()
        request.method = "OPTIONS"
        try:
            self.sendRequest(request)
        except pj.Error as error:
            self._release(error.reason)

    def _release(self, words: str) -> None:
        self.ended = reopening_failed(words, tls=self._tls).reason
        with contextlib.suppress(pj.Error):  # it may have ended by itself
            super().hangup(pj.CallOpParam())


def _words(change: Any) -> str:
    """What the system says of a transaction that ended without an answer."""
    if change.type != pj.PJSIP_EVENT_TRANSPORT_ERROR:
        return "no answer in time"
    return str(change.tsx.statusText)  # src.status is no error: pjproject puts a pointer there


def _text(status: int) -> str:
    return str(pj.Endpoint.instance().utilStrError(status))
