"""Whatever a configuration says, it is explained, and curing it twice is curing it once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from check_support import configuration
from hypothesis import given, settings
from hypothesis import strategies as st

from pjka.check import Surroundings, Version, check
from pjka.cli.check_json import report_json
from pjka.fix import cure
from pjka.keepalive.platforms import PLATFORMS

_NUMBER = st.one_of(st.integers(-1, 130), st.sampled_from([32767, 32768, 2**31 - 1, 2**32 - 1])).map(str)
_VALUE = st.one_of(
    _NUMBER,
    st.sampled_from(["yes", "no", "system", "auto", "tcp", "outbound", "none", "inf", "0.5", "battery", ""]),
)
_TRANSPORT = st.sampled_from(
    [
        *("tcp_keepalive_enable", "tcp_keepalive_idle_time", "tcp_keepalive_interval_time"),
        *("tcp_keepalive_probe_count", "@tcp_keepalive_enable", "@tcp_keepalive_idle_time", "tcp_keepidle"),
        *("@tcp_user_timeout", "tcp_user_timeout", "@keepalive", "@flow_timer", "@pong_timeout"),
        "@firewall_timeout",
    ]
)
_AOR = st.sampled_from(
    [
        "qualify_frequency",
        "qualify_timeout",
        "qualify_2xx_only",
        "@qualify_down",
        "@close_wedged",
        "max_contacts",
    ]
)
_GLOBAL = st.sampled_from(["keep_alive_interval", "@tcp_keepalive_enable", "@tcp_keepalive_probe_count"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A template, a global, some transports and a phone, with any values of the options that matter."""
    lines = ["[t](!)", *draw(options(_TRANSPORT)), "[global]", "type=global", *draw(options(_GLOBAL))]
    for number, protocol in enumerate(
        draw(st.lists(st.sampled_from(["udp", "tcp", "tls", "ws", "flow"]), max_size=3))
    ):
        lines += [
            f"[t{number}](t)",
            "type=transport",
            f"protocol={protocol}",
            "bind=127.0.0.1",
            *draw(options(_TRANSPORT)),
        ]
    lines += ["[p]", "type=endpoint", "aors=p", *draw(st.sampled_from([[], ["transport=t0"]]))]
    lines += ["[p]", "type=aor", *draw(options(_AOR))]
    return "".join(f"{line}\n" for line in lines)


def options(names: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.tuples(names, _VALUE).map("=".join), max_size=5)


surroundings = st.builds(
    Surroundings,
    st.sampled_from(PLATFORMS),
    st.none() | st.sampled_from([Version(16, 28), Version(20, 10), Version(22, 10)]),
    st.booleans(),
)


@given(texts(), surroundings)
@settings(max_examples=300, deadline=None)
def test_every_configuration_is_explained(text: str, around: Surroundings) -> None:
    report = check(configuration(text), around)
    for one in report.transports:
        times = (one.detection.idle, one.detection.busy, one.detection.wedged, one.detection.alone)
        assert all(seconds is None or seconds > 0 for seconds in times)
        assert one.bytes_per_hour >= 0
    json.dumps(report_json(report), allow_nan=False)


@given(texts(), surroundings)
@settings(max_examples=100, deadline=None)
def test_curing_twice_is_curing_once(text: str, around: Surroundings) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pjsip.conf")
        path.write_text(text)
        first = cure(str(path), around)
        for change in first.changes:
            path.write_bytes(change.after)
        second = cure(str(path), around)
        assert second.changes == ()
        assert second.before.findings == first.after.findings
