"""What is to be said about the keep-alive of a transport, once its policy is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pjka.check.notes import Note, Notes
from pjka.conf.loader import Configuration
from pjka.conf.objects import Transport
from pjka.conf.options import Place
from pjka.keepalive.competing import Demand, conflicts
from pjka.keepalive.platforms import Platform
from pjka.keepalive.policy import Mechanism, Policy

_TIMES: Final = ("tcp_keepalive_idle_time", "tcp_keepalive_interval_time", "tcp_keepalive_probe_count")


def check_transport(
    transport: Transport, demand: Demand, policy: Policy, platform: Platform, notes: Notes
) -> None:
    """Note all that concerns the transport by itself."""
    if not demand.stream:
        return
    for check in _CHECKS:
        check(transport, policy, platform, notes)
    if demand.pjproject_interval and policy.mechanism is Mechanism.KERNEL:
        text = "TCP keep-alive is configured and does not reach the sockets"
        notes.add("pjproject-option-slots", transport, "tcp_keepalive_enable", text)


def check_conflicts(configuration: Configuration, demands: Mapping[str, Demand], notes: Notes) -> None:
    """Note the writers that compete with the mechanisms, each once, with all transports that it is on."""
    harmed = [
        (transport, conflict)
        for transport in configuration.transports.values()
        for conflict in conflicts(demands[transport.id])
    ]
    for transport, conflict in harmed:
        text = f"CRLF every {conflict.writer.every:g} s competes. {conflict.why}"
        if conflict.writer.mechanism is Mechanism.CRLF:
            place = _crlf_place(configuration, harmed[0][0])
            note = Note(_crlf_code(transport), place, "transport", text, conflict.remedy)
            notes.put(note, (transport.id,))
        elif conflict.writer.mechanism is Mechanism.PJPROJECT:
            note = Note("pjproject-timer", harmed[0][0].place, "transport", text, conflict.remedy)
            notes.put(note, (transport.id,))


def _crlf_code(transport: Transport) -> str:
    return "crlf-beside-outbound" if transport.keepalive == "outbound" else "crlf-beside-tcp-keepalive"


def _crlf_place(configuration: Configuration, harmed: Transport) -> Place:
    """The line that sets the interval, else the section that could, else the transport that it harms."""
    settings = configuration.global_
    if settings.places:
        return settings.places.get("keep_alive_interval", settings.place)
    return harmed.places.get("tcp_keepalive_enable", harmed.place)


def _check_contradiction(transport: Transport, _: Policy, __: Platform, notes: Notes) -> None:
    enabled = transport.tcp_keepalive_enable
    if transport.keepalive is None or "tcp_keepalive_enable" not in transport.places:
        return
    if enabled is not (transport.keepalive == "tcp"):
        said = f"@keepalive={transport.keepalive} and tcp_keepalive_enable={'yes' if enabled else 'no'}"
        notes.add("keepalive-contradiction", transport, "keepalive", f"{said}: pjka goes by the first")


def _check_unused_times(transport: Transport, policy: Policy, _: Platform, notes: Notes) -> None:
    names = [name for name in _TIMES if name in transport.places]
    if names and policy.mechanism is not Mechanism.KERNEL and not transport.tcp_keepalive_enable:
        notes.add(
            "keepalive-times-unused", transport, names[0], f"{', '.join(names)} without tcp_keepalive_enable"
        )


def _check_user_timeout(transport: Transport, policy: Policy, platform: Platform, notes: Notes) -> None:
    if policy.mechanism is not Mechanism.KERNEL:
        return
    if transport.tcp_user_timeout is None:
        if policy.qualify:
            text = "@tcp_user_timeout=no, and OPTIONS run on this transport"
            notes.add("options-without-user-timeout", transport, "tcp_user_timeout", text)
        return
    budget = policy.tcp.timers(platform).budget
    timeout = policy.tcp.user_timeout
    if timeout is not None and timeout > budget:
        text = f"@tcp_user_timeout is {timeout:g} s, idle + interval x probes {budget:g} s"
        notes.add("user-timeout-above-budget", transport, "tcp_user_timeout", text)


def _check_probes(transport: Transport, policy: Policy, platform: Platform, notes: Notes) -> None:
    if policy.mechanism is not Mechanism.KERNEL or policy.tcp.unanswered_probes(platform) > 1:
        return
    if policy.tcp.timers(platform).probes == 1:
        notes.add("single-probe", transport, "tcp_keepalive_probe_count", "tcp_keepalive_probe_count is 1")
    else:
        text = f"a user timeout of {policy.tcp.user_timeout:g} s leaves an idle connection one probe"
        notes.add("single-probe", transport, "tcp_user_timeout", text)


def _check_firewall(transport: Transport, policy: Policy, platform: Platform, notes: Notes) -> None:
    forgets, pause = transport.firewall_timeout, policy.longest_pause(platform)
    if forgets is None or (pause is not None and pause < forgets):
        return
    setting, name = _PAUSES.get(policy.mechanism, (None, ""))
    advice = f"Set {name} below {forgets}." if name else "Set tcp_keepalive_enable=yes."
    text = f"nothing is sent for {pause:g} s" if pause is not None else "nothing is ever sent"
    option = setting if setting in transport.places else "firewall_timeout"
    notes.add(
        "idle-above-firewall-timeout",
        transport,
        option,
        f"{text}, the firewall forgets after {forgets} s",
        advice,
    )


_PAUSES: Final = {
    Mechanism.KERNEL: ("tcp_keepalive_idle_time", "tcp_keepalive_idle_time"),
    Mechanism.CRLF: (None, "keep_alive_interval in [global]"),
    Mechanism.OUTBOUND: ("flow_timer", "@flow_timer"),
    Mechanism.OPTIONS: (None, "qualify_frequency of its AORs"),
}


def _check_watched(transport: Transport, policy: Policy, _: Platform, notes: Notes) -> None:
    if policy.mechanism is Mechanism.NONE:
        notes.add(
            "nothing-keeps-alive", transport, "keepalive", "neither TCP keep-alive nor CRLF nor OPTIONS"
        )
    elif policy.mechanism is Mechanism.CRLF:
        text = f"CRLF every {policy.crlf_interval} s, to which no answer is expected"
        notes.add("crlf-alone", transport, "keepalive", text)


_Check = Callable[[Transport, Policy, Platform, Notes], None]

_CHECKS: Final[tuple[_Check, ...]] = (
    _check_contradiction,
    _check_unused_times,
    _check_user_timeout,
    _check_probes,
    _check_firewall,
    _check_watched,
)
