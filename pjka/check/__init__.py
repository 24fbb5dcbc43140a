"""`pjka check`: what a ``pjsip.conf`` amounts to, and what is wrong with it, without touching anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pjka.check.alone import detection_alone
from pjka.check.aors import check_aors
from pjka.check.by_version import check_version
from pjka.check.notes import Notes
from pjka.check.policy import demand_of, policies, policy_of, qualify_of
from pjka.check.reach import Reach, reach
from pjka.check.transports import check_conflicts, check_transport
from pjka.check.versions import Version, VersionError, parse_version
from pjka.conf.findings import Finding, Severity
from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor, Transport
from pjka.keepalive.competing import Demand, Writer, writers
from pjka.keepalive.platforms import LINUX, Platform
from pjka.keepalive.policy import Mechanism, Policy, Qualify, Timers

__all__ = [
    "AorReport",
    "Detection",
    "Report",
    "Surroundings",
    "TransportReport",
    "Version",
    "VersionError",
    "check",
    "parse_version",
    "policies",
]

# what an external pjproject is compiled with, PJSIP_TCP_KEEP_ALIVE_INTERVAL
_PJPROJECT_INTERVAL = 90


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file does not tell: the system, and how its Asterisk was made.

    ``version`` is None where nothing depends on it; ``external_pjproject`` means one that is not bundled.
    """

    platform: Platform = LINUX
    version: Version | None = None
    external_pjproject: bool = False


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds until a dead peer is noticed: infinity for never, None where it is not known.

    ``idle``: nothing is outstanding. ``busy``: from a write on. ``wedged``: the peer's TCP answers,
    its SIP does not. ``alone``: by Asterisk without pjka, on a connection without calls.
    """

    idle: float | None
    busy: float | None
    wedged: float
    alone: float | None


@dataclass(frozen=True, slots=True)
class TransportReport:
    """What one transport amounts to.

    ``timers`` are those in force where the kernel is the mechanism; ``bytes_per_hour`` is for one idle
    connection, by the IP version that the transport is bound to.
    """

    transport: Transport
    policy: Policy
    timers: Timers | None
    detection: Detection
    bytes_per_hour: float
    writers: tuple[Writer, ...]
    aors: int


@dataclass(frozen=True, slots=True)
class AorReport:
    """What AORs with the same settings amount to: ``aor`` is the first of them, ``ids`` are all."""

    aor: Aor
    ids: tuple[str, ...]
    transports: tuple[str, ...]
    qualify: Qualify | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that `pjka check` says; findings by file, in the order of reading, and by line."""

    path: str
    files: tuple[str, ...]
    surroundings: Surroundings
    transports: tuple[TransportReport, ...]
    aors: tuple[AorReport, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether no finding is worse than a notice."""
        return all(finding.severity is Severity.NOTICE for finding in self.findings)


def check(configuration: Configuration, surroundings: Surroundings = Surroundings()) -> Report:
    """Work out what a configuration amounts to."""
    found = reach(configuration)
    demands = _demands(configuration, found, surroundings)
    chosen = {
        transport.id: policy_of(transport, demands[transport.id], surroundings.platform)
        for transport in configuration.transports.values()
    }
    return Report(
        path=configuration.path,
        files=configuration.files,
        surroundings=surroundings,
        transports=tuple(
            _transport_report(transport, demands[transport.id], chosen[transport.id], found, surroundings)
            for transport in configuration.transports.values()
        ),
        aors=tuple(_aor_reports(configuration, found)),
        findings=_findings(configuration, found, demands, chosen, surroundings),
    )


def _demands(configuration: Configuration, found: Reach, surroundings: Surroundings) -> dict[str, Demand]:
    interval = _PJPROJECT_INTERVAL if surroundings.external_pjproject else 0
    return {
        transport.id: demand_of(transport, configuration, found, interval if _is_stream(transport) else 0)
        for transport in configuration.transports.values()
    }


def _is_stream(transport: Transport) -> bool:
    return transport.protocol in ("tcp", "tls")


def _transport_report(
    transport: Transport, demand: Demand, policy: Policy, found: Reach, surroundings: Surroundings
) -> TransportReport:
    platform = surroundings.platform
    kernel = policy.mechanism is Mechanism.KERNEL
    return TransportReport(
        transport=transport,
        policy=policy,
        timers=policy.tcp.timers(platform) if kernel else None,
        detection=Detection(
            idle=policy.detection_idle(platform),
            busy=policy.detection_busy(platform) if demand.connected else None,
            wedged=policy.detection_wedged(),
            alone=detection_alone(transport, demand, platform, surroundings.version)
            if demand.connected
            else None,
        ),
        bytes_per_hour=policy.bytes_per_hour(platform, 6 if ":" in transport.bind_host else 4),
        writers=writers(demand),
        aors=len(found.aors[transport.id]),
    )


def _aor_reports(configuration: Configuration, found: Reach) -> Iterator[AorReport]:
    groups: dict[tuple[object, ...], list[Aor]] = {}
    for aor in configuration.aors.values():
        key = (
            aor.qualify_frequency,
            aor.qualify_timeout,
            aor.qualify_2xx_only,
            aor.qualify_down,
            aor.qualify_up,
            found.transports.get(aor.id, ()),
        )
        groups.setdefault(key, []).append(aor)
    for group in groups.values():
        first = group[0]
        ids = tuple(aor.id for aor in group)
        yield AorReport(
            first, ids, found.transports.get(first.id, ()), qualify_of(first, configuration.system)
        )


def _findings(
    configuration: Configuration,
    found: Reach,
    demands: Mapping[str, Demand],
    chosen: Mapping[str, Policy],
    surroundings: Surroundings,
) -> tuple[Finding, ...]:
    notes = Notes()
    for transport in configuration.transports.values():
        policy = chosen[transport.id]
        check_transport(transport, demands[transport.id], policy, surroundings.platform, notes)
    check_conflicts(configuration, demands, notes)
    check_aors(configuration, found, chosen, notes)
    if surroundings.version:
        check_version(configuration, chosen, surroundings.version, notes)
    order = {file: index for index, file in enumerate(configuration.files)}
    everything = (*configuration.findings, *notes.findings())
    return tuple(
        sorted(everything, key=lambda one: (order.get(one.file, len(order)), one.line, one.code, one.message))
    )
