"""The transports of a configuration, started on an endpoint; one that fails leaves its siblings alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pjka import enforce
from pjka.changes import fingerprint
from pjka.conf.objects import Transport
from pjka.errors import PjkaError
from pjka.events import Drift, Events, TransportDown, TransportFailed, TransportUp
from pjka.keepalive.platforms import IPPROTO_TCP, LINUX, SocketOption
from pjka.keepalive.policy import Policy
from pjka.logs import fields
from pjka.pjproject.endpoint import Endpoint, HostedEndpoint
from pjka.pjproject.transports import Listener, start_listener, stop_listener, unexpressed

logger = logging.getLogger(__name__)

_NO_DELAY = SocketOption(IPPROTO_TCP, 1, 1, "TCP_NODELAY")
_PLACES = {
    "SO_KEEPALIVE": "tcp_keepalive_enable",
    "TCP_KEEPIDLE": "tcp_keepalive_idle_time",
    "TCP_KEEPINTVL": "tcp_keepalive_interval_time",
    "TCP_KEEPCNT": "tcp_keepalive_probe_count",
    "TCP_USER_TIMEOUT": "tcp_user_timeout",
}


def wanted_options(policy: Policy) -> tuple[SocketOption, ...]:
    """What every socket of a transport with this policy should have, in the order in which to set it.

    TCP_NODELAY is what Asterisk always sets (``config_transport.c``); it comes last because it has nothing to
    do with keeping alive, and some engines have room for four options only.
    """
    return (*policy.tcp.socket_options(LINUX), _NO_DELAY)


@dataclass(frozen=True, slots=True)
class Started:
    """A transport of the configuration, its policy, and its listener, or else the problem that it has.

    ``files`` is the fingerprint of the certificates that it was started with.
    """

    transport: Transport
    policy: Policy
    listener: Listener | None
    problem: str = ""
    drift: tuple[str, ...] = ()
    files: str = ""


class Listeners:
    """The started transports by their ids. To be used on the reactor's thread, but for reading."""

    def __init__(self, endpoint: Endpoint | HostedEndpoint, events: Events) -> None:
        self._endpoint = endpoint
        self._events = events
        self._started: dict[str, Started] = {}
        self._owners: dict[int, str] = {}

    @property
    def all(self) -> Mapping[str, Started]:
        """The transports in the order of the configuration."""
        return self._started

    def owner(self, factory: int) -> str:
        """The id of the transport that a factory of pjproject belongs to, "" for none of ours."""
        return self._owners.get(factory, "")

    def policy(self, transport: str) -> Policy | None:
        """The policy of the transport with this id."""
        started = self._started.get(transport)
        return None if started is None else started.policy

    def start(self, transport: Transport, policy: Policy) -> Started:
        """Start a transport, and say once what keeps its connections alive, or why it does not start."""
        try:
            listener = start_listener(self._endpoint, transport, wanted_options(policy))
        except PjkaError as error:
            return self._failed(transport, policy, str(error))
        self._owners[listener.pointer] = transport.id
        for lacking in unexpressed(transport):
            logger.warning("transport-lacks", extra=fields(transport=transport.id, problem=str(lacking)))
        started = Started(
            transport,
            policy,
            listener,
            drift=self._enforce(transport, policy, listener),
            files=fingerprint(transport),
        )
        self._started[transport.id] = started
        self._say_up(started)
        return started

    def stop(self, transport: str, reason: str) -> None:
        """Close a transport's listener and forget the transport; its connections go on."""
        started = self._started.pop(transport)
        if started.listener is not None:
            stop_listener(self._endpoint, started.listener)
            self._owners.pop(started.listener.pointer, None)
            self._events.publish(TransportDown(transport=transport, reason=reason))

    def change(self, transport: Transport, policy: Policy) -> Started:
        """Give a running transport's listener new settings, without closing it."""
        before = self._started[transport.id]
        drift = self._enforce(transport, policy, before.listener) if before.listener else ()
        started = replace(before, transport=transport, policy=policy, drift=drift)
        self._started[transport.id] = started
        return started

    def stop_all(self, reason: str) -> None:
        """Close every listener."""
        for transport in tuple(self._started):
            self.stop(transport, reason)

    def _failed(self, transport: Transport, policy: Policy, problem: str) -> Started:
        started = Started(transport, policy, None, problem)
        self._started[transport.id] = started
        self._say_failed(transport.id, problem)
        return started

    def _enforce(self, transport: Transport, policy: Policy, listener: Listener | None) -> tuple[str, ...]:
        """Bring the listening socket, of which accepted ones are copies, to the policy and read it back."""
        if listener is None or listener.descriptor is None:
            return ()
        outcome = enforce.apply(listener.descriptor.fd, wanted_options(policy))
        for refusal in outcome.refused:
            place = transport.places.get(_PLACES.get(refusal.option.symbol, ""), transport.place)
            where = PjkaError(f"transport {transport.id}: {refusal}", file=place.file, line=place.line)
            self._say_failed(transport.id, str(where))
        return tuple(map(str, outcome.unmet))

    def _say_up(self, started: Started) -> None:
        listener, policy = started.listener, started.policy
        assert listener is not None
        self._events.publish(
            TransportUp(
                transport=listener.id,
                protocol=listener.protocol,
                bind=listener.address,
                mechanism=policy.mechanism,
                reason=policy.reason,
            )
        )

    def _say_failed(self, transport: str, problem: str) -> None:
        self._events.publish(TransportFailed(transport=transport, problem=problem))


class Enforcer:
    """Brings each connection to its transport's policy, and looks again whether it has stayed there."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._known: dict[str, tuple[Policy, tuple[SocketOption, ...]]] = {}

    def first(self, fd: int, policy: Policy) -> tuple[str, ...]:
        """Set on a new connection what pjproject had no room for; what is still unmet then is drift."""
        return tuple(map(str, enforce.apply(fd, self._wanted(policy)).unmet))

    def again(self, serial: int, peer: str, fd: int, policy: Policy) -> tuple[str, ...]:
        """Mend what has changed on a connection since, and publish it."""
        outcome = enforce.apply(fd, self._wanted(policy))
        if outcome.drift:
            self._events.publish(
                Drift(
                    serial=serial,
                    transport=policy.transport,
                    peer=peer,
                    drift=tuple(map(str, outcome.drift)),
                    mended=outcome.holds,
                )
            )
        return tuple(map(str, outcome.unmet))

    def _wanted(self, policy: Policy) -> tuple[SocketOption, ...]:
        """Worked out once for all connections of a transport: it takes as long as asking the kernel."""
        known = self._known.get(policy.transport)
        if known is None or known[0] is not policy:
            known = self._known[policy.transport] = (policy, wanted_options(policy))
        return known[1]
