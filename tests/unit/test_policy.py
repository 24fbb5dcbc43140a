"""Policies against the formulas K1 to K5, RFC 1122 and times measured on Linux 6.18."""

from __future__ import annotations

import math
import socket
from dataclasses import replace

import pytest

from pjka.keepalive.platforms import (
    FREEBSD,
    ILLUMOS,
    LINUX,
    MACOS,
    PLATFORMS,
    SOLARIS,
    WINDOWS,
    Platform,
    PlatformError,
    SystemTimers,
    linux_retransmission,
    platform,
)
from pjka.keepalive.policy import NEVER, Mechanism, Policy, Qualify, TcpKeepAlive, Timers
from pjka.keepalive.system_wide import system_wide


def keepalive(idle: int | None, interval: int | None, probes: int | None, user_timeout: float | None = None):
    return TcpKeepAlive(True, idle, interval, probes, user_timeout)


def configured(
    idle: int | None, interval: int | None, probes: int | None, on: Platform = LINUX
) -> TcpKeepAlive:
    return TcpKeepAlive.configured(
        enable=True, idle=idle, interval=interval, probes=probes, user_timeout="auto", platform=on
    )


def close(predicted: float | None, measured: float) -> bool:
    return predicted is not None and abs(predicted - measured) <= max(1, 0.05 * measured)


OFF = TcpKeepAlive(False, 30, 1, 5, None)


# detection times


def test_k3_linux_60_3_10_is_90_seconds() -> None:
    assert keepalive(60, 10, 3).detection_idle(LINUX) == 90


@pytest.mark.parametrize("on", [FREEBSD, MACOS], ids=lambda p: p.name)
def test_k4_bsd_10000_ms_and_8_probes_of_5000_ms_are_50_seconds(on: Platform) -> None:
    assert keepalive(10, 5, 8).detection_idle(on) == 50
    assert keepalive(10, 5, None).detection_idle(on) == 50, "8 probes are the system's own"


def test_k5_windows_has_10_probes_of_its_own() -> None:
    assert keepalive(60, 10, None).detection_idle(WINDOWS) == 60 + 10 * 10


@pytest.mark.parametrize(
    ("on", "seconds"),
    [(LINUX, 7875), (FREEBSD, 7800), (MACOS, 7800), (SOLARIS, 7680), (ILLUMOS, 7680), (WINDOWS, 7210)],
    ids=lambda value: getattr(value, "name", value),
)
def test_k2_the_defaults_of_a_system_take_two_hours(on: Platform, seconds: float) -> None:
    assert keepalive(None, None, None).detection_idle(on) == seconds


def test_asterisk_2_2_defaults_take_35_seconds_and_the_documented_ones_80() -> None:
    assert keepalive(30, 1, 5).detection_idle(LINUX) == 35
    assert keepalive(30, 10, 5).detection_idle(LINUX) == 80


def test_asterisk_2_2_a_time_that_the_kernel_refuses_leaves_its_own() -> None:
    assert keepalive(32768, 0, 128).timers(LINUX) == Timers(7200, 75, 9)
    assert keepalive(32767, 1, 127).timers(LINUX) == Timers(32767, 1, 127)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        (keepalive(2, 1, 3), 5.00),
        (keepalive(2, 1, 3, 5), 5.00),
        (keepalive(2, 1, 3, 2.5), 2.95),
        (keepalive(2, 1, 3, 4), 3.98),
        (keepalive(2, 1, 3, 5.5), 6.02),
        (keepalive(2, 1, 3, 12), 12.17),
        (keepalive(10, 3, 4, 22), 22.28),
        (keepalive(30, 1, 5), 36.36),
        (keepalive(10, 5, 8, 50), 50.95),
        (keepalive(30, 10, 3), 61.96),
        (keepalive(30, 10, 3, 60), 61.96),
        (keepalive(60, 10, 3, 90), 90.63),
        (keepalive(2, 1, 1), 2.95),
    ],
    ids=str,
)
def test_measured_on_an_idle_connection(settings: TcpKeepAlive, seconds: float) -> None:
    assert close(settings.detection_idle(LINUX), seconds)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        (keepalive(2, 1, 3, 0.5), 0.92),
        (keepalive(2, 1, 3, 5), 5.64),
        (TcpKeepAlive(False, None, None, None, 5), 5.64),
        (keepalive(10, 3, 4, 22), 22.54),
        (keepalive(30, 1, 5, 35), 35.59),
        (keepalive(60, 10, 3, 90), 90.63),
    ],
    ids=str,
)
def test_measured_with_data_outstanding(settings: TcpKeepAlive, seconds: float) -> None:
    assert close(settings.detection_busy(LINUX), seconds)


