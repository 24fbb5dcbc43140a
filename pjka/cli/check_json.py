"""The report of ``pjka check`` as JSON; its schema is ``pjka/schemas/check.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pjka.check import AorReport, Detection, Report, TransportReport
from pjka.conf.findings import Finding
from pjka.errors import PjkaError
from pjka.fix import difference
from pjka.keepalive.platforms import Platform
from pjka.keepalive.system_wide import system_wide
from pjka.rewrite import Change
from pjka.secrets import redacted

_VERSION = 1


def report_json(report: Report) -> dict[str, object]:
    """The members of the JSON object for a usable file."""
    platform, version = report.surroundings.platform, report.surroundings.version
    return {
        "version": _VERSION,
        "usable": True,
        "clean": report.clean,
        "file": report.path,
        "files": list(report.files),
        "platform": _platform(platform),
        "asterisk": str(version) if version else None,
        "transports": [_transport(one, platform) for one in report.transports],
        "aors": [_aor(one) for one in report.aors],
        "findings": [_finding(one) for one in report.findings],
    }


def error_json(path: str, error: PjkaError) -> dict[str, object]:
    """The members of the JSON object for a file that cannot be used."""
    where = {"file": error.file, "line": error.line}
    return {
        "version": _VERSION,
        "usable": False,
        "file": path,
        "error": {"message": redacted(error.message), **where},
    }


def fix_json(changes: Sequence[Change], backups: Sequence[Path] | None) -> dict[str, object]:
    """The member ``fix``; ``backups`` is None where nothing was written."""
    return {
        "written": backups is not None,
        "changes": [{"file": change.file, "diff": difference(change)} for change in changes],
        "backups": [str(backup) for backup in backups or ()],
    }


def _platform(platform: Platform) -> dict[str, object]:
    timers = platform.timers
    return {
        "name": platform.name,
        "idle": timers.idle,
        "interval": timers.interval,
        "probes": timers.probes,
        "retransmission": timers.retransmission,
        "remark": platform.remark,
    }


def _transport(one: TransportReport, platform: Platform) -> dict[str, object]:
    transport, policy = one.transport, one.policy
    timers = one.timers
    return {
        "id": transport.id,
        "protocol": transport.protocol,
        "host": transport.bind_host,
        "port": transport.bind_port,
        "file": transport.place.file,
        "line": transport.place.line,
        "mechanism": str(policy.mechanism),
        "reason": policy.reason,
        "idle": timers.idle if timers else None,
        "interval": timers.interval if timers else None,
        "probes": timers.probes if timers else None,
        "user_timeout": policy.tcp.user_timeout,
        "crlf_interval": policy.crlf_interval,
        "ping_interval": policy.ping_interval,
        "pong_timeout": policy.pong_timeout,
        "detection": _detection(one.detection),
        "bytes_per_hour": one.bytes_per_hour,
        "aors": one.aors,
        "writers": [{"mechanism": str(writer.mechanism), "every": writer.every} for writer in one.writers],
        "socket_options": _socket_options(one, platform),
        "system_wide": _system_wide(one, platform),
    }


def _socket_options(one: TransportReport, platform: Platform) -> list[dict[str, object]]:
    if one.timers is None and one.policy.tcp.user_timeout is None:
        return []
    return [
        {"symbol": option.symbol, "level": option.level, "name": option.name, "value": option.value}
        for option in one.policy.tcp.socket_options(platform)
    ]


def _system_wide(one: TransportReport, platform: Platform) -> dict[str, object] | None:
    if one.timers is None:
        return None
    found = system_wide(platform, one.timers)
    return {"commands": list(found.commands), "lasting": found.lasting, "detection": found.detection}


def _detection(found: Detection) -> dict[str, object]:
    return {
        "idle": _seconds(found.idle),
        "busy": _seconds(found.busy),
        "wedged": _seconds(found.wedged),
        "alone": _seconds(found.alone),
    }


def _seconds(value: float | None) -> float | str | None:
    return "never" if value is not None and math.isinf(value) else value


def _aor(one: AorReport) -> dict[str, object]:
    aor, qualify = one.aor, one.qualify
    return {
        "ids": list(one.ids),
        "transports": list(one.transports),
        "qualify_frequency": aor.qualify_frequency,
        "qualify_timeout": qualify.patience if qualify else None,
        "qualify_2xx_only": aor.qualify_2xx_only,
        "qualify_down": aor.qualify_down,
        "qualify_up": aor.qualify_up,
        "detection": qualify.detection if qualify else "never",
        "messages_per_hour": qualify.messages_per_hour if qualify else 0,
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "severity": str(finding.severity),
        "code": finding.code,
        "file": finding.file,
        "line": finding.line,
        "message": redacted(finding.message),
        "asterisk": finding.asterisk,
        "advice": redacted(finding.advice),
    }
