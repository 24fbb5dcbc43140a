"""What Asterisk says about an object as a whole, once all its options are read (its ``apply`` handlers).

A check yields problems; one whose code rejects means that Asterisk does not load the object. What Asterisk
corrects by itself, the ``settle`` functions correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from pjka.conf.objects import Aor, Auth, Global, Registration, System, Transport
from pjka.conf.report import Problem
from pjka.conf.sip_values import parse_algorithms, parse_uri
from pjka.conf.transport_values import MAX_CIPHERS
from pjka.conf.uris import check_contact_parameters, check_contact_user, check_route, parse_sip_uri

KEEPALIVE_TIMES: Final = (
    "tcp_keepalive_idle_time",
    "tcp_keepalive_interval_time",
    "tcp_keepalive_probe_count",
)
KEEPALIVE_OPTIONS: Final = ("tcp_keepalive_enable", *KEEPALIVE_TIMES)

# net/ipv4/tcp.h: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT
_KERNEL_LIMITS: Final = dict(zip(KEEPALIVE_TIMES, (32767, 32767, 127), strict=True))
_TLS_FILES: Final = ("ca_list_file", "ca_list_path", "cert_file", "priv_key_file")
_DEFAULT_ALGORITHMS: Final = ("default_auth_algorithms_uas", "default_auth_algorithms_uac")
_CONTACT_CHECKS: Final = {
    "contact_user": check_contact_user,
    "contact_header_params": check_contact_parameters,
    "outbound_proxy": check_route,
}
_TIMER_T1_MIN: Final = 100
_TIMER_B_PER_T1: Final = 64


def check_transport(transport: Transport) -> Iterator[Problem]:
    """``transport_apply`` in ``config_transport.c``, and what TCP keep-alive needs."""
    if transport.bind is None and transport.protocol != "flow":
        yield Problem("option-missing", None, "bind is not set")
    for name in ("external_signaling_address", "external_media_address"):
        if transport.protocol == "flow" and transport.bind is None and getattr(transport, name):
            yield Problem("option-missing", name, f"{name} of a flow needs bind, for its address family")
    if transport.external_signaling_address and transport.external_signaling_hostname:
        names = "external_signaling_address and external_signaling_hostname"
        yield Problem("exclusive-options", "external_signaling_hostname", f"both {names} are set")
    if len(dict.fromkeys(transport.cipher)) > MAX_CIPHERS:
        yield Problem("too-many-ciphers", "cipher", f"more than {MAX_CIPHERS} ciphers")
    if transport.async_operations != 1:
        yield Problem(
            "async-operations", "async_operations", f"async_operations is {transport.async_operations}"
        )
    if transport.tos % 4:
        yield Problem("tos-rounded", "tos", f"tos {transport.tos} becomes {_dscp_only(transport.tos)}")
    if transport.protocol in ("ws", "wss"):
        yield from _check_websocket(transport)
    if transport.protocol in ("tcp", "tls"):
        yield from _check_kernel_limits(transport)
    else:
        yield from _check_not_tcp(transport)


def settle_transport(transport: Transport) -> Transport:
    """What Asterisk makes of values that it corrects."""
    return replace(
        transport,
        async_operations=1,
        tos=_dscp_only(transport.tos),
        cipher=tuple(dict.fromkeys(transport.cipher)),
    )


def check_aor(aor: Aor) -> Iterator[Problem]:
    """Contacts that collapse into one (``location.c``)."""
    if len(set(aor.contact)) < len(aor.contact):
        repeated = Counter(aor.contact).most_common(1)[0][0]
        yield Problem("contact-repeated", "contact", f"contact {repeated} is there more than once")


def settle_aor(aor: Aor) -> Aor:
    """Each contact once."""
    if len(aor.contact) < 2:
        return aor
    return replace(aor, contact=tuple(dict.fromkeys(aor.contact)))


def check_auth(auth: Auth) -> Iterator[Problem]:
    """``auth_apply`` in ``config_auth.c``."""
    if not auth.username:
        yield Problem("option-missing", None, "username is not set")
    if auth.auth_type == "google_oauth":
        for name in ("refresh_token", "oauth_clientid", "oauth_secret"):
            if not getattr(auth, name):
                yield Problem("option-missing", "auth_type", f"google_oauth needs {name}")


def check_algorithms(auth: Auth, settings: Global) -> Iterator[Problem]:
    """The rest of ``auth_apply``: a digest for every algorithm, unless the password itself is there."""
    if auth.password or auth.auth_type == "google_oauth":
        return
    uas = auth.supported_algorithms_uas or settings.default_auth_algorithms_uas
    uac = auth.supported_algorithms_uac or settings.default_auth_algorithms_uac
    missing = {*uas, *uac} - {digest.algorithm for digest in (*auth.md5_cred, *auth.password_digest)}
    if missing:
        text = f"there is neither a password nor a digest for {', '.join(sorted(missing))}"
        yield Problem("option-missing", None, text, "Set password, or password_digest for each algorithm.")


def check_registration(registration: Registration) -> Iterator[Problem]:
    """``sip_outbound_registration_apply`` in ``res_pjsip_outbound_registration.c``."""
    for name in ("server_uri", "client_uri"):
        uri = getattr(registration, name)
        if not uri:
            yield Problem("option-missing", None, f"{name} is not set")
        elif expected := _refused(parse_uri, uri) or _refused(parse_sip_uri, uri):
            yield Problem("bad-value", name, f"{name} is {uri!r}", f"Give {expected}.")
    for name, check in _CONTACT_CHECKS.items():
        if expected := _refused(check, getattr(registration, name)):
            yield Problem("bad-value", name, f"{name} is not valid", f"Give {expected}.")
    if registration.expiration == 0:
        yield Problem("bad-value", "expiration", "expiration is 0", "Give 1 or more seconds.")
    if registration.line and not registration.endpoint:
        yield Problem("incomplete-pair", "line", "line is set without endpoint")
    if registration.endpoint and not registration.line:
        yield Problem("incomplete-pair", "endpoint", "endpoint is set without line=yes")


def check_global(settings: Global) -> Iterator[Problem]:
    """``global_apply`` in ``config_global.c``."""
    for name in ("debug", "default_from_user"):
        if not getattr(settings, name):
            yield Problem("empty-value", name, f"{name} is empty")
    for name in _DEFAULT_ALGORITHMS:
        said = getattr(settings, name)
        if _algorithms(said) is None:
            yield Problem("algorithms-default", name, f"{name} is {', '.join(said)}")
    yield from _check_kernel_limits(settings)


def settle_global(settings: Global) -> Global:
    """The default algorithms, MD5 where they are not valid."""
    return replace(
        settings,
        default_auth_algorithms_uas=_algorithms_or_md5(settings.default_auth_algorithms_uas),
        default_auth_algorithms_uac=_algorithms_or_md5(settings.default_auth_algorithms_uac),
    )


def check_system(system: System) -> Iterator[Problem]:
    """``system_apply`` in ``config_system.c``."""
    raised = settle_system(system)
    for name in ("timer_t1", "timer_b"):
        said, used = getattr(system, name), getattr(raised, name)
        if said != used:
            yield Problem("timer-raised", name, f"{name} {said} ms becomes {used} ms")


def settle_system(system: System) -> System:
    """The timers, at least at their minimum."""
    t1 = max(system.timer_t1, _TIMER_T1_MIN)
    return replace(system, timer_t1=t1, timer_b=max(system.timer_b, _TIMER_B_PER_T1 * t1))


def _check_websocket(transport: Transport) -> Iterator[Problem]:
    ignored = [name for name in ("tos", "cos", *_TLS_FILES) if getattr(transport, name)]
    if ignored:
        yield Problem("websocket-ignores", ignored[0], f"{', '.join(ignored)} on {transport.protocol}")


def _check_not_tcp(transport: Transport) -> Iterator[Problem]:
    names = [name for name in (*KEEPALIVE_OPTIONS, "tcp_user_timeout") if name in transport.places]
    if names:
        yield Problem("keepalive-not-tcp", names[0], f"{', '.join(names)} on {transport.protocol}")


def _check_kernel_limits(keeper: Transport | Global) -> Iterator[Problem]:
    for name, high in _KERNEL_LIMITS.items():
        value = getattr(keeper, name)
        if value is not None and not 1 <= value <= high:
            yield Problem("kernel-limit", name, f"{name} {value} is not within 1 to {high}")


def _algorithms(names: tuple[str, ...]) -> tuple[str, ...] | None:
    try:
        return parse_algorithms(",".join(names))
    except ValueError:
        return None


def _algorithms_or_md5(names: tuple[str, ...]) -> tuple[str, ...]:
    known = _algorithms(names)
    return ("MD5",) if known is None else known


def _refused(check: Callable[[str], object], text: str) -> str:
    """What ``check`` expected instead of ``text``, "" where it takes it."""
    try:
        check(text)
    except ValueError as error:
        return str(error)
    return ""


def _dscp_only(tos: int) -> int:
    return tos & ~3
