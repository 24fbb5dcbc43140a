"""Which transport a foreign socket belongs to."""

from __future__ import annotations

import pytest

from pjka.attach.assign import NOT_SIP, UNASSIGNED, Assigner, Target, canonical, peers
from pjka.conf.dialect import parse
from pjka.conf.loader import Configuration, objects_of

TEXT = """
[t-tcp]
type=transport
protocol=tcp
bind=192.0.2.1:5060
[t-tls]
type=transport
protocol=tls
bind=0.0.0.0
[t-six]
type=transport
protocol=tcp
bind=[::]:5070
[t-udp]
type=transport
protocol=udp
bind=0.0.0.0:5060
[by-name]
type=endpoint
transport=t-tcp
aors=trunk
outbound_proxy=sip:198.51.100.3\\;lr
[by-kind]
type=endpoint
aors=phone
[trunk]
type=aor
contact=sip:198.51.100.1:5080
contact=sip:gateway.example\\;transport=tcp
[phone]
type=aor
contact=sips:198.51.100.2
contact=sip:198.51.100.4
[registrar]
type=registration
transport=t-tls
client_uri=sip:a@example.org
server_uri=sip:198.51.100.5
[datagrams]
type=registration
transport=t-udp
client_uri=sip:a@example.org
server_uri=sip:198.51.100.6
"""


def configuration(text: str = TEXT) -> Configuration:
    return objects_of(parse(text.encode(), "pjsip.conf"), path="pjsip.conf")


def resolve(host: str) -> list[str]:
    return {"gateway.example": ["198.51.100.7", "2001:db8::7"]}.get(host, [host])


@pytest.fixture
def assigner() -> Assigner:
    made = configuration()
    return Assigner(made.transports, peers(made, [], resolve))


LISTENING = [("192.0.2.1", 5060), ("0.0.0.0", 5061), ("::", 5070), ("0.0.0.0", 5038)]


def test_listeners_go_by_bind_address_and_port(assigner):
    assert assigner.listeners(LISTENING) == {
        ("192.0.2.1", 5060): "t-tcp",
        ("0.0.0.0", 5061): "t-tls",
        ("::", 5070): "t-six",
    }


@pytest.mark.parametrize(
    "address", [("192.0.2.2", 5060), ("0.0.0.0", 5060), ("192.0.2.1", 5061), ("::", 5061)]
)
def test_a_listener_elsewhere_belongs_to_no_transport(assigner, address):
    assert assigner.listeners([address]) == {}


@pytest.mark.parametrize(
    ("host", "found"),
    [("localhost", ["127.0.0.1"]), ("127.1", ["127.0.0.1"]), ("[::1]", ["::1"]), ("nobody.invalid", [])],
)
def test_a_listener_bound_by_name_or_short_form_is_found_where_pjproject_binds_it(host, found):
    made = configuration(f"[t]\ntype=transport\nprotocol=tcp\nbind={host}:5060\n")
    names = {"localhost": ["::1", "127.0.0.1"], "127.1": ["127.0.0.1"], "nobody.invalid": []}
    assigner = Assigner(made.transports, {}, resolve=lambda name: names.get(name, [name]))
    held = [("127.0.0.1", 5060), ("::1", 5060), ("127.0.0.1", 5061)]
    assert assigner.listeners(held) == {(address, 5060): "t" for address in found}


@pytest.mark.parametrize(
    ("local", "transport"),
    [
        (("192.0.2.1", 5060), "t-tcp"),
        (("192.0.2.9", 5061), "t-tls"),
        (("2001:db8::1", 5070), "t-six"),
        (("192.0.2.9", 5070), "t-six"),
    ],
)
def test_what_a_listener_accepted_is_its_transports(assigner, local, transport):
    assigner.listeners(LISTENING)
    found = assigner.connection(local, ("203.0.113.5", 40000))
    assert (found.transport, found.incoming) == (transport, True)


@pytest.mark.parametrize("local", [("192.0.2.2", 5060), ("192.0.2.1", 8088)])
def test_what_no_listener_accepted_is_outgoing(assigner, local):
    assigner.listeners(LISTENING)
    assert assigner.connection(local, ("203.0.113.5", 40000)) == UNASSIGNED


@pytest.mark.parametrize("remote", [("203.0.113.5", 40000), ("198.51.100.1", 5080)])
@pytest.mark.parametrize("default", ["", "t-six"])
def test_what_the_managers_listener_accepted_is_no_sip(remote, default):
    """Whoever the peer is, and whatever takes the outgoing connections that nothing leads to."""
    made = configuration()
    assigner = Assigner(made.transports, peers(made, [], resolve), default)
    assigner.listeners(LISTENING)
    found = assigner.connection(("192.0.2.1", 5038), remote)
    assert found == NOT_SIP
    assert not found.is_sip
    assert UNASSIGNED.is_sip


@pytest.mark.parametrize(
    ("remote", "transport"),
    [
        (("198.51.100.1", 5080), "t-tcp"),
        (("198.51.100.7", 5060), "t-tcp"),
        (("2001:db8::7", 5060), "t-tcp"),
        (("198.51.100.3", 5060), "t-tcp"),
        (("198.51.100.2", 5061), "t-tls"),
        (("198.51.100.5", 5061), "t-tls"),
        (("198.51.100.1", 5060), ""),
        (("198.51.100.4", 5060), ""),
        (("198.51.100.6", 5060), ""),
        (("203.0.113.9", 3306), ""),
    ],
)
def test_outgoing_connections_go_by_their_peer(assigner, remote, transport):
    found = assigner.connection(("192.0.2.1", 50000), remote)
    assert (found.transport, found.incoming) == (transport, False)


def test_a_kind_that_two_transports_have_does_not_decide():
    made = configuration()
    leads = peers(made, [Target("sip:x@203.0.113.1;transport=tcp")], resolve)
    assert ("203.0.113.1", 5060) not in leads
    leads = peers(made, [Target("sip:x@203.0.113.1;transport=tcp", "t-six")], resolve)
    assert leads["203.0.113.1", 5060] == "t-six"


def test_a_default_takes_only_what_nothing_leads_to():
    made = configuration()
    assigner = Assigner(made.transports, peers(made, [], resolve), "t-six")
    assert assigner.connection(("192.0.2.1", 50000), ("198.51.100.2", 5061)).transport == "t-tls"
    assert assigner.connection(("192.0.2.1", 50000), ("203.0.113.9", 9)).transport == "t-six"


@pytest.mark.parametrize("uri", ["", "nonsense", "tel:+123", "sip:", "sip:host:notaport", "http://x"])
def test_what_is_no_sip_uri_leads_nowhere(uri):
    made = configuration("[t]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0\n")
    assert peers(made, [Target(uri, "t")], resolve) == {}


def test_addresses_are_written_as_the_kernel_does():
    assert canonical("2001:DB8:0:0:0:0:0:7") == "2001:db8::7"
    assert canonical("::ffff:192.0.2.7") == "192.0.2.7"
    assert canonical("pbx.example") == "pbx.example"
