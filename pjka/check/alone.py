"""What Asterisk does with a configuration when pjka is not there: the figures to compare with."""

from __future__ import annotations

from dataclasses import replace

from pjka.check.by_version import seen_by_asterisk
from pjka.check.versions import TCP_KEEPALIVE, Version, inverts_keepalive
from pjka.conf.objects import Transport
from pjka.keepalive.competing import Demand, writers
from pjka.keepalive.platforms import Platform
from pjka.keepalive.policy import Mechanism, TcpKeepAlive

_SENDS_BY_ITSELF = (Mechanism.CRLF, Mechanism.PJPROJECT, Mechanism.OPTIONS)


def settings_alone(transport: Transport, version: Version | None) -> TcpKeepAlive:
    """What Asterisk sets on the sockets: it reads no ``@`` and knows no user timeout.

    ``version`` None is a release without known faults.
    """
    return TcpKeepAlive(
        enable=_enabled(transport, version),
        idle=transport.tcp_keepalive_idle_time
        if seen_by_asterisk(transport, "tcp_keepalive_idle_time")
        else 30,
        interval=transport.tcp_keepalive_interval_time
        if seen_by_asterisk(transport, "tcp_keepalive_interval_time")
        else 1,
        probes=transport.tcp_keepalive_probe_count
        if seen_by_asterisk(transport, "tcp_keepalive_probe_count")
        else 5,
        user_timeout=None,
    )


def _enabled(transport: Transport, version: Version | None) -> bool:
    if transport.protocol not in ("tcp", "tls") or (version and not version.has(TCP_KEEPALIVE)):
        return False
    said = seen_by_asterisk(transport, "tcp_keepalive_enable") and transport.tcp_keepalive_enable
    return not said if version and inverts_keepalive(version) else said


def detection_alone(
    transport: Transport, demand: Demand, platform: Platform, version: Version | None
) -> float | None:
    """How long Asterisk keeps a dead connection that carries no calls; None where that is not known.

    Its CRLF and OPTIONS are written whether TCP keep-alive is on or not, and then retransmission has to end.
    """
    settings = settings_alone(transport, version)
    if demand.pjproject_interval:
        # a pjproject with its own timer on has four option slots, and Asterisk then sets none of its five
        settings = replace(settings, enable=False)
    pauses = [writer.every for writer in writers(demand) if writer.mechanism in _SENDS_BY_ITSELF]
    if not pauses:
        return settings.detection_idle(platform)
    return settings.detection_beside(platform, min(pauses))
