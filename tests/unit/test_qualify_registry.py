"""What reload, registration and results change."""

from __future__ import annotations

from random import Random

import pytest

from pjka.qualify.contact import Rules, Status
from pjka.qualify.registry import AorSettings, Change, ContactChange, EndpointChange, Registered, Registry

A = "sip:alice@192.0.2.1"
B = "sip:bob@192.0.2.2;transport=tcp"


def aor(frequency: int = 60, contacts: tuple[str, ...] = (A,), **rules: object) -> AorSettings:
    return AorSettings(Rules(frequency, **rules), contacts, ("ep",))  # type: ignore[arg-type]


def load(registry: Registry, now: float = 0, **aors: AorSettings) -> list[Change]:
    return registry.load(aors, {"ep": tuple(aors)}, 0, now)


def labels(changes: list[Change]) -> list[str]:
    """``alice Reachable`` and ``ep online``, in order."""
    return [
        f"{change.uri[4:].partition('@')[0]} {change.status}"
        if isinstance(change, ContactChange)
        else f"{change.endpoint} {'online' if change.online else 'offline'}"
        for change in changes
    ]


@pytest.fixture
def registry() -> Registry:
    return Registry(Random(1))


def test_asterisk_3_6_no_event_for_permanent_contacts_at_the_first_load(registry: Registry) -> None:
    assert load(registry, a=aor()) == []
    assert registry.online("ep") is False


def test_asterisk_3_6_the_first_event_is_the_first_result(registry: Registry) -> None:
    load(registry, a=aor())
    assert labels(registry.answer(("a", A), 200, 438)) == ["alice Reachable", "ep online"]


def test_asterisk_3_6_a_change_only_when_the_status_differs(registry: Registry) -> None:
    load(registry, a=aor())
    registry.answer(("a", A), 200, 438)
    assert registry.answer(("a", A), 200, 500) == []
    assert labels(registry.miss(("a", A))) == ["alice Unreachable", "ep offline"]
    assert registry.miss(("a", A)) == []


def test_asterisk_3_5_every_record_is_updated_though_the_status_is_the_same(registry: Registry) -> None:
    load(registry, a=aor())
    registry.answer(("a", A), 200, 438)
    registry.answer(("a", A), 200, 500)
    contact = registry.contact(("a", A))
    assert contact is not None
    assert contact.rtt == 500


def test_asterisk_3_3_an_endpoint_is_online_while_one_contact_of_one_aor_is(registry: Registry) -> None:
    load(registry, a=aor(), b=aor(contacts=(B,)))
    assert labels(registry.answer(("a", A), 200, 1)) == ["alice Reachable", "ep online"]
    assert labels(registry.answer(("b", B), 200, 1)) == ["bob Reachable"]
    assert labels(registry.miss(("a", A))) == ["alice Unreachable"]
    assert labels(registry.miss(("b", B))) == ["bob Unreachable", "ep offline"]


def test_asterisk_3_3_an_unqualified_aor_is_available_while_it_has_a_contact(registry: Registry) -> None:
    assert labels(load(registry, a=aor(0))) == ["ep online"]
    assert labels(load(registry, a=aor(0, ()))) == ["alice Removed", "ep offline"]


def test_asterisk_3_3_an_endpoint_without_aors_is_not_judged(registry: Registry) -> None:
    registry.load({}, {"ep": ()}, 0, 0)
    assert registry.online("ep") is None


def test_an_endpoint_whose_aor_does_not_exist_is_offline(registry: Registry) -> None:
    registry.load({}, {"ep": ("missing",)}, 0, 0)
    assert registry.online("ep") is False


def test_asterisk_3_4_frequency_to_0_makes_contacts_nonqualified_and_the_endpoint_online(
    registry: Registry,
) -> None:
    load(registry, a=aor(contacts=(A, B)))
    registry.miss(("a", A))
    registry.miss(("a", B))
    assert labels(load(registry, a=aor(0, (A, B)))) == ["alice NonQualified", "bob NonQualified", "ep online"]
    assert registry.aors["a"].available == 2
    assert registry.schedule.next_timer() is None


