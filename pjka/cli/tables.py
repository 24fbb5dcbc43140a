"""The tables of ``pjka show``: which columns each has, in which order, and how their values are written.

The columns are stable: scripts may count on their order. Nothing is cut short, and text from the network is
escaped. Times are written as 12.5s, 3m07s, 5h12m or 9d04h; ``-`` is what does not apply or is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from rich.cells import cell_len

from pjka.status import (
    AorRow,
    ChangeRow,
    ConnectionRow,
    ContactRow,
    DeathRow,
    EndpointRow,
    EngineRow,
    FlowRow,
    Row,
    TransportRow,
)
from pjka.text import printable

R = TypeVar("R", bound=Row)
_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A column: its title, and the text of a row in it; numbers stand to the right."""

    title: str
    text: Callable[[R], object]
    right: bool = False

    def cell(self, row: R) -> str:
        """The text of a row, safe to print; ``-`` for nothing."""
        return ", ".join(self.items(row))

    def items(self, row: R) -> list[str]:
        """The text item by item, where it is a list."""
        value = self.text(row)
        items = value if isinstance(value, tuple) else (value,)
        return [printable(str(item)) for item in items if item is not None and item != ""] or ["-"]


def lines(columns: Sequence[Column[Any]], rows: Sequence[Row]) -> Iterator[str]:
    """The rows under their titles, each column as wide as its widest cell."""
    table = [
        [column.title for column in columns],
        *([column.cell(row) for column in columns] for row in rows),
    ]
    widths = [max(map(cell_len, cells)) for cells in zip(*table, strict=True)]
    for cells in table:
        padded = map(_padded, columns, cells, widths)
        yield _GAP.join(padded).rstrip()


def facts(columns: Sequence[Column[Any]], row: Row) -> Iterator[str]:
    """One row, a line for each column and for each further item of a list."""
    width = max(len(column.title) for column in columns)
    for column in columns:
        first, *more = column.items(row)
        yield f"{column.title:<{width}}{_GAP}{first}"
        yield from (f"{'':<{width}}{_GAP}{item}" for item in more)


def duration(seconds: float | None) -> str:
    """A time in at most two units; ``-`` if it is not known."""
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{max(seconds, 0):.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours < 24 else f"{hours // 24}d{hours % 24:02}h"


def _padded(column: Column[Any], cell: str, width: int) -> str:
    blanks = " " * (width - cell_len(cell))
    return blanks + cell if column.right else cell + blanks


def _detection(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)


def _predicted(row: TransportRow, seconds: float | None) -> str:
    return "-" if row.protocol == "udp" else _detection(seconds)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3f}"


