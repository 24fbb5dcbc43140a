"""Prometheus metrics, from the same rows that ``pjka show`` prints.

Labels name transports, causes and states, never peers or contacts: what a stranger can choose would make
series without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pjka.events import ConnectionDown, Event
from pjka.status import ConnectionRow, ContactRow, EngineRow, FlowRow, Row, TransportRow
from pjka.surface.shows import Command

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

R = TypeVar("R", bound=Row)


class Metrics:
    """What the control socket's ``show`` commands tell, as a collector of prometheus_client.

    ``hear`` is to be subscribed to the events: it counts the connections that end.
    """

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        self._deaths: Counter[tuple[str, str]] = Counter()

    def hear(self, event: Event) -> None:
        """Count the end of a connection."""
        if isinstance(event, ConnectionDown):
            self._deaths[event.transport, event.cause] += 1

    def application(self) -> WSGIApplication:
        """What serves the metrics, at any path."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return make_wsgi_app(registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: it is collected only when it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        connections = self._rows("connections", ConnectionRow)
        yield from _of_transports(self._rows("transports", TransportRow))
        yield _gauge(
            "pjka_connections",
            "TCP and TLS connections",
            ("transport", "state"),
            Counter((row.transport, row.state) for row in connections),
        )
        yield _gauge(
            "pjka_tcp_unacknowledged_bytes",
            "Bytes sent that peers have not acknowledged",
            ("transport",),
            _sums(((row.transport,), row.unacknowledged or 0) for row in connections),
        )
        deaths = CounterMetricFamily(
            "pjka_connection_deaths", "Connections that ended", labels=("transport", "cause")
        )
        for labels, number in tuple(self._deaths.items()):
            deaths.add_metric(labels, number)
        yield deaths
        yield from _of_contacts(self._rows("contacts", ContactRow))
        yield _gauge(
            "pjka_flows",
            "RFC 5626 flows",
            ("role", "state"),
            Counter((row.role, row.state) for row in self._rows("flows", FlowRow)),
        )
        for engine in self._rows("engine", EngineRow):
            yield from _of_engine(engine)

    def _rows(self, subject: str, kind: type[R]) -> list[R]:
        command = self._commands.get(f"show {subject}")
        answer = command({}) if command else {}
        rows = answer.get("rows", ()) if isinstance(answer, dict) else ()
        return [kind.from_json(row) for row in rows]


def _of_transports(rows: list[TransportRow]) -> Iterator[Metric]:
    yield _gauge(
        "pjka_transport_listening",
        "1 where a transport listens, 0 where it has failed",
        ("transport", "protocol", "mechanism"),
        {(row.id, row.protocol, row.mechanism): row.state in ("listening", "attached") for row in rows},
    )
    yield _gauge(
        "pjka_sockopt_drift",
        "Sockets that lack what the policy says",
        ("transport",),
        {(row.id,): row.drifting for row in rows},
    )
    predicted = {(row.id, "idle"): row.detection_idle for row in rows}
    predicted |= {(row.id, "busy"): row.detection_busy for row in rows}
    yield _gauge(
        "pjka_detection_seconds",
        "Predicted time until a dead connection is found",
        ("transport", "connection"),
        {labels: seconds for labels, seconds in predicted.items() if seconds is not None},
    )


def _of_contacts(rows: list[ContactRow]) -> Iterator[Metric]:
    yield _gauge("pjka_contacts", "Contacts", ("status",), Counter((row.status,) for row in rows))
    times = [row.rtt for row in rows if row.rtt is not None]
    values: dict[tuple[str, ...], float] = {}
    if times:
        values = {("median",): median(times), ("max",): max(times)}
    yield _gauge(
        "pjka_qualify_rtt_seconds",
        "Time from OPTIONS to answer, of the last answer of every contact",
        ("statistic",),
        values,
    )


def _of_engine(row: EngineRow) -> Iterator[Metric]:
    labels = (row.version, row.mode, row.engine, row.pjproject)
    yield _gauge("pjka_build_info", "What runs", ("version", "mode", "engine", "pjproject"), {labels: 1})
    yield _gauge("pjka_uptime_seconds", "Since the start", (), {(): row.uptime})
    if row.handles:
        yield _gauge("pjka_engine_sockets", "Sockets in use", (), {(): row.handles_used})
        yield _gauge("pjka_engine_sockets_limit", "Sockets that the engine holds", (), {(): row.handles})
    if row.reactor_delay is not None:
        yield _gauge(
            "pjka_reactor_delay_seconds",
            "The most that a timer was late recently",
            (),
            {(): row.reactor_delay},
        )


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _sums(values: Iterable[tuple[tuple[str, ...], float]]) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], float] = {}
    for key, value in values:
        sums[key] = sums.get(key, 0) + value
    return sums