def test_asterisk_3_4_frequency_from_0_makes_the_endpoint_unreachable_before_the_first_options(
    registry: Registry,
) -> None:
    load(registry, a=aor(0))
    assert labels(load(registry, 100, a=aor(60))) == ["ep offline"]
    contact = registry.contact(("a", A))
    assert contact is not None
    assert contact.status is Status.NON_QUALIFIED
    assert 100 < (registry.schedule.next_timer() or 0) <= 160


def test_asterisk_3_4_another_frequency_keeps_the_statuses_and_reschedules(registry: Registry) -> None:
    load(registry, a=aor(60))
    registry.answer(("a", A), 200, 1)
    assert load(registry, 100, a=aor(10)) == []
    assert registry.aors["a"].available == 1
    assert 100 < (registry.schedule.next_timer() or 0) <= 110


def test_asterisk_3_4_other_rules_are_taken_silently_at_the_next_result(registry: Registry) -> None:
    load(registry, a=aor())
    due = registry.schedule.next_timer()
    registry.answer(("a", A), 404, 1)
    assert load(registry, 5, a=aor(only_2xx=True)) == []
    assert registry.schedule.next_timer() == due
    assert labels(registry.answer(("a", A), 404, 1)) == ["alice Unreachable", "ep offline"]


def test_asterisk_3_4_every_contact_removed_by_a_reload_is_cleaned(registry: Registry) -> None:
    load(registry, a=aor(contacts=(A, B, "sip:carol@192.0.2.3")))
    assert labels(load(registry, a=aor(contacts=(B,)))) == ["alice Removed", "carol Removed"]
    assert len(registry.schedule) == 1


def test_an_aor_removed_by_a_reload_takes_its_contacts_along(registry: Registry) -> None:
    load(registry, a=aor(), b=aor(contacts=(B,)))
    registry.answer(("a", A), 200, 1)
    assert labels(load(registry, b=aor(contacts=(B,)))) == ["alice Removed", "ep offline"]
    assert registry.contact(("a", A)) is None


def test_an_unchanged_reload_changes_nothing(registry: Registry) -> None:
    load(registry, a=aor(contacts=(A, B)), b=aor(0))
    registry.answer(("a", A), 200, 1)
    due = registry.schedule.next_timer()
    assert load(registry, 30, a=aor(contacts=(A, B)), b=aor(0)) == []
    assert registry.schedule.next_timer() == due


def test_asterisk_3_4_a_first_contact_that_appears_on_reload_gets_a_random_moment(registry: Registry) -> None:
    load(registry, a=aor(contacts=()))
    load(registry, 100, a=aor())
    assert 100.001 < (registry.schedule.next_timer() or 0) <= 160


def test_asterisk_3_4_a_registered_contact_is_qualified_at_once(registry: Registry) -> None:
    load(registry, a=aor(contacts=()))
    changes = registry.register(("a", A), Registered("ep", 3600), 10)
    assert labels(changes) == ["alice NonQualified"]
    assert registry.schedule.next_timer() == pytest.approx(10.001)


def test_asterisk_3_9_a_refresh_changes_nothing_but_the_registration(registry: Registry) -> None:
    load(registry, a=aor(contacts=()))
    registry.register(("a", A), Registered("ep", 3600), 10)
    registry.schedule.handle_timer(11, 1)
    due = registry.schedule.next_timer()
    assert registry.register(("a", A), Registered("ep", 7200), 20) == []
    assert registry.schedule.next_timer() == due
    assert registry.aors["a"].registered[A].expires == 7200


def test_an_unregistered_contact_is_removed_and_its_endpoint_goes_offline(registry: Registry) -> None:
    load(registry, a=aor(contacts=()))
    registry.register(("a", A), Registered(), 0)
    registry.answer(("a", A), 200, 1)
    assert labels(registry.unregister(("a", A))) == ["alice Removed", "ep offline"]
    assert registry.schedule.next_timer() is None
    assert registry.unregister(("a", A)) == []


def test_a_permanent_contact_survives_the_end_of_a_registration_of_the_same_uri(registry: Registry) -> None:
    load(registry, a=aor())
    registry.register(("a", A), Registered(), 0)
    assert registry.unregister(("a", A)) == []
    assert registry.contact(("a", A)) is not None


