"""The status of a contact against the rows of Asterisk's pjsip_options.c."""

from __future__ import annotations

import pytest

from pjka.qualify.contact import Contact, Rules, Status, available, endpoint_online

QUALIFIED = Rules(frequency=60)


@pytest.mark.parametrize(
    ("status", "label", "short"),
    [
        (Status.UNREACHABLE, "Unreachable", "Unavail"),
        (Status.REACHABLE, "Reachable", "Avail"),
        (Status.UNKNOWN, "Unknown", "Unknown"),
        (Status.NON_QUALIFIED, "NonQualified", "NonQual"),
        (Status.REMOVED, "Removed", "Removed"),
    ],
)
def test_asterisk_3_2_labels(status: Status, label: str, short: str) -> None:
    assert status.value == label
    assert status.short == short


def test_asterisk_3_1_defaults_of_an_aor() -> None:
    assert Rules() == Rules(frequency=0, timeout=3.0, only_2xx=False, down=1, up=1)


def test_asterisk_3_2_a_contact_begins_as_nonqualified_even_if_its_aor_is_qualified() -> None:
    assert Contact().status is Status.NON_QUALIFIED


@pytest.mark.parametrize("code", [200, 202, 302, 401, 404, 407, 486, 500, 503, 603])
def test_asterisk_3_5_any_final_response_is_available(code: int) -> None:
    assert Contact().answer(code, 438, QUALIFIED) is Status.REACHABLE


@pytest.mark.parametrize(
    ("code", "status"), [(200, "Reachable"), (299, "Reachable"), (300, "Unreachable"), (404, "Unreachable")]
)
def test_asterisk_3_5_only_2xx_is_available_with_qualify_2xx_only(code: int, status: str) -> None:
    assert Contact().answer(code, 438, Rules(60, only_2xx=True)) == status


def test_asterisk_3_1_one_miss_flips_the_state_by_default() -> None:
    contact = Contact()
    contact.answer(200, 438, QUALIFIED)
    assert contact.miss(QUALIFIED) is Status.UNREACHABLE
    assert contact.answer(200, 438, QUALIFIED) is Status.REACHABLE


def test_qualify_down_misses_in_a_row_before_unreachable() -> None:
    rules, contact = Rules(60, down=3), Contact()
    contact.answer(200, 438, rules)
    assert [contact.miss(rules).short for _ in range(2)] == ["Avail", "Avail"]
    contact.answer(200, 438, rules)
    assert [contact.miss(rules).short for _ in range(3)] == ["Avail", "Avail", "Unavail"]
    assert contact.misses == 3


def test_qualify_up_answers_in_a_row_before_reachable() -> None:
    rules, contact = Rules(60, up=2), Contact()
    assert contact.miss(rules) is Status.UNREACHABLE
    assert contact.answer(200, 438, rules) is Status.UNREACHABLE
    contact.miss(rules)
    assert contact.answer(200, 438, rules) is Status.UNREACHABLE
    assert contact.answer(200, 438, rules) is Status.REACHABLE


def test_hysteresis_leaves_a_new_contact_nonqualified_until_it_is_decided() -> None:
    rules, contact = Rules(60, down=2, up=2), Contact()
    assert contact.answer(200, 438, rules) is Status.NON_QUALIFIED
    assert contact.miss(rules) is Status.NON_QUALIFIED
    assert contact.miss(rules) is Status.UNREACHABLE


def test_a_non_2xx_answer_is_a_miss_for_the_hysteresis_too() -> None:
    rules, contact = Rules(60, only_2xx=True, down=2), Contact()
    contact.answer(200, 438, rules)
    assert contact.answer(503, 438, rules) is Status.REACHABLE
    assert contact.answer(503, 438, rules) is Status.UNREACHABLE


def test_asterisk_3_5_the_round_trip_is_0_unless_reachable() -> None:
    contact = Contact()
    assert contact.round_trip == 0
    contact.answer(200, 438, QUALIFIED)
    assert contact.round_trip == 438
    contact.miss(QUALIFIED)
    assert (contact.round_trip, contact.rtt) == (0, 438)


def test_round_trip_last_min_avg_max_in_microseconds() -> None:
    contact = Contact()
    assert (contact.rtt, contact.rtt_min, contact.rtt_avg, contact.rtt_max) == (0, 0, 0, 0)
    for rtt in (500, 300, 1000):
        contact.answer(200, rtt, QUALIFIED)
    assert (contact.rtt, contact.rtt_min, contact.rtt_avg, contact.rtt_max) == (1000, 300, 600, 1000)


def test_asterisk_3_5_a_late_answer_changes_nothing_and_is_counted() -> None:
    contact = Contact()
    contact.miss(QUALIFIED)
    contact.late_answer()
    assert contact == Contact(status=Status.UNREACHABLE, misses=1, sent=1, late=1)


@pytest.mark.parametrize("results", ["answer", "miss"])
def test_asterisk_3_4_frequency_to_0_makes_every_contact_nonqualified(results: str) -> None:
    contact = Contact()
    contact.answer(200, 438, QUALIFIED) if results == "answer" else contact.miss(QUALIFIED)
    contact.switch_off()
    assert (contact.status, contact.misses, contact.hits) == (Status.NON_QUALIFIED, 0, 0)


def test_asterisk_3_4_frequency_from_0_makes_available_contacts_unreachable() -> None:
    contact = Contact(status=Status.REACHABLE)
    contact.switch_on()
    assert contact.status is Status.UNREACHABLE


def test_asterisk_3_4_frequency_from_0_leaves_a_nonqualified_contact() -> None:
    contact = Contact()
    contact.switch_on()
    assert contact.status is Status.NON_QUALIFIED


def test_switching_on_begins_the_hysteresis_anew() -> None:
    rules, contact = Rules(60, down=2), Contact()
    contact.miss(rules)
    contact.switch_on()
    assert contact.miss(rules) is Status.NON_QUALIFIED


def test_asterisk_3_2_removed_is_the_last_label() -> None:
    contact = Contact()
    contact.answer(200, 438, QUALIFIED)
    contact.remove()
    assert (contact.status, contact.round_trip) == (Status.REMOVED, 0)


def test_asterisk_3_3_a_qualified_aor_counts_its_available_contacts() -> None:
    contacts = [Contact(), Contact(Status.REACHABLE), Contact(Status.UNREACHABLE), Contact(Status.REACHABLE)]
    assert available(contacts, QUALIFIED) == 2
    assert available([Contact()], QUALIFIED) == 0


def test_asterisk_3_3_an_unqualified_aor_counts_all_its_contacts() -> None:
    assert available([Contact(), Contact()], Rules(0)) == 2
    assert available([], Rules(0)) == 0


@pytest.mark.parametrize(("aors", "online"), [([0, 1], True), ([3], True), ([0, 0], False), ([], None)])
def test_asterisk_3_3_an_endpoint_is_online_if_any_of_its_aors_is_available(
    aors: list[int], online: bool | None
) -> None:
    assert endpoint_online(aors) is online
