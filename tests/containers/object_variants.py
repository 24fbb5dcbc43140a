"""Objects of pjsip.conf, made by hand and generated, for all that Asterisk and pjka could disagree on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final


def _pool(values: str) -> list[str]:
    """Values, separated by a bar; one may be empty."""
    return values.split("|")


BOOLEANS = _pool("yes|TRUE|True|y|t|1|on|oN|no|f|0|off|maybe||2|yes ")
INTEGERS = _pool(
    "30|0x10|0X1f|010|-3|+7|-0|0|00|2147483647|-2147483648||abc|08|0x|1.0|1_0|3 s|2147483648|"
    "-2147483649|3000000000|1e3|--1"
)
UNSIGNED = _pool("0|7|+1|0x10|017|4294967295|4294967296|-1|-0||5s|x|99999999999999999999")
DOUBLES = _pool(
    "3.0|1e3|.5|5.|-1.5|0x1p3|inf|-inf|nan|infinity|+.5|0x.8|1e-310|0|1e||3 s|1e400|1,5|INF|0x|--1|"
    "1e-5|2.5e0|NaN"
)
TOS = _pool(
    "184|0xb8|0270|440|-4|3|184 x|CS0|cs3|CS7|EF|ef|AF11|af23|AF43|AF44|AF41|CS8||08|0x|x|lowdelay|"
    "99999999999999999999|+8|0b1|VA|AF01"
)
NETWORKS = _pool(
    "10.0.0.0/8|10.0.0.0/8,192.168.0.0/16|!10.0.0.0/8|10/8|10.0.0.0/255.0.0.0|10.0.0.1|"
    "10.0.0.0/8, 192.168.0.0/16|10.0.0.0/33|10.0.0.0/-1|2001:db8::/32|[2001:db8::]/32|2001:db8::/129|"
    "2001:db8::/ffff::|10.0.0.0/ffff::||host.invalid|10.0.0.0/8,|10.0.0.0/|10.0.0.0/8abc|10.0.0.0/x|"
    "!!10.0.0.0/8|010.0.0.1/8|10.0.0.0:5/8|10.0.0.0/8/9|10.0.0.0/0|::ffff:10.0.0.0/104|10.0.0.0/ 8|"
    "::1|10.0.0.0/8,!10.1.0.0/16|0.0.0.0/0|::/0|10.1.2.3/32"
)
BINDS = _pool(
    "127.0.0.1:{port}|:{port}||127.0.0.1:70000|127.0.0.1:x|127.0.0.1:-1|999.1.1.1:{port}|"
    "1.2.3.4.5:{port}|localhost:{port}|[127.0.0.1|a:b:c|127.0.0.1:0{port}|127.0.0.1: {port}|"
    "127.0.0.1:{port}x|127.1:{port}|0.0.0.0:{port}|127.0.0.1:{port},127.0.0.2|::1::2|[::1|"
    "[::1]:99999"
)
URIS = [
    *[
        "sip:a@127.0.0.1",
        "SIP:a@h",
        "sips:h",
        "<sip:a@h>",
        "tel:1",
        "a@h",
        "sip",
        "sip:",
        "sips:",
        "sip:[::1]",
    ],
    *["sip:a@[::1", "sip:a@[::1]:5060", "sip:" + "h" * 245, "sip:" + "h" * 246, "sip:" + "h" * 255 + ":5060"],
    *[
        "sip:" + "h" * 256 + ":5060",
        "sip:x@h\\;" + "p" * 503,
        "sip:x@h\\;" + "p" * 504,
        '"Bob" <sip:b@h>',
        "<sip:a@h",
    ],
    *[
        "sip:a@h>",
        "sip:a@h?b=c:d",
        "sip:a@h\\;p:5",
        "sip:a@b@c",
        "sip :a@h",
        "sip:a@h,sip:b@h",
        "sip:a@h,,sip:b@h,",
    ],
    *["sip:a@h,sip:a@h", "sip:a@h,tel:1", "", "sip:a@h\\;transport=tcp", "http://h", "sip:a b@h", "sip:h:x"],
]
SERVERS = _pool(
    "sip:127.0.0.1|sip:u@h:5070|<sip:h>|sip:h\\;a=b|SIP:h|sip:h?a=b&c=d|sip:h_h|sip:h:65536|sip:h:|sip:a@b@c|"
    "sip:h h|sips:h|sip:[::1]|sip:h\\;transport=tcp|sip:h\\;transport=UDP|sip:h\\;transport=x|sip:ü|sip:h/x|"
    'sip:h\\;|sip:h\\;a="b"|sip:h?|sip:|tel:1||sip:u:p@h|sip:u:@h|sip:%4@h'
)
PROXIES = _pool("sip:h\\;lr|<sip:h>|tel:1||h|sip:|sip:h sip:x")
PARAMETERS = _pool(
    'a=b|a="x y"|a\\;b=c|a =b|q=0.5|q=x|a="b|=|\\;a|a\\;|a=[::1]|a=<b>|+sip.instance="<urn:x>"'
)
METHODS = _pool("|default|TLSv1|tlsv1_1|tlsv1_2|tlsv1_3|tlsv1.2|sslv2|sslv3|sslv23|unspecified|x")
PROTOCOLS = _pool("udp|TCP|Tls|ws|WSS|flow|sctp||udp ")
USERS = _pool('bob|a b|a@b|ü||a;b|a\\;b|<x|+1-2.3_~%!$&\'()*,=:|a/b|a?b|a#b|"q"')
FILES = _pool("/etc/passwd|/nonexistent||/etc/asterisk/pjsip.conf|/etc/shadow|/etc")
CIPHERS = _pool("AES128-SHA|AES128-SHA,AES256-SHA|aes128-sha|AES128-SHA,AES128-SHA| AES128-SHA ,AES256-SHA|")
PORTS = _pool("0|5060|65535|65536|-1|x||0x13c4")
FREQUENCIES = _pool("0|60|86400|86401|-1|0x10|60s||010")
TEXTS = _pool('|x|two words|a,b|Ünï|"quoted"|a\\;b|0|a=b')
LISTS = _pool("|x|x,y| x , y |x,,y|,x|two words|x,x")
WRITE_TIMEOUTS = _pool("1|0|100|2147483647|2147483648|-1|x")

TYPES: Final = {
    "transport": {
        "tcp_keepalive_enable": BOOLEANS,
        "tcp_keepalive_idle_time": INTEGERS,
        "tcp_keepalive_interval_time": INTEGERS,
        "tcp_keepalive_probe_count": INTEGERS,
        "tos": TOS,
        "cos": UNSIGNED,
        "local_net": NETWORKS,
        "external_signaling_port": PORTS,
        "async_operations": UNSIGNED,
        "verify_server": BOOLEANS,
        "verify_client": BOOLEANS,
        "require_client_cert": BOOLEANS,
        "allow_wildcard_certs": BOOLEANS,
        "allow_reload": BOOLEANS,
        "symmetric_transport": BOOLEANS,
        "websocket_write_timeout": WRITE_TIMEOUTS,
        "domain": TEXTS,
        "password": TEXTS,
        "@tcp_user_timeout": ["auto", "no", "30", "x"],
        "@firewall_timeout": ["300", "x"],
        "@nobody_knows": TEXTS,
    },
    "aor": {
        "contact": URIS,
        "qualify_frequency": FREQUENCIES,
        "qualify_timeout": DOUBLES,
        "qualify_2xx_only": BOOLEANS,
        "authenticate_qualify": BOOLEANS,
        "max_contacts": UNSIGNED,
        "remove_existing": BOOLEANS,
        "remove_unavailable": BOOLEANS,
        "minimum_expiration": UNSIGNED,
        "maximum_expiration": UNSIGNED,
        "default_expiration": UNSIGNED,
        "outbound_proxy": TEXTS,
        "mailboxes": TEXTS,
        "voicemail_extension": TEXTS,
        "support_path": BOOLEANS,
        "@qualify_down": ["2", "x"],
    },
    "auth": {
        "auth_type": ["userpass", "MD5", "digest", "google_oauth", "x", ""],
        "realm": TEXTS,
        "nonce_lifetime": UNSIGNED,
        "md5_cred": ["0" * 32, "123", "", ":" + "0" * 32, "MD5:" + "0" * 32, "x" * 32],
        "password_digest": [
            *["MD5:" + "0" * 32, "md5:" + "0" * 32, "sha-256:" + "0" * 64, "SHA-512-256:" + "0" * 64],
            *["MD5:" + "0" * 31, "SHA-256:" + "0" * 32, "foo:" + "0" * 32, "", "0" * 32],
            "MD5:" + "0" * 32 + ",SHA-256:" + "0" * 64,
        ],
        "supported_algorithms_uas": ["MD5", "sha-256", "MD5,SHA-256", "foo", "", "SHA-512-256"],
        "supported_algorithms_uac": ["MD5", "SHA-256", "MD5,foo", ""],
        "password": ["secret", ""],
    },
    "endpoint": {
        "transport": TEXTS,
        "aors": LISTS,
        "auth": LISTS,
        "outbound_auth": LISTS,
        "outbound_proxy": TEXTS,
        "from_user": USERS,
        "from_domain": TEXTS,
        "contact_user": USERS,
        "rewrite_contact": BOOLEANS,
        "force_rport": BOOLEANS,
        "allow_unauthenticated_options": BOOLEANS,
        "context": TEXTS,
    },
    "registration": {
        "server_uri": SERVERS,
        "client_uri": [uri for uri in SERVERS if "transport" not in uri],
        "outbound_proxy": PROXIES,
        "contact_user": [*USERS, *TEXTS],
        "contact_header_params": [*PARAMETERS, *TEXTS],
        "expiration": UNSIGNED,
        "max_random_initial_delay": UNSIGNED,
        "retry_interval": UNSIGNED,
        "forbidden_retry_interval": UNSIGNED,
        "fatal_retry_interval": UNSIGNED,
        "max_retries": UNSIGNED,
        "auth_rejection_permanent": BOOLEANS,
        "outbound_auth": LISTS,
        "support_path": BOOLEANS,
        "support_outbound": BOOLEANS,
        "security_negotiation": ["no", "mediasec", "MEDIASEC", "x", ""],
        "user_agent": TEXTS,
    },
}
UNKNOWN = _pool("tcp_keepidle|tcp_keepalive|tcp_user_timeout|qualify|nat|keepalive|type2|qualify_down")
_NEEDED: Final = {
    "auth": ["username = u", "password = p"],
    "registration": ["server_uri = sip:127.0.0.1", "client_uri = sip:a@127.0.0.1"],
}


@dataclass
class Variants:
    """A pjsip.conf that grows by one object after the other, each with an id and a port of its own."""

    text: list[str] = field(default_factory=list)
    objects: list[tuple[str, str]] = field(default_factory=list)
    """Type and id, in the order of the file."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, kind: str, *lines: str, header: str = "", typed: bool = True) -> str:
        """Another object of these lines; its id."""
        id = f"{kind[0]}{next(self._numbers)}"
        self.raw(f"[{id}]{header}", *([f"type = {kind}"] if typed else []), *lines)
        self.objects.append((kind, id))
        if kind == "transport":
            self.drain(id)
        return id

    def drain(self, id: str) -> None:
        """Take up what Asterisk leaks of a rejected transport into the next one."""
        self.raw(f"[after-{id}]", "type = transport", "protocol = ws", "bind = 127.0.0.1:1")

    def transport(self, *lines: str, protocol: str = "tcp") -> str:
        """Another transport, on a port of its own; a later line may set another protocol or bind."""
        return self.add("transport", f"protocol = {protocol}", f"bind = 127.0.0.1:{self.port()}", *lines)

    def needed(self, kind: str, *lines: str) -> str:
        """Another object with what its type cannot do without."""
        if kind == "transport":
            return self.transport(*lines)
        return self.add(kind, *_NEEDED.get(kind, []), *lines)

    def raw(self, *lines: str) -> None:
        """Lines as they are, which must not leave anything open."""
        self.text.extend(lines)

    def lines(self, id: str) -> list[str]:
        """What was said of an object, cut where it is long."""
        start = next(n for n, line in enumerate(self.text) if line.startswith(f"[{id}]"))
        rest = self.text[start + 1 :]
        end = next((n for n, line in enumerate(rest) if line.startswith("[")), len(rest))
        return [line[:80] for line in rest[:end]]

    def port(self) -> int:
        """A port that nothing else has."""
        return 20000 + next(self._numbers)

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.text)