def moment(seconds: float) -> str:
    """A moment (s since the epoch) in local time, with its offset."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


def _times(row: TransportRow) -> str:
    if row.mechanism != "kernel":
        return "" if not row.crlf_interval else f"crlf {row.crlf_interval}"
    return "/".join(
        "system" if value is None else str(value) for value in (row.idle, row.interval, row.probes)
    )


def _direction(row: ConnectionRow | DeathRow) -> str:
    return {"incoming": "in", "outgoing": "out"}.get(row.direction, row.direction)


def _note(row: ConnectionRow) -> str:
    return row.note if row.state == "established" else f"{row.state} {row.note}".rstrip()


TRANSPORTS: Final[tuple[Column[TransportRow], ...]] = (
    Column("TRANSPORT", lambda row: row.id),
    Column("PROTOCOL", lambda row: row.protocol),
    Column("BIND", lambda row: row.bind),
    Column("STATE", lambda row: row.state),
    Column("MECHANISM", lambda row: row.mechanism),
    Column("KEEPALIVE", _times),
    Column("USER-TIMEOUT", lambda row: duration(row.user_timeout), right=True),
    Column("DETECT-IDLE", lambda row: _predicted(row, row.detection_idle), right=True),
    Column("DETECT-BUSY", lambda row: _predicted(row, row.detection_busy), right=True),
    Column("CONNECTIONS", lambda row: row.connections, right=True),
    Column("DRIFTING", lambda row: row.drifting, right=True),
    Column("KEEPALIVE-B/H", lambda row: f"{row.keepalive_bytes_per_hour:.0f}", right=True),
    Column("QUALIFY-MSG/H", lambda row: f"{row.qualify_messages_per_hour:.0f}", right=True),
    Column("QUALIFY-B/H", lambda row: f"{row.qualify_bytes_per_hour:.0f}", right=True),
    Column("NEEDED-MSG/H", lambda row: f"{row.qualify_messages_per_hour_needed:.0f}", right=True),
    Column("NEEDED-B/H", lambda row: f"{row.qualify_bytes_per_hour_needed:.0f}", right=True),
    Column("DRIFT", lambda row: row.drift),
    Column("NOTE", lambda row: row.problem or row.reason),
)

CONNECTIONS: Final[tuple[Column[ConnectionRow], ...]] = (
    Column("SERIAL", lambda row: row.serial, right=True),
    Column("TRANSPORT", lambda row: row.transport),
    Column("PEER", lambda row: row.peer),
    Column("DIR", _direction),
    Column("AGE", lambda row: duration(row.age), right=True),
    Column("MECHANISM", lambda row: row.mechanism),
    Column("IDLE", lambda row: duration(row.idle), right=True),
    Column("NEXT-PROBE", lambda row: duration(row.next_probe), right=True),
    Column("UNACKED", lambda row: row.unacknowledged, right=True),
    Column("RETRANS", lambda row: row.retransmits, right=True),
    Column("RTT(ms)", lambda row: _milliseconds(row.rtt), right=True),
    Column("DETECT", lambda row: _detection(row.detection), right=True),
    Column("DRIFT", lambda row: row.drift),
    Column("NOTE", _note),
)

DEATHS: Final[tuple[Column[DeathRow], ...]] = (
    Column("TIME", lambda row: moment(row.at)),
    Column("SERIAL", lambda row: row.serial, right=True),
    Column("TRANSPORT", lambda row: row.transport),
    Column("PEER", lambda row: row.peer),
    Column("DIR", _direction),
    Column("AGE", lambda row: duration(row.age), right=True),
    Column("MECHANISM", lambda row: row.mechanism),
    Column("CAUSE", lambda row: row.cause),
    Column("ERRNO", lambda row: row.error, right=True),
    Column("SILENT", lambda row: duration(row.silent), right=True),
    Column("DETAIL", lambda row: row.detail),
)

CONTACTS: Final[tuple[Column[ContactRow], ...]] = (
    Column("AOR", lambda row: row.aor),
    Column("URI", lambda row: row.uri),
    Column("STATUS", lambda row: row.status),
    Column("RTT(ms)", lambda row: _milliseconds(row.rtt), right=True),
    Column("MIN", lambda row: _milliseconds(row.rtt_min), right=True),
    Column("AVG", lambda row: _milliseconds(row.rtt_avg), right=True),
    Column("MAX", lambda row: _milliseconds(row.rtt_max), right=True),
    Column("SENT", lambda row: row.sent, right=True),
    Column("MISSES", lambda row: row.misses, right=True),
    Column("LATE", lambda row: row.late, right=True),
    Column("NEXT-DUE", lambda row: duration(row.next_due), right=True),
    Column("EXPIRES", lambda row: duration(row.expires), right=True),
    Column("CONNECTION", lambda row: row.connection, right=True),
    Column("PEER", lambda row: row.peer),
    Column("MECHANISM", lambda row: row.mechanism),
    Column("DETECT", lambda row: _detection(row.detection), right=True),
    Column("BY", lambda row: row.detected_by),
    Column("LAST", lambda row: row.last),
)

AORS: Final[tuple[Column[AorRow], ...]] = (
    Column("AOR", lambda row: row.id),
    Column("AVAILABLE", lambda row: "yes" if row.available else "no"),
    Column("CONTACTS", lambda row: row.contacts, right=True),
    Column("REACHABLE", lambda row: row.reachable, right=True),
    Column("MAX", lambda row: row.max_contacts, right=True),
    Column("FREQUENCY", lambda row: duration(row.frequency) if row.frequency else "off", right=True),
    Column("TIMEOUT", lambda row: duration(row.timeout), right=True),
    Column("DOWN", lambda row: row.down, right=True),
    Column("UP", lambda row: row.up, right=True),
    Column("ENDPOINTS", lambda row: row.endpoints),
    Column("NOTE", lambda row: row.note),
)

ENDPOINTS: Final[tuple[Column[EndpointRow], ...]] = (
    Column("ENDPOINT", lambda row: row.id),
    Column("STATE", lambda row: row.state),
    Column("TRANSPORT", lambda row: row.transport),
    Column("CONTACTS", lambda row: row.contacts, right=True),
    Column("REACHABLE", lambda row: row.reachable, right=True),
    Column("AORS", lambda row: row.aors),
)

FLOWS: Final[tuple[Column[FlowRow], ...]] = (
    Column("ROLE", lambda row: row.role),
    Column("AOR", lambda row: row.aor),
    Column("TRANSPORT", lambda row: row.transport),
    Column("PEER", lambda row: row.peer),
    Column("STATE", lambda row: row.state),
    Column("CONNECTION", lambda row: row.connection, right=True),
    Column("REG-ID", lambda row: row.reg_id, right=True),
    Column("VERSION", lambda row: row.version),
    Column("FLOW-TIMER", lambda row: duration(row.flow_timer), right=True),
    Column("NEXT-PING", lambda row: duration(row.next_ping), right=True),
    Column("PONG-DUE", lambda row: duration(row.pong_due), right=True),
    Column("PINGS", lambda row: row.pings, right=True),
    Column("PONGS", lambda row: row.pongs, right=True),
    Column("RTT(ms)", lambda row: _milliseconds(row.rtt), right=True),
    Column("FAILURES", lambda row: row.failures, right=True),
    Column("RETRY", lambda row: duration(row.retry_in), right=True),
    Column("EXPIRES", lambda row: duration(row.expires), right=True),
    Column("KEPT-ALIVE", lambda row: "yes" if row.kept_alive else f"no: {row.why_not}"),
)

ENGINE: Final[tuple[Column[EngineRow], ...]] = (
    Column("pjka", lambda row: f"{row.version}, {row.mode}, pid {row.pid}"),
    Column("up", lambda row: duration(row.uptime)),
    Column("configuration", lambda row: row.configuration),
    Column("reloaded", lambda row: None if row.reloaded is None else moment(row.reloaded)),
    Column("attached to", lambda row: row.attached_to),
    Column("engine", lambda row: row.engine),
    Column("pjproject", lambda row: row.pjproject),
    Column("module", lambda row: row.path),
    Column("I/O queue", lambda row: row.ioqueue),
    Column("TLS", lambda row: row.tls),
    Column("sockets", lambda row: f"{row.handles_used} of {row.handles}" if row.handles else None),
    Column("accounts", lambda row: f"{row.accounts_used} of {row.accounts}" if row.accounts else None),
    Column("socket options", lambda row: f"{row.option_slots} per transport" if row.option_slots else None),
    Column("largest message", lambda row: f"{row.packet} bytes" if row.packet else None),
    Column("longest turn", lambda row: duration(row.reactor_delay)),
    Column("worked around", lambda row: row.defects),
)

CHANGES: Final[tuple[Column[ChangeRow], ...]] = (
    Column("KIND", lambda row: row.kind),
    Column("ID", lambda row: row.id),
    Column("CHANGE", lambda row: row.change),
    Column("CONNECTIONS", lambda row: row.connections, right=True),
    Column("PLACE", lambda row: f"{row.file}:{row.line}" if row.line else row.file),
    Column("OPTIONS", lambda row: row.options),
    Column("REASON", lambda row: row.reason),
)

#: The table of each subject of ``pjka show``; that of ``engine`` is written line by line.
TABLES: Final[Mapping[str, tuple[Column[Any], ...]]] = MappingProxyType(
    {
        "transports": TRANSPORTS,
        "connections": CONNECTIONS,
        "deaths": DEATHS,
        "contacts": CONTACTS,
        "aors": AORS,
        "endpoints": ENDPOINTS,
        "flows": FLOWS,
        "engine": ENGINE,
    }
)
