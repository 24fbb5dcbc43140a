"""The objects of ``pjsip.conf``, typed: one field per option, named as the option without ``@``.

Options, rules and defaults are those of Asterisk's ``res/res_pjsip``; what pjka adds can only be set with a
leading ``@``, which Asterisk accepts and ignores. ``places`` tells where an option was set; what is absent there
has its default. Two objects are equal when they mean the same, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pjka.conf.options import Place, Spelling, read_by
from pjka.conf.transport_values import (
    Address,
    KeepAlive,
    Method,
    OutboundVersion,
    Protocol,
    Recover,
    parse_bind,
    parse_firewall_timeout,
    parse_flow_timer,
    parse_keepalive,
    parse_local_net,
    parse_method,
    parse_outbound_version,
    parse_pong_timeout,
    parse_protocol,
    parse_recover,
    parse_system_int,
    parse_tos,
    parse_user_timeout,
)
from pjka.conf.values import (
    INT32_MAX,
    int_between,
    one_of,
    parse_bool,
    parse_double,
    parse_int,
    parse_list,
    parse_text,
    parse_uint,
)

_BOTH: Final = Spelling.BOTH
_PJKA: Final = Spelling.PJKA

_parse_auth_type: Final = one_of({word: word for word in ("userpass", "md5", "digest", "google_oauth")})
_parse_negotiation: Final = one_of({word: word for word in ("no", "mediasec")})
_parse_overload_trigger: Final = one_of({word: word for word in ("none", "global", "pjsip_only")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """``type=transport``. Times are in seconds unless said."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    protocol: Protocol = field(default="udp", metadata=read_by(parse_protocol))
    bind: Address | None = field(default=None, metadata=read_by(parse_bind))
    async_operations: int = field(default=1, metadata=read_by(parse_uint))
    ca_list_file: str = field(default="", metadata=read_by(parse_text))
    ca_list_path: str = field(default="", metadata=read_by(parse_text))
    cert_file: str = field(default="", metadata=read_by(parse_text))
    priv_key_file: str = field(default="", metadata=read_by(parse_text))
    password: str = field(default="", repr=False, metadata=read_by(parse_text))
    external_signaling_address: str = field(default="", metadata=read_by(parse_text))
    external_signaling_port: int = field(default=0, metadata=read_by(int_between(0, 65535)))
    external_signaling_hostname: str = field(default="", metadata=read_by(parse_text))
    external_media_address: str = field(default="", metadata=read_by(parse_text))
    domain: str = field(default="", metadata=read_by(parse_text))
    verify_server: bool = field(default=False, metadata=read_by(parse_bool))
    verify_client: bool = field(default=False, metadata=read_by(parse_bool))
    require_client_cert: bool = field(default=False, metadata=read_by(parse_bool))
    allow_wildcard_certs: bool = field(default=False, metadata=read_by(parse_bool))
    method: Method = field(default="unspecified", metadata=read_by(parse_method))
    cipher: tuple[str, ...] = field(default=(), metadata=read_by(parse_list, several=True))
    local_net: tuple[str, ...] = field(default=(), metadata=read_by(parse_local_net, several=True))
    tos: int = field(default=0, metadata=read_by(parse_tos))
    cos: int = field(default=0, metadata=read_by(parse_uint))
    tcp_keepalive_enable: bool = field(default=False, metadata=read_by(parse_bool, spelling=_BOTH))
    tcp_keepalive_idle_time: int | None = field(
        default=30, metadata=read_by(parse_int, parse_at=parse_system_int, spelling=_BOTH)
    )
    """None: ``system``, the kernel's own (likewise the next two)."""
    tcp_keepalive_interval_time: int | None = field(
        default=1, metadata=read_by(parse_int, parse_at=parse_system_int, spelling=_BOTH)
    )
    """Asterisk's documentation says 10, its code 1."""
    tcp_keepalive_probe_count: int | None = field(
        default=5, metadata=read_by(parse_int, parse_at=parse_system_int, spelling=_BOTH)
    )
    websocket_write_timeout: int = field(default=100, metadata=read_by(int_between(1, INT32_MAX)))
    """Milliseconds."""
    allow_reload: bool = field(default=False, metadata=read_by(parse_bool))
    symmetric_transport: bool = field(default=False, metadata=read_by(parse_bool))
    tcp_user_timeout: float | Literal["auto"] | None = field(
        default="auto", metadata=read_by(parse_user_timeout, spelling=_PJKA)
    )
    """``auto``: idle + interval x probes. None: leave the socket's alone."""
    keepalive: KeepAlive | None = field(default=None, metadata=read_by(parse_keepalive, spelling=_PJKA))
    """None: not said, so ``tcp`` if that is enabled, else ``none``."""
    flow_timer: int | Literal["battery"] = field(
        default=120, metadata=read_by(parse_flow_timer, spelling=_PJKA)
    )
    pong_timeout: float = field(default=10.0, metadata=read_by(parse_pong_timeout, spelling=_PJKA))
    outbound_version: OutboundVersion = field(
        default="rfc5626", metadata=read_by(parse_outbound_version, spelling=_PJKA)
    )
    firewall_timeout: int | None = field(
        default=None, metadata=read_by(parse_firewall_timeout, spelling=_PJKA)
    )
    recover: Recover = field(default="yes", metadata=read_by(parse_recover, spelling=_PJKA))

    @property
    def bind_host(self) -> str:
        """The address to listen on; ``0.0.0.0`` where none is needed."""
        return self.bind.host if self.bind else "0.0.0.0"

    @property
    def bind_port(self) -> int:
        """The port to listen on, 5061 for tls and 5060 otherwise unless said; 0 where nothing listens."""
        if self.bind is None:
            return 0
        return self.bind.port or (5061 if self.protocol == "tls" else 5060)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aor:
    """``type=aor``. Times are in seconds."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    contact: tuple[str, ...] = field(default=(), metadata=read_by(parse_list, several=True))
    qualify_frequency: int = field(default=0, metadata=read_by(int_between(0, 86400)))
    qualify_timeout: float = field(default=3.0, metadata=read_by(parse_double))
    """0 or less: no timer but the transaction's own."""
    qualify_2xx_only: bool = field(default=False, metadata=read_by(parse_bool, spelling=_BOTH))
    authenticate_qualify: bool = field(default=False, metadata=read_by(parse_bool))
    max_contacts: int = field(default=0, metadata=read_by(parse_uint))
    remove_existing: bool = field(default=False, metadata=read_by(parse_bool))
    remove_unavailable: bool = field(default=False, metadata=read_by(parse_bool))
    minimum_expiration: int = field(default=60, metadata=read_by(parse_uint))
    maximum_expiration: int = field(default=7200, metadata=read_by(parse_uint))
    default_expiration: int = field(default=3600, metadata=read_by(parse_uint))
    outbound_proxy: str = field(default="", metadata=read_by(parse_text))
    mailboxes: str = field(default="", metadata=read_by(parse_text))
    voicemail_extension: str = field(default="", metadata=read_by(parse_text))
    support_path: bool = field(default=False, metadata=read_by(parse_bool))
    qualify_down: int = field(default=1, metadata=read_by(int_between(1, INT32_MAX), spelling=_PJKA))
    """Misses before Unreachable."""
    qualify_up: int = field(default=1, metadata=read_by(int_between(1, INT32_MAX), spelling=_PJKA))
    """Answers before Reachable."""
    remove_unreachable: bool = field(default=False, metadata=read_by(parse_bool, spelling=_PJKA))
    close_wedged: bool = field(default=False, metadata=read_by(parse_bool, spelling=_PJKA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """``type=endpoint``, as far as pjka has a use for it; all its options are in ``endpoint_options``."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    transport: str = field(default="", metadata=read_by(parse_text))
    aors: tuple[str, ...] = field(default=(), metadata=read_by(parse_list))
    auth: tuple[str, ...] = field(default=(), metadata=read_by(parse_list, several=True))
    outbound_auth: tuple[str, ...] = field(default=(), metadata=read_by(parse_list, several=True))
    outbound_proxy: str = field(default="", metadata=read_by(parse_text))
    from_user: str = field(default="", metadata=read_by(parse_text))
    from_domain: str = field(default="", metadata=read_by(parse_text))
    contact_user: str = field(default="", metadata=read_by(parse_text))
    context: str = field(default="default", metadata=read_by(parse_text))
    rewrite_contact: bool = field(default=False, metadata=read_by(parse_bool))
    force_rport: bool = field(default=True, metadata=read_by(parse_bool))
    allow_unauthenticated_options: bool = field(default=False, metadata=read_by(parse_bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """``type=auth``. What must stay secret is in no text made of it."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    auth_type: str = field(default="userpass", metadata=read_by(_parse_auth_type))
    username: str = field(default="", metadata=read_by(parse_text))
    password: str = field(default="", repr=False, metadata=read_by(parse_text))
    md5_cred: str = field(default="", repr=False, metadata=read_by(parse_text))
    password_digest: tuple[str, ...] = field(
        default=(), repr=False, metadata=read_by(parse_list, several=True)
    )
    realm: str = field(default="", metadata=read_by(parse_text))
    nonce_lifetime: int = field(default=32, metadata=read_by(parse_uint))
    refresh_token: str = field(default="", repr=False, metadata=read_by(parse_text))
    oauth_clientid: str = field(default="", metadata=read_by(parse_text))
    oauth_secret: str = field(default="", repr=False, metadata=read_by(parse_text))
    supported_algorithms_uac: tuple[str, ...] = field(default=(), metadata=read_by(parse_list))
    supported_algorithms_uas: tuple[str, ...] = field(default=(), metadata=read_by(parse_list))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """``type=registration``. Times are in seconds."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    server_uri: str = field(default="", metadata=read_by(parse_text))
    client_uri: str = field(default="", metadata=read_by(parse_text))
    contact_user: str = field(default="", metadata=read_by(parse_text))
    contact_header_params: str = field(default="", metadata=read_by(parse_text))
    transport: str = field(default="", metadata=read_by(parse_text))
    outbound_proxy: str = field(default="", metadata=read_by(parse_text))
    expiration: int = field(default=3600, metadata=read_by(parse_uint))
    max_random_initial_delay: int = field(default=10, metadata=read_by(parse_uint))
    retry_interval: int = field(default=60, metadata=read_by(parse_uint))
    forbidden_retry_interval: int = field(default=0, metadata=read_by(parse_uint))
    fatal_retry_interval: int = field(default=0, metadata=read_by(parse_uint))
    max_retries: int = field(default=10, metadata=read_by(parse_uint))
    auth_rejection_permanent: bool = field(default=True, metadata=read_by(parse_bool))
    outbound_auth: tuple[str, ...] = field(default=(), metadata=read_by(parse_list, several=True))
    line: bool = field(default=False, metadata=read_by(parse_bool))
    endpoint: str = field(default="", metadata=read_by(parse_text))
    support_path: bool = field(default=False, metadata=read_by(parse_bool))
    support_outbound: bool = field(default=False, metadata=read_by(parse_bool))
    security_negotiation: str = field(default="no", metadata=read_by(_parse_negotiation))
    security_mechanisms: tuple[str, ...] = field(default=(), metadata=read_by(parse_list, several=True))
    user_agent: str = field(default="", metadata=read_by(parse_text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """``type=contact``. Asterisk keeps contacts in its database and never reads them from ``pjsip.conf``."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    uri: str = field(default="", metadata=read_by(parse_text))
    path: str = field(default="", metadata=read_by(parse_text))
    expiration_time: str = field(default="", metadata=read_by(parse_text))
    qualify_frequency: int = field(default=0, metadata=read_by(int_between(0, 86400)))
    qualify_timeout: float = field(default=3.0, metadata=read_by(parse_double))
    qualify_2xx_only: bool = field(default=False, metadata=read_by(parse_bool, spelling=_BOTH))
    authenticate_qualify: bool = field(default=False, metadata=read_by(parse_bool))
    outbound_proxy: str = field(default="", metadata=read_by(parse_text))
    user_agent: str = field(default="", metadata=read_by(parse_text))
    endpoint: str = field(default="", metadata=read_by(parse_text))
    reg_server: str = field(default="", metadata=read_by(parse_text))
    via_addr: str = field(default="", metadata=read_by(parse_text))
    via_port: int = field(default=0, metadata=read_by(parse_uint))
    call_id: str = field(default="", metadata=read_by(parse_text))
    prune_on_boot: bool = field(default=False, metadata=read_by(parse_bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class Global:
    """``type=global``. Times are in seconds.

    The four ``tcp_keepalive`` options are defaults for every tcp and tls transport: one that is in ``places``
    here and not in the transport's own counts there.
    """

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    max_forwards: int = field(default=70, metadata=read_by(parse_uint))
    keep_alive_interval: int = field(default=90, metadata=read_by(parse_uint))
    """Between two double CRLFs on every reliable connection; 0: none."""
    max_initial_qualify_time: int = field(default=0, metadata=read_by(parse_uint))
    """0: no cap."""
    user_agent: str | None = field(default=None, metadata=read_by(parse_text))
    """None: Asterisk's own, with its version."""
    default_outbound_endpoint: str = field(default="default_outbound_endpoint", metadata=read_by(parse_text))
    default_from_user: str = field(default="asterisk", metadata=read_by(parse_text))
    default_realm: str = field(default="asterisk", metadata=read_by(parse_text))
    default_voicemail_extension: str = field(default="", metadata=read_by(parse_text))
    contact_expiration_check_interval: int = field(default=30, metadata=read_by(parse_uint))
    endpoint_identifier_order: tuple[str, ...] = field(
        default=("ip", "username", "anonymous"), metadata=read_by(parse_list)
    )
    debug: str = field(default="no", metadata=read_by(parse_text))
    regcontext: str = field(default="", metadata=read_by(parse_text))
    disable_multi_domain: bool = field(default=False, metadata=read_by(parse_bool))
    unidentified_request_count: int = field(default=5, metadata=read_by(parse_uint))
    unidentified_request_period: int = field(default=5, metadata=read_by(parse_uint))
    unidentified_request_prune_interval: int = field(default=30, metadata=read_by(parse_uint))
    mwi_tps_queue_high: int = field(default=500, metadata=read_by(parse_uint))
    mwi_tps_queue_low: int = field(default=-1, metadata=read_by(parse_int))
    mwi_disable_initial_unsolicited: bool = field(default=False, metadata=read_by(parse_bool))
    allow_sending_180_after_183: bool = field(default=False, metadata=read_by(parse_bool))
    ignore_uri_user_options: bool = field(default=False, metadata=read_by(parse_bool))
    use_callerid_contact: bool = field(default=False, metadata=read_by(parse_bool))
    send_contact_status_on_update_registration: bool = field(default=False, metadata=read_by(parse_bool))
    taskprocessor_overload_trigger: str = field(default="global", metadata=read_by(_parse_overload_trigger))
    norefersub: bool = field(default=True, metadata=read_by(parse_bool))
    all_codecs_on_empty_reinvite: bool = field(default=False, metadata=read_by(parse_bool))
    default_auth_algorithms_uas: tuple[str, ...] = field(default=("MD5",), metadata=read_by(parse_list))
    default_auth_algorithms_uac: tuple[str, ...] = field(default=("MD5",), metadata=read_by(parse_list))
    tcp_keepalive_enable: bool = field(default=False, metadata=read_by(parse_bool, spelling=_PJKA))
    tcp_keepalive_idle_time: int | None = field(
        default=30, metadata=read_by(parse_system_int, spelling=_PJKA)
    )
    tcp_keepalive_interval_time: int | None = field(
        default=1, metadata=read_by(parse_system_int, spelling=_PJKA)
    )
    tcp_keepalive_probe_count: int | None = field(
        default=5, metadata=read_by(parse_system_int, spelling=_PJKA)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """``type=system``."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    timer_t1: int = field(default=500, metadata=read_by(parse_uint))
    """Milliseconds, at least 100."""
    timer_b: int = field(default=32000, metadata=read_by(parse_uint))
    """Milliseconds, at least 64 x ``timer_t1``; also how long a new connection may stay without a request."""
    compact_headers: bool = field(default=False, metadata=read_by(parse_bool))
    disable_tcp_switch: bool = field(default=True, metadata=read_by(parse_bool))
    follow_early_media_fork: bool = field(default=True, metadata=read_by(parse_bool))
    accept_multiple_sdp_answers: bool = field(default=False, metadata=read_by(parse_bool))
    disable_rport: bool = field(default=False, metadata=read_by(parse_bool))
    taskpool_minimum_size: int = field(default=4, metadata=read_by(parse_uint))
    taskpool_initial_size: int = field(default=4, metadata=read_by(parse_uint))
    taskpool_auto_increment: int = field(default=1, metadata=read_by(parse_uint))
    taskpool_idle_timeout: int = field(default=60, metadata=read_by(parse_uint))
    taskpool_max_size: int = field(default=50, metadata=read_by(parse_uint))


AnyObject = Transport | Aor | Endpoint | Auth | Registration | Contact | Global | System