def test_measured_a_ping_every_2_seconds_beside_3_1_5_and_a_user_timeout_of_8_seconds() -> None:
    assert close(keepalive(3, 1, 5, 8).detection_beside(LINUX, 2), 10.44)


def test_a_ping_beside_keepalive_without_user_timeout_waits_for_the_last_retransmission() -> None:
    assert keepalive(3, 1, 5).detection_beside(LINUX, 90) == pytest.approx(8 + 924.6 * 1.03)
    assert OFF.detection_beside(LINUX, 90) == pytest.approx(90 + 924.6 * 1.03)


def test_the_user_timeout_overrides_probes_on_linux_only() -> None:
    assert keepalive(10, 5, 2, 40).detection_idle(LINUX) == 40
    assert keepalive(10, 5, 2, 40).detection_idle(FREEBSD) == 20


def test_disabled_keepalive_never_finds_an_idle_peer_even_with_a_user_timeout() -> None:
    assert OFF.detection_idle(LINUX) == NEVER
    assert TcpKeepAlive(False, 30, 1, 5, 8.0).detection_idle(LINUX) == NEVER


def test_tcp_retries2_of_15_is_924_6_seconds() -> None:
    assert linux_retransmission(15) == pytest.approx(924.6)
    assert linux_retransmission(8) == pytest.approx(102.2)
    assert linux_retransmission(15, rto_max=2.0) == pytest.approx(0.2 + 0.4 + 0.8 + 1.6 + 12 * 2)


def test_busy_is_not_known_where_patience_depends_on_the_round_trip() -> None:
    assert keepalive(10, 5, 8).detection_busy(FREEBSD) is None
    assert keepalive(10, 5, 8).detection_beside(FREEBSD, 5) is None


# user timeout


def test_auto_is_idle_plus_interval_times_probes() -> None:
    assert configured(30, 10, 5).user_timeout == 80


def test_auto_gives_one_detection_time_for_idle_and_busy() -> None:
    settings = configured(60, 10, 3)
    assert settings.detection_idle(LINUX) == 90
    assert settings.detection_busy(LINUX) == pytest.approx(90, abs=1)
    assert settings.unanswered_probes(LINUX) == 3


def test_auto_counts_the_systems_timers_where_they_stay() -> None:
    own = replace(LINUX, timers=SystemTimers(100, 20, 4, 924.6))
    assert configured(None, None, None, own).user_timeout == 180


def test_auto_is_nothing_where_keepalive_is_off() -> None:
    off = TcpKeepAlive.configured(
        enable=False, idle=30, interval=1, probes=5, user_timeout="auto", platform=LINUX
    )
    assert off.user_timeout is None


def test_auto_stays_within_what_the_kernel_takes() -> None:
    settings = configured(32767, 32767, 127)
    assert settings.user_timeout is not None
    assert LINUX.user_timeout is not None
    assert LINUX.user_timeout.accepts(settings.user_timeout)


@pytest.mark.parametrize(
    ("user_timeout", "probes"), [(None, 5), (80, 5), (30, 1), (5, 1), (40.5, 2), (100, 7), (0, 5)]
)
def test_unanswered_probes_under_a_user_timeout(user_timeout: float | None, probes: int) -> None:
    assert keepalive(30, 10, 5, user_timeout).unanswered_probes(LINUX) == probes


# socket options


def test_options_on_linux_in_the_order_in_which_to_set_them() -> None:
    options = keepalive(33, 7, 4, 61).socket_options(LINUX)
    assert [(option.level, option.name, option.value) for option in options] == [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 33),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 61_000),
    ]


def test_options_hold_on_a_real_socket() -> None:
    with socket.socket() as sock:
        for option in keepalive(33, 7, 4, 61.5).socket_options(LINUX):
            sock.setsockopt(option.level, option.name, option.value)
            assert sock.getsockopt(option.level, option.name) == option.value


@pytest.mark.parametrize("name", ["idle", "interval", "probes", "user_timeout"])
def test_the_ranges_are_those_of_the_kernel(name: str) -> None:
    form = getattr(LINUX, name)
    with socket.socket() as sock:
        for value in (form.low, form.high):
            sock.setsockopt(form.level, form.name, value)
        for value in {form.low - 1, min(form.high + 1, 2**31 - 1)} - {form.high}:
            with pytest.raises(OSError, match="Invalid argument"):
                sock.setsockopt(form.level, form.name, value)