def test_a_registered_contact_survives_a_reload(registry: Registry) -> None:
    load(registry, a=aor(contacts=()))
    registry.register(("a", B), Registered(), 0)
    assert load(registry, a=aor()) == []
    assert set(registry.aors["a"].contacts) == {A, B}


def test_a_registration_for_an_unknown_aor_is_left_alone(registry: Registry) -> None:
    assert registry.register(("nobody", A), Registered(), 0) == []
    assert registry.unregister(("nobody", A)) == []


def test_asterisk_3_9_registrations_that_have_run_out_are_removed(registry: Registry) -> None:
    load(registry, a=aor(contacts=()))
    for uri, expires in ((A, 60.0), (B, 61.0), ("sip:c@192.0.2.3", None)):
        registry.register(("a", uri), Registered("ep", expires), 0)
    assert registry.expire(59) == []
    assert labels(registry.expire(60)) == ["alice Removed"]
    assert labels(registry.expire(1000)) == ["bob Removed"]
    assert len(registry.schedule) == 1


def test_asterisk_3_5_the_registering_endpoint_counts_else_the_lowest_id(registry: Registry) -> None:
    registry.load({"a": AorSettings(Rules(60), (A,), ("z", "m"))}, {"z": ("a",), "m": ("a",)}, 0, 0)
    registry.register(("a", B), Registered("z"), 0)
    assert registry.aors["a"].endpoint_of(A) == "m"
    assert registry.aors["a"].endpoint_of(B) == "z"


def test_asterisk_3_5_an_aor_without_endpoint_is_qualified_by_nobody(registry: Registry) -> None:
    registry.load({"a": AorSettings(Rules(60), (A,))}, {}, 0, 0)
    assert registry.aors["a"].endpoint_of(A) is None


@pytest.mark.parametrize("gone", ["contact", "aor", "frequency"])
def test_asterisk_3_5_a_result_is_discarded_if_what_it_was_for_is_gone(registry: Registry, gone: str) -> None:
    load(registry, a=aor())
    after = {"contact": {"a": aor(contacts=())}, "aor": {}, "frequency": {"a": aor(0)}}[gone]
    load(registry, **after)
    assert registry.answer(("a", A), 200, 1) == []
    assert registry.miss(("a", A)) == []


def test_asterisk_3_6_log_lines() -> None:
    assert (
        str(ContactChange("peer", A, Status.REACHABLE, 438, ()))
        == f"Contact peer/{A} is now Reachable.  RTT: 0.438 msec"
    )
    assert (
        str(ContactChange("peer", A, Status.UNREACHABLE, 0, ()))
        == f"Contact peer/{A} is now Unreachable.  RTT: 0.000 msec"
    )
    assert (
        str(ContactChange("peer", A, Status.NON_QUALIFIED, 0, ())) == f"Contact peer/{A} is now NonQualified."
    )
    assert str(ContactChange("peer", A, Status.REMOVED, 0, ())) == f"Contact peer/{A} has been deleted"
    assert str(EndpointChange("ep", True)) == "Endpoint ep is now Reachable"
    assert str(EndpointChange("ep", False)) == "Endpoint ep is now Unreachable"


def test_asterisk_3_6_one_contactstatus_event_for_each_endpoint() -> None:
    events = ContactChange("peer", A, Status.REACHABLE, 438, ("m", "z")).events()
    assert events[1] == {
        "URI": A,
        "ContactStatus": "Reachable",
        "AOR": "peer",
        "EndpointName": "z",
        "RoundtripUsec": "438",
    }
    assert [event["EndpointName"] for event in events] == ["m", "z"]


def test_asterisk_3_6_peerstatus_event() -> None:
    assert EndpointChange("ep", False).events() == [
        {"ChannelType": "PJSIP", "Peer": "PJSIP/ep", "PeerStatus": "Unreachable"}
    ]


def test_max_initial_qualify_time_of_the_configuration_limits_the_first_moment(registry: Registry) -> None:
    registry.load({"a": aor(6000)}, {"ep": ("a",)}, 5, 0)
    assert (registry.schedule.next_timer() or 9) <= 5
