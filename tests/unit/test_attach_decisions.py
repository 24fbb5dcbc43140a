"""Causes of death, and contacts joined to connections: what `attach` decides without touching anything."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pjka.attach.contacts import Contacts, addresses_of
from pjka.attach.deaths import cause_of
from pjka.linux.tcp_info import TcpInfo, TcpState
from pjka.pbx.contacts import PbxContact
from pjka.status import Cause


def info(**more: int) -> TcpInfo:
    names = TcpInfo.__dataclass_fields__
    return TcpInfo(**dict.fromkeys(names, 0) | {"state": TcpState.CLOSE} | more)


UP = TcpState.ESTABLISHED


@pytest.mark.parametrize(
    ("last", "account", "after", "incoming", "cause"),
    [
        (UP, info(probes=5), None, True, Cause.KEEPALIVE),
        (UP, info(retransmits=4, bytes_sent=30), None, True, Cause.USER_TIMEOUT),
        (UP, info(bytes_acked=1), TcpState.TIME_WAIT, True, Cause.CLOSED),
        (UP, info(bytes_acked=1), TcpState.FIN_WAIT2, True, Cause.CLOSED),
        (UP, info(bytes_acked=1, bytes_received=1), None, True, Cause.PEER_CLOSED),
        (UP, info(bytes_acked=3, bytes_sent=2, bytes_received=11), None, True, Cause.PEER_CLOSED),
        (UP, info(bytes_acked=2, bytes_sent=2, bytes_received=10), None, True, Cause.RESET),
        (UP, info(bytes_acked=3, bytes_sent=4, bytes_retransmitted=2), None, True, Cause.PEER_CLOSED),
        (UP, info(), None, True, Cause.RESET),
        (UP, info(bytes_acked=1), None, False, Cause.RESET),
        (UP, info(bytes_acked=2), None, False, Cause.PEER_CLOSED),
        (TcpState.SYN_SENT, info(retransmits=6), None, False, Cause.CONNECT_FAILED),
    ],
)
def test_the_kernels_last_account_tells_the_cause(last, account, after, incoming, cause):
    assert cause_of(last, account, after, incoming=incoming) is cause


def contact(status: str = "Reachable", **more) -> PbxContact:
    members = {"aor": "alice", "uri": "sip:alice@10.0.0.1:5080;transport=tcp", "endpoint": "alice"}
    return PbxContact(**members | {"status": status} | more)


def aors(**more):
    values = {"close_wedged": True, "remove_unreachable": False, "qualify_down": 1, "qualify_frequency": 30}
    return {"alice": SimpleNamespace(**values | more)}


def test_a_contact_is_where_it_registered_from_or_where_its_uri_says():
    behind_nat = contact(via_host="203.0.113.5", via_port=40000)
    assert addresses_of(behind_nat) == {("203.0.113.5", 40000), ("10.0.0.1", 5080)}
    assert addresses_of(contact(uri="sips:a@192.0.2.1")) == {("192.0.2.1", 5061)}
    assert addresses_of(contact(uri="sip:a@[2001:DB8::1]")) == {("2001:db8::1", 5060)}
    assert addresses_of(contact(uri="broken")) == set()


def test_a_status_event_keeps_what_only_the_list_tells():
    contacts = Contacts()
    contacts.replace([contact(via_host="203.0.113.5", via_port=40000, user_agent="phone")], frozenset(), 0.0)
    contacts.update(contact("Unreachable"), 1.0)
    (one,) = contacts.at(("203.0.113.5", 40000))
    assert (one.status, one.user_agent) == ("Unreachable", "phone")


def test_a_removed_contact_is_forgotten():
    contacts = Contacts()
    contacts.replace([contact("Unreachable")], frozenset(), 0.0)
    contacts.update(contact("Removed"), 1.0)
    assert [*contacts] == []
    assert contacts.given_up(aors(), 99.0) == []


def test_calls_are_known_by_endpoint():
    contacts = Contacts()
    contacts.replace([contact()], frozenset({"alice"}), 0.0)
    assert contacts.carries_call(("10.0.0.1", 5080))
    assert not contacts.carries_call(("10.0.0.2", 5080))


def test_an_unreachable_contact_is_given_up_only_where_its_aor_says_so():
    contacts = Contacts()
    contacts.replace([contact("Unreachable")], frozenset(), 0.0)
    assert [one.aor for one, _ in contacts.given_up(aors(), 0.0)] == ["alice"]
    assert contacts.given_up(aors(close_wedged=False), 99.0) == []
    assert len(contacts.given_up(aors(close_wedged=False, remove_unreachable=True), 0.0)) == 1
    assert contacts.given_up({}, 99.0) == []


def test_qualify_down_is_counted_in_time():
    contacts = Contacts()
    contacts.update(contact("Unreachable"), 10.0)
    contacts.update(contact("Unreachable"), 40.0)
    assert contacts.given_up(aors(qualify_down=3), 69.9) == []
    assert len(contacts.given_up(aors(qualify_down=3), 70.0)) == 1
    contacts.update(contact("Reachable"), 71.0)
    assert contacts.given_up(aors(qualify_down=3), 200.0) == []


def test_a_contact_that_was_dealt_with_must_be_reachable_before_it_counts_again():
    contacts = Contacts()
    contacts.update(contact("Unreachable"), 0.0)
    ((one, _),) = contacts.given_up(aors(), 0.0)
    contacts.dealt_with(one)
    assert contacts.given_up(aors(), 100.0) == []