def made_by_hand() -> Variants:
    """Every value of the pools alone in an object, and the combinations that have rules of their own."""
    made = Variants()
    # registrations need a transport for their addresses
    made.transport(protocol="udp")
    for kind, options in TYPES.items():
        for name, values in options.items():
            # what all options of a type share is tried on the first of them
            earlier = [other for other in options.values() if other is values]
            few = name != next(n for n, v in options.items() if v is values) and len(earlier) > 1
            for value in values[: 4 if few else None]:
                made.needed(kind, f"{name} = {value}")
    _transports(made)
    _objects(made)
    return made


def _transports(made: Variants) -> None:
    for bind in BINDS:
        made.add("transport", "protocol = tcp", f"bind = {bind.format(port=made.port())}")
    made.add("transport", "protocol = tls", "bind = 127.0.0.1")
    made.add("transport", "protocol = udp", "bind = 127.0.0.2:")
    for protocol in PROTOCOLS:
        made.transport(protocol=protocol)
    for method in METHODS:
        made.transport(f"method = {method}", protocol="udp")
    for name in ("cert_file", "priv_key_file", "ca_list_file", "ca_list_path"):
        for path in FILES:
            made.transport(f"{name} = {path}", protocol="udp")
    made.transport("cert_file = /etc/passwd", "cert_file = ", protocol="udp")
    made.transport("cert_file = /nonexistent", "cert_file = /etc/passwd", protocol="udp")
    for ciphers in [*CIPHERS, ",".join(["AES128-SHA"] * 70)]:
        made.transport(f"cipher = {ciphers}", protocol="udp")
    made.transport("cipher = AES128-SHA", "cipher = AES256-SHA", protocol="udp")
    made.transport("local_net = 10.0.0.0/8", "local_net =", "local_net = 192.168.0.0/16")
    made.transport("local_net = 10.0.0.0/8", "local_net = 192.168.0.0/16")
    made.transport("tcp_keepalive_idle_time = 5", "tcp_keepalive_idle_time = 6")
    made.transport("tcp_keepalive_idle_time = x", "tcp_keepalive_idle_time = 6")
    made.transport("TCP_KeepAlive_Enable = yes", "Tcp_KEEPALIVE_idle_TIME = 9")
    made.transport("tos = AF31", "cos = 3", protocol="ws")
    for line in ("external_signaling_address = 127.0.0.1", "external_media_address = 127.0.0.1"):
        made.transport(line)
    made.add("transport", "protocol = tcp")
    made.add("transport", "protocol = flow")
    made.add("transport", "protocol = ws")
    made.add("transport", "protocol = flow", "external_signaling_address = 127.0.0.1")
    made.add("transport", f"BIND => 127.0.0.1:{made.port()}")
    for name in UNKNOWN:
        made.transport(f"{name} = 1")


