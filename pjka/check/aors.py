"""What is to be said about qualify and registrations, beside the keep-alive of their transports."""

from __future__ import annotations

from collections.abc import Mapping

from pjka.check.notes import Notes
from pjka.check.policy import qualify_of
from pjka.check.reach import Reach
from pjka.conf.loader import Configuration
from pjka.conf.objects import Aor, Registration
from pjka.keepalive.competing import QUALIFY_BESIDE_TCP, SHORT_REGISTRATION
from pjka.keepalive.policy import Mechanism, Policy, Qualify


def check_aors(
    configuration: Configuration, found: Reach, policies: Mapping[str, Policy], notes: Notes
) -> None:
    """Note what concerns AORs and registrations."""
    held = {id for id, policy in policies.items() if policy.mechanism is Mechanism.KERNEL}
    for aor in configuration.aors.values():
        qualify = qualify_of(aor, configuration.system)
        over = found.transports.get(aor.id, ())
        if qualify is None:
            _check_needed(aor, notes)
        else:
            _check_timeout(aor, qualify, notes)
        if over and held.issuperset(over):
            _check_beside_tcp(aor, qualify, notes)
    for id in held:
        for registration in found.registrations[id]:
            _check_registration(registration, notes)


def _check_needed(aor: Aor, notes: Notes) -> None:
    for option in ("close_wedged", "remove_unreachable"):
        if getattr(aor, option):
            notes.add("qualify-needed", aor, option, f"@{option}=yes and qualify_frequency=0")


def _check_timeout(aor: Aor, qualify: Qualify, notes: Notes) -> None:
    timeout = aor.qualify_timeout
    if timeout > qualify.timer_b:
        text = f"qualify_timeout is {timeout:g} s, a transaction ends after {qualify.timer_b:g} s"
        notes.add("qualify-timeout-above-transaction", aor, "qualify_timeout", text, f"{qualify.timer_b:g}")
    elif not timeout > 0:
        notes.add("qualify-timeout-off", aor, "qualify_timeout", f"qualify_timeout is {timeout:g}")
    if qualify.patience > qualify.frequency:
        option = "qualify_timeout" if "qualify_timeout" in aor.places else "qualify_frequency"
        text = f"OPTIONS every {qualify.frequency} s, each given {qualify.patience:g} s"
        notes.add("qualify-timeout-above-frequency", aor, option, text)


def _check_beside_tcp(aor: Aor, qualify: Qualify | None, notes: Notes) -> None:
    if qualify and qualify.frequency < QUALIFY_BESIDE_TCP:
        slow = Qualify(QUALIFY_BESIDE_TCP, qualify.timeout)
        now, then = qualify.messages_per_hour, slow.messages_per_hour
        saving = f"{now:g} messages per hour and contact, {now - then:g} to be saved"
        text = f"OPTIONS every {qualify.frequency} s: {saving}"
        advice = f"qualify_frequency={QUALIFY_BESIDE_TCP}"
        notes.add("qualify-faster-than-needed", aor, "qualify_frequency", text, advice)
    if aor.max_contacts and aor.maximum_expiration < SHORT_REGISTRATION:
        text = f"phones register every {aor.maximum_expiration} s or more often"
        notes.add("short-registration", aor, "maximum_expiration", text)


def _check_registration(registration: Registration, notes: Notes) -> None:
    if registration.expiration < SHORT_REGISTRATION:
        text = f"registers every {registration.expiration} s or more often"
        notes.add("short-registration", registration, "expiration", text)