@pytest.mark.parametrize(
    ("on", "options"),
    [
        (FREEBSD, [(0xFFFF, 8, 1), (6, 256, 10), (6, 512, 5), (6, 1024, 8), (6, 68, 50)]),
        (MACOS, [(0xFFFF, 8, 1), (6, 0x10, 10), (6, 0x101, 5), (6, 0x102, 8), (6, 0x80, 50)]),
        (SOLARIS, [(0xFFFF, 8, 1), (6, 0x1D, 10), (6, 0x1E, 5), (6, 0x1F, 8), (6, 0x11, 50_000)]),
        (ILLUMOS, [(0xFFFF, 8, 1), (6, 0x22, 10), (6, 0x24, 5), (6, 0x23, 8), (6, 0x11, 50_000)]),
        (WINDOWS, [(0xFFFF, 8, 1), (6, 3, 10), (6, 17, 5), (6, 16, 8), (6, 5, 50)]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_options_elsewhere(on: Platform, options: list[tuple[int, int, int]]) -> None:
    found = keepalive(10, 5, 8, 50).socket_options(on)
    assert [(option.level, option.name, option.value) for option in found] == options


def test_system_leaves_the_kernels_own_timers_alone() -> None:
    assert [option.symbol for option in keepalive(None, None, None).socket_options(LINUX)] == ["SO_KEEPALIVE"]


def test_disabled_keepalive_is_switched_off_and_nothing_else() -> None:
    (option,) = OFF.socket_options(LINUX)
    assert (option.symbol, option.value) == ("SO_KEEPALIVE", 0)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("linux", LINUX),
        ("darwin", MACOS),
        ("macOS", MACOS),
        ("freebsd14", FREEBSD),
        ("sunos5", SOLARIS),
        ("win32", WINDOWS),
        ("windows", WINDOWS),
        ("illumos", ILLUMOS),
    ],
)
def test_platforms_by_name(name: str, known: Platform) -> None:
    assert platform(name) is known


def test_an_unknown_platform_is_a_clear_error() -> None:
    with pytest.raises(PlatformError, match=r"unknown platform .*'beos'.*linux, freebsd, macos"):
        platform("beos")


# K1, system-wide timers


def test_k1_bytes_per_hour_are_a_probe_and_its_acknowledgement_per_idle_time() -> None:
    assert keepalive(30, 1, 5).bytes_per_hour(LINUX, 4) == 120 * 2 * 52
    assert keepalive(30, 1, 5).bytes_per_hour(LINUX, 6) == 120 * 2 * 72
    assert OFF.bytes_per_hour(LINUX, 4) == 0


def test_k3_commands_of_linux() -> None:
    found = system_wide(LINUX, Timers(60, 10, 3))
    assert found.commands == (
        "sysctl -w net.ipv4.tcp_keepalive_time=60",
        "sysctl -w net.ipv4.tcp_keepalive_intvl=10",
        "sysctl -w net.ipv4.tcp_keepalive_probes=3",
    )
    assert found.detection == 90


def test_k4_commands_of_the_bsds_are_in_milliseconds_and_last_in_sysctl_conf() -> None:
    found = system_wide(FREEBSD, Timers(10, 5, 8))
    assert "sysctl net.inet.tcp.keepidle=10000" in found.commands
    assert "sysctl net.inet.tcp.keepintvl=5000" in found.commands
    assert "sysctl net.inet.tcp.always_keepalive=1" in found.commands
    assert "/etc/sysctl.conf" in found.lasting
    assert found.detection == 50
    assert "sysctl -w net.inet.tcp.keepidle=10000" in system_wide(MACOS, Timers(10, 5, 8)).commands


def test_k5_commands_of_solaris_are_in_milliseconds() -> None:
    found = system_wide(SOLARIS, Timers(60, 10, 3))
    assert "ndd -set /dev/tcp tcp_keepalive_interval 60000" in found.commands
    assert "ndd -set /dev/tcp tcp_keepalive_abort_interval 30000" in found.commands


def test_k5_commands_of_windows_are_in_milliseconds_and_the_probes_fixed() -> None:
    found = system_wide(WINDOWS, Timers(60, 10, 3))
    assert any("/v KeepAliveTime /t REG_DWORD /d 60000" in command for command in found.commands)
    assert any("/v KeepAliveInterval /t REG_DWORD /d 10000" in command for command in found.commands)
    assert found.detection == 60 + 10 * 10


@pytest.mark.parametrize("on", PLATFORMS, ids=lambda p: p.name)
def test_every_platform_has_system_wide_commands(on: Platform) -> None:
    assert system_wide(on, keepalive(10, 5, 8).timers(on)).commands


# what a policy adds


def policy(mechanism: Mechanism, tcp: TcpKeepAlive = OFF, **settings: object) -> Policy:
    return Policy("t", mechanism, "", tcp, **settings)  # type: ignore[arg-type]


def test_kernel_finds_idle_and_busy_but_no_wedged_peer() -> None:
    found = policy(Mechanism.KERNEL, configured(30, 10, 5))
    assert (found.detection_idle(LINUX), found.detection_wedged()) == (80, NEVER)
    assert found.detection_busy(LINUX) == pytest.approx(80, abs=1)


def test_crlf_waits_for_its_tick_and_then_for_retransmission() -> None:
    found = policy(Mechanism.CRLF, crlf_interval=90)
    assert found.detection_idle(LINUX) == pytest.approx(90 + 924.6 * 1.03)
    assert found.detection_wedged() == NEVER


def test_outbound_finds_even_a_wedged_peer_by_its_pong() -> None:
    found = policy(Mechanism.OUTBOUND, ping_interval=120, pong_timeout=10.0)
    assert (found.detection_idle(LINUX), found.detection_wedged()) == (130, 130)


def test_what_is_answered_by_sip_is_missed_beside_a_write_too() -> None:
    outbound = policy(Mechanism.OUTBOUND, ping_interval=120, pong_timeout=10.0)
    assert outbound.detection_busy(LINUX) == 130
    bounded = policy(Mechanism.OUTBOUND, TcpKeepAlive(False, None, None, None, 20), ping_interval=120)
    assert bounded.detection_busy(LINUX) == pytest.approx(20, abs=1)
    assert policy(Mechanism.OPTIONS, qualify=Qualify(60, 3.0)).detection_busy(LINUX) == 63
    assert policy(Mechanism.OPTIONS, qualify=Qualify(60, 3.0)).detection_busy(FREEBSD) == 63


@pytest.mark.parametrize(
    ("found", "pause"),
    [
        (policy(Mechanism.KERNEL, configured(30, 10, 5)), 30),
        (policy(Mechanism.CRLF, crlf_interval=90), 90),
        (policy(Mechanism.OUTBOUND, ping_interval=120), 120),
        (policy(Mechanism.OPTIONS, qualify=Qualify(60, 3.0)), 60),
        (policy(Mechanism.NONE), None),
    ],
    ids=lambda value: value.mechanism if isinstance(value, Policy) else "",
)
def test_longest_pause_on_an_idle_connection(found: Policy, pause: int | None) -> None:
    assert found.longest_pause(LINUX) == pause


def test_qualify_finds_a_wedged_peer() -> None:
    found = policy(Mechanism.KERNEL, configured(30, 10, 5), qualify=Qualify(60, 3.0, misses=2))
    assert found.detection_wedged() == 123


def test_options_alone_find_an_idle_peer_too() -> None:
    assert policy(Mechanism.OPTIONS, qualify=Qualify(60, 3.0)).detection_idle(LINUX) == 63


@pytest.mark.parametrize(
    ("timeout", "patience"),
    [(3.0, 3.0), (0, 32.0), (-1, 32.0), (40, 32.0), (math.nan, 32.0), (math.inf, 32.0)],
)
def test_asterisk_3_1_a_qualify_without_timer_waits_for_timer_f(timeout: float, patience: float) -> None:
    assert Qualify(60, timeout).patience == patience


def test_a8_messages_per_hour_are_options_and_answers() -> None:
    assert Qualify(60, 3.0).messages_per_hour == 120


def test_bytes_per_hour_by_mechanism() -> None:
    assert policy(Mechanism.KERNEL, configured(30, 10, 5)).bytes_per_hour(LINUX, 4) == 120 * 104
    assert policy(Mechanism.CRLF, crlf_interval=90).bytes_per_hour(LINUX, 4) == 40 * (56 + 52)
    pings = policy(Mechanism.OUTBOUND, ping_interval=120, pong_timeout=10.0)
    assert pings.bytes_per_hour(LINUX, 6) == 30 * (76 + 74 + 72)
    assert policy(Mechanism.NONE).bytes_per_hour(LINUX, 4) == 0
