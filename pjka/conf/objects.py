"""The objects of ``pjsip.conf``, typed: one field per option, named as the option without ``@``.

Options, rules and defaults are those of Asterisk's ``res/res_pjsip``; what pjka adds can only be set with a
leading ``@``, which Asterisk accepts and ignores. Two objects are equal when they mean the same, wherever
they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pjka.conf.options import Place, Spelling, all_of, all_since_empty, last_said, read_by
from pjka.conf.sip_values import Digest, parse_algorithms, parse_contacts, parse_digests, parse_user
from pjka.conf.transport_values import (
    Address,
    KeepAlive,
    Method,
    OutboundVersion,
    Protocol,
    Recover,
    parse_bind,
    parse_ciphers,
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

_TEXT: Final = read_by(parse_text)
_FILE: Final = read_by(parse_text, join=last_said, file=True)
_BOOL: Final = read_by(parse_bool)
_BOOL_BOTH: Final = read_by(parse_bool, spelling=_BOTH)
_INT: Final = read_by(parse_int)
_UINT: Final = read_by(parse_uint)
_KERNEL_INT: Final = read_by(parse_int, parse_at=parse_system_int, spelling=_BOTH)
_LIST: Final = read_by(parse_list)
_DIGESTS: Final = read_by(parse_digests, join=all_of)
_ALGORITHMS: Final = read_by(parse_algorithms, join=all_of)
_FREQUENCY: Final = read_by(int_between(0, 86400))

_parse_auth_type: Final = one_of({word: word for word in ("userpass", "md5", "digest", "google_oauth")})
_parse_negotiation: Final = one_of({word: word for word in ("no", "mediasec")})
_parse_overload_trigger: Final = one_of({word: word for word in ("none", "global", "pjsip_only")})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigObject:
    """What all objects have: a name, and where they and their options stand."""

    id: str
    place: Place = field(compare=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    """Of the options that the file sets, by name without ``@``; the others have their defaults."""
    at_options: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """Those of ``places`` that are set with ``@``: Asterisk itself does not see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport(ConfigObject):
    """``type=transport``. Times are in seconds unless said."""

    protocol: Protocol = field(default="udp", metadata=read_by(parse_protocol))
    bind: Address | None = field(default=None, metadata=read_by(parse_bind))
    async_operations: int = field(default=1, metadata=_UINT)
    ca_list_file: str = field(default="", metadata=_FILE)
    ca_list_path: str = field(default="", metadata=_FILE)
    cert_file: str = field(default="", metadata=_FILE)
    priv_key_file: str = field(default="", metadata=_FILE)
    password: str = field(default="", repr=False, metadata=_TEXT)
    external_signaling_address: str = field(default="", metadata=_TEXT)
    external_signaling_port: int = field(default=0, metadata=read_by(int_between(0, 65535)))
    external_signaling_hostname: str = field(default="", metadata=_TEXT)
    external_media_address: str = field(default="", metadata=_TEXT)
    domain: str = field(default="", metadata=_TEXT)
    verify_server: bool = field(default=False, metadata=_BOOL)
    verify_client: bool = field(default=False, metadata=_BOOL)
    require_client_cert: bool = field(default=False, metadata=_BOOL)
    allow_wildcard_certs: bool = field(default=False, metadata=_BOOL)
    method: Method = field(default="unspecified", metadata=read_by(parse_method))
    cipher: tuple[str, ...] = field(default=(), metadata=read_by(parse_ciphers, join=all_of))
    local_net: tuple[str, ...] = field(default=(), metadata=read_by(parse_local_net, join=all_since_empty))
    tos: int = field(default=0, metadata=read_by(parse_tos))
    cos: int = field(default=0, metadata=_UINT)
    tcp_keepalive_enable: bool = field(default=False, metadata=_BOOL_BOTH)
    tcp_keepalive_idle_time: int | None = field(default=30, metadata=_KERNEL_INT)
    """None: ``system``, the kernel's own (likewise the next two)."""
    tcp_keepalive_interval_time: int | None = field(default=1, metadata=_KERNEL_INT)
    """Asterisk's documentation says 10, its code 1."""
    tcp_keepalive_probe_count: int | None = field(default=5, metadata=_KERNEL_INT)
    websocket_write_timeout: int = field(default=100, metadata=read_by(int_between(1, INT32_MAX)))
    """Milliseconds."""
    allow_reload: bool = field(default=False, metadata=_BOOL)
    symmetric_transport: bool = field(default=False, metadata=_BOOL)
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
        """The address to listen on; ``0.0.0.0`` where nothing listens."""
        return self.bind.host if self.bind and self.protocol != "flow" else "0.0.0.0"

    @property
    def bind_port(self) -> int:
        """The port to listen on, 5061 for tls and 5060 otherwise unless said; 0 where nothing listens."""
        if self.bind is None or self.protocol == "flow":
            return 0
        return self.bind.port or (5061 if self.protocol == "tls" else 5060)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aor(ConfigObject):
    """``type=aor``. Times are in seconds."""

    contact: tuple[str, ...] = field(default=(), metadata=read_by(parse_contacts, join=all_of))
    qualify_frequency: int = field(default=0, metadata=_FREQUENCY)
    qualify_timeout: float = field(default=3.0, metadata=read_by(parse_double))
    """0 or less: no timer but the transaction's own."""
    qualify_2xx_only: bool = field(default=False, metadata=_BOOL_BOTH)
    authenticate_qualify: bool = field(default=False, metadata=_BOOL)
    max_contacts: int = field(default=0, metadata=_UINT)
    remove_existing: bool = field(default=False, metadata=_BOOL)
    remove_unavailable: bool = field(default=False, metadata=_BOOL)
    minimum_expiration: int = field(default=60, metadata=_UINT)
    maximum_expiration: int = field(default=7200, metadata=_UINT)
    default_expiration: int = field(default=3600, metadata=_UINT)
    outbound_proxy: str = field(default="", metadata=_TEXT)
    mailboxes: str = field(default="", metadata=_TEXT)
    voicemail_extension: str = field(default="", metadata=_TEXT)
    support_path: bool = field(default=False, metadata=_BOOL)
    qualify_down: int = field(default=1, metadata=read_by(int_between(1, INT32_MAX), spelling=_PJKA))
    """Misses before Unreachable."""
    qualify_up: int = field(default=1, metadata=read_by(int_between(1, INT32_MAX), spelling=_PJKA))
    """Answers before Reachable."""
    remove_unreachable: bool = field(default=False, metadata=read_by(parse_bool, spelling=_PJKA))
    close_wedged: bool = field(default=False, metadata=read_by(parse_bool, spelling=_PJKA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(ConfigObject):
    """``type=endpoint``, as far as pjka has a use for it; all its options are in ``endpoint_options``."""

    transport: str = field(default="", metadata=_TEXT)
    aors: tuple[str, ...] = field(default=(), metadata=_LIST)
    auth: tuple[str, ...] = field(default=(), metadata=_LIST)
    outbound_auth: tuple[str, ...] = field(default=(), metadata=_LIST)
    outbound_proxy: str = field(default="", metadata=_TEXT)
    from_user: str = field(default="", metadata=read_by(parse_user))
    from_domain: str = field(default="", metadata=_TEXT)
    contact_user: str = field(default="", metadata=_TEXT)
    context: str = field(default="default", metadata=_TEXT)
    rewrite_contact: bool = field(default=False, metadata=_BOOL)
    force_rport: bool = field(default=True, metadata=_BOOL)
    allow_unauthenticated_options: bool = field(default=False, metadata=_BOOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth(ConfigObject):
    """``type=auth``. What must stay secret is in no text made of it."""

    auth_type: str = field(default="userpass", metadata=read_by(_parse_auth_type))
    username: str = field(default="", metadata=_TEXT)
    password: str = field(default="", repr=False, metadata=_TEXT)
    md5_cred: tuple[Digest, ...] = field(default=(), repr=False, metadata=_DIGESTS)
    password_digest: tuple[Digest, ...] = field(default=(), repr=False, metadata=_DIGESTS)
    realm: str = field(default="", metadata=_TEXT)
    nonce_lifetime: int = field(default=32, metadata=_UINT)
    refresh_token: str = field(default="", repr=False, metadata=_TEXT)
    oauth_clientid: str = field(default="", metadata=_TEXT)
    oauth_secret: str = field(default="", repr=False, metadata=_TEXT)
    supported_algorithms_uac: tuple[str, ...] = field(default=(), metadata=_ALGORITHMS)
    supported_algorithms_uas: tuple[str, ...] = field(default=(), metadata=_ALGORITHMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(ConfigObject):
    """``type=registration``. Times are in seconds."""

    server_uri: str = field(default="", metadata=_TEXT)
    client_uri: str = field(default="", metadata=_TEXT)
    contact_user: str = field(default="", metadata=_TEXT)
    contact_header_params: str = field(default="", metadata=_TEXT)
    transport: str = field(default="", metadata=_TEXT)
    outbound_proxy: str = field(default="", metadata=_TEXT)
    expiration: int = field(default=3600, metadata=_UINT)
    max_random_initial_delay: int = field(default=10, metadata=_UINT)
    retry_interval: int = field(default=60, metadata=_UINT)
    forbidden_retry_interval: int = field(default=0, metadata=_UINT)
    fatal_retry_interval: int = field(default=0, metadata=_UINT)
    max_retries: int = field(default=10, metadata=_UINT)
    auth_rejection_permanent: bool = field(default=True, metadata=_BOOL)
    outbound_auth: tuple[str, ...] = field(default=(), metadata=_LIST)
    line: bool = field(default=False, metadata=_BOOL)
    endpoint: str = field(default="", metadata=_TEXT)
    support_path: bool = field(default=False, metadata=_BOOL)
    support_outbound: bool = field(default=False, metadata=_BOOL)
    security_negotiation: str = field(default="no", metadata=read_by(_parse_negotiation))
    security_mechanisms: tuple[str, ...] = field(default=(), metadata=_LIST)
    user_agent: str = field(default="", metadata=_TEXT)
    outbound_proxies: tuple[str, ...] = field(
        default=(), metadata=read_by(parse_contacts, join=all_of, spelling=_PJKA)
    )
    """Beside ``outbound_proxy``: one more flow for each (RFC 5626 4.2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(ConfigObject):
    """``type=contact``. Asterisk keeps contacts in its database and never reads them from ``pjsip.conf``."""

    uri: str = field(default="", metadata=_TEXT)
    path: str = field(default="", metadata=_TEXT)
    expiration_time: str = field(default="", metadata=_TEXT)
    qualify_frequency: int = field(default=0, metadata=_FREQUENCY)
    qualify_timeout: float = field(default=3.0, metadata=read_by(parse_double))
    qualify_2xx_only: bool = field(default=False, metadata=_BOOL_BOTH)
    authenticate_qualify: bool = field(default=False, metadata=_BOOL)
    outbound_proxy: str = field(default="", metadata=_TEXT)
    user_agent: str = field(default="", metadata=_TEXT)
    endpoint: str = field(default="", metadata=_TEXT)
    reg_server: str = field(default="", metadata=_TEXT)
    via_addr: str = field(default="", metadata=_TEXT)
    via_port: int = field(default=0, metadata=_UINT)
    call_id: str = field(default="", metadata=_TEXT)
    prune_on_boot: bool = field(default=False, metadata=_BOOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Global(ConfigObject):
    """``type=global``. Times are in seconds.

    The four ``tcp_keepalive`` options are defaults for every tcp and tls transport: one that is in ``places``
    here and not in the transport's own counts there.
    """

    max_forwards: int = field(default=70, metadata=_UINT)
    keep_alive_interval: int = field(default=90, metadata=_UINT)
    """Between two double CRLFs on every reliable connection; 0: none."""
    max_initial_qualify_time: int = field(default=0, metadata=_UINT)
    """0: no cap."""
    user_agent: str | None = field(default=None, metadata=_TEXT)
    """None: Asterisk's own, with its version."""
    default_outbound_endpoint: str = field(default="default_outbound_endpoint", metadata=_TEXT)
    default_from_user: str = field(default="asterisk", metadata=_TEXT)
    default_realm: str = field(default="asterisk", metadata=_TEXT)
    default_voicemail_extension: str = field(default="", metadata=_TEXT)
    contact_expiration_check_interval: int = field(default=30, metadata=_UINT)
    endpoint_identifier_order: tuple[str, ...] = field(
        default=("ip", "username", "anonymous"), metadata=_LIST
    )
    debug: str = field(default="no", metadata=_TEXT)
    regcontext: str = field(default="", metadata=_TEXT)
    disable_multi_domain: bool = field(default=False, metadata=_BOOL)
    unidentified_request_count: int = field(default=5, metadata=_UINT)
    unidentified_request_period: int = field(default=5, metadata=_UINT)
    unidentified_request_prune_interval: int = field(default=30, metadata=_UINT)
    mwi_tps_queue_high: int = field(default=500, metadata=_UINT)
    mwi_tps_queue_low: int = field(default=-1, metadata=_INT)
    mwi_disable_initial_unsolicited: bool = field(default=False, metadata=_BOOL)
    allow_sending_180_after_183: bool = field(default=False, metadata=_BOOL)
    ignore_uri_user_options: bool = field(default=False, metadata=_BOOL)
    use_callerid_contact: bool = field(default=False, metadata=_BOOL)
    send_contact_status_on_update_registration: bool = field(default=False, metadata=_BOOL)
    taskprocessor_overload_trigger: str = field(default="global", metadata=read_by(_parse_overload_trigger))
    norefersub: bool = field(default=True, metadata=_BOOL)
    all_codecs_on_empty_reinvite: bool = field(default=False, metadata=_BOOL)
    default_auth_algorithms_uas: tuple[str, ...] = field(default=("MD5",), metadata=_LIST)
    default_auth_algorithms_uac: tuple[str, ...] = field(default=("MD5",), metadata=_LIST)
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
class System(ConfigObject):
    """``type=system``."""

    timer_t1: int = field(default=500, metadata=_UINT)
    """Milliseconds, at least 100."""
    timer_b: int = field(default=32000, metadata=_UINT)
    """Milliseconds, at least 64 x ``timer_t1``; also how long a new connection may stay without a request."""
    compact_headers: bool = field(default=False, metadata=_BOOL)
    disable_tcp_switch: bool = field(default=True, metadata=_BOOL)
    follow_early_media_fork: bool = field(default=True, metadata=_BOOL)
    accept_multiple_sdp_answers: bool = field(default=False, metadata=_BOOL)
    disable_rport: bool = field(default=False, metadata=_BOOL)
    taskpool_minimum_size: int = field(default=4, metadata=_UINT)
    taskpool_initial_size: int = field(default=4, metadata=_UINT)
    taskpool_auto_increment: int = field(default=1, metadata=_UINT)
    taskpool_idle_timeout: int = field(default=60, metadata=_UINT)
    taskpool_max_size: int = field(default=50, metadata=_UINT)