def _objects(made: Variants) -> None:
    """What type, id, templates and repetition decide (rows of sorcery)."""
    for name in UNKNOWN:
        made.add("aor", f"{name} = 1")
        made.add("endpoint", f"{name} = 1")
    made.add("aor", "contact = sip:a@h", "contact = sip:b@h", "contact = sip:a@h")
    made.add("aor", "max_contacts = 1", "max_contacts = 2", "MAX_contacts = 3")
    made.add("aor", "TYPE = aor", "max_contacts = 4", typed=False)
    made.add("aor", "Type = Aor", typed=False)
    made.add("aor", "max_contacts = 4", typed=False)
    made.add("aor", "type = endpoint", "max_contacts = 5")
    made.add("aor", "type = ", "max_contacts = 5", typed=False)
    made.add("aor", "max_contacts = 6", "type = aor", typed=False)
    made.raw("[tpl](!)", "type = aor", "max_contacts = 7", "contact = sip:t@h")
    made.add("aor", header="(tpl)", typed=False)
    made.add("aor", "max_contacts = 8", "contact = sip:own@h", header="(tpl)", typed=False)
    made.add("aor", "type = aor", "type = endpoint", header="(TPL)", typed=False)
    made.add("endpoint", header="(tpl)")
    made.raw("[bad](!)", "max_contacts = x")
    made.add("aor", "max_contacts = 9", header="(bad)")
    made.add("aor", "max_contacts = 9", header="(!)")
    one = made.add("aor", "max_contacts = 1")
    made.raw(f"[{one}](+)", "max_contacts = 11", "contact = sip:more@h")
    same = made.add("aor", "nothing = 1")
    made.raw(f"[{same}]", "type = aor", "max_contacts = 12")
    shared = made.add("aor", "max_contacts = 13")
    for kind, line in (("endpoint", f"aors = {shared}"), ("auth", "username = u")):
        made.raw(f"[{shared}]", f"type = {kind}", line, *(["password = p"] if kind == "auth" else []))
        made.objects.append((kind, shared))
    made.add("aor", "mailboxes = a", "mailboxes += ,b")
    made.add("aor", "contact = sip:a@h", "contact += \\;x=1")
    made.add("aor", "max_contacts = 1 ; a comment", ";-- max_contacts = 2 --; max_contacts = 3")
    for lines in (
        ["server_uri = sip:127.0.0.1"],
        ["client_uri = sip:127.0.0.1"],
        ["server_uri = tel:1", "client_uri = sip:a@127.0.0.1"],
        ["server_uri = sip:127.0.0.1", "client_uri = a"],
        ["server_uri = sip:127.0.0.1", "client_uri = sip:a@127.0.0.1", "line = yes"],
        ["server_uri = sip:127.0.0.1", "client_uri = sip:a@127.0.0.1", "endpoint = x"],
        ["server_uri = sip:127.0.0.1", "client_uri = sip:a@127.0.0.1", "line = yes", "endpoint = x"],
    ):
        made.add("registration", *lines)
    for lines in (
        ["password = p"],
        ["username = u", "password = p"],
        ["username = ", "password = p"],
        ["username = u"],
    ):
        made.add("auth", *lines)
    made.add(
        "auth",
        "username = u",
        "auth_type = google_oauth",
        "refresh_token = r",
        "oauth_clientid = c",
        "oauth_secret = s",
    )


def generated(seed: int, number: int) -> Variants:
    """Objects with one to six options each, of which most are valid."""
    chance = random.Random(seed)
    made = Variants()
    made.transport(protocol="udp")
    for _ in range(number):
        kind = chance.choice([*TYPES])
        lines = [_line(chance, TYPES[kind]) for _ in range(chance.randint(1, 6))]
        made.needed(kind, *lines)
    return made


def _line(chance: random.Random, options: dict[str, list[str]]) -> str:
    name = chance.choice([*options])
    value = chance.choice(options[name][: 6 if chance.random() < 0.85 else None])
    if chance.random() < 0.02:
        name = chance.choice(UNKNOWN)
    spelled = "".join(chance.choice([letter, letter.upper()]) for letter in name)
    sign = chance.choice([" = ", "=", " => ", " =", "\t=\t"])
    tail = chance.choice(["", "", " ", " ; why", " ;-- x --;"])
    return f"{spelled if chance.random() < 0.1 else name}{sign}{value}{tail}"
