"""What a REGISTER does to the bindings of an AOR, row by row; who is let in; what is kept on disk."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from pjka.conf.objects import Auth
from pjka.conf.options import Place
from pjka.conf.sip_values import Digest
from pjka.errors import PjkaError
from pjka.registrar.auth import Doorman, Login, Verdict, logins, stranger
from pjka.registrar.bindings import Binding, Limits, Offer, Origin, Outcome, Why, register
from pjka.registrar.request import BadRequest, ContactField, read, response, with_keep
from pjka.registrar.store import Delete, Put, Store

URN = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff"
ONE = Limits(1)
OUTBOUND = Offer(outbound=True, flow_timer=120)


def text(*lines: str, call_id: str = "c", cseq: int = 1, via: str = "") -> bytes:
    head = [
        "REGISTER sip:pbx.example SIP/2.0",
        "Via: SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bK1;rport" + via,
        "From: <sip:alice@pbx.example>;tag=1",
        "To: <sip:alice@pbx.example>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode()


def contact(user: str = "a", parameters: str = "") -> str:
    return f"Contact: <sip:{user}@10.0.0.5:5060;transport=tcp>{parameters}"


def flow(reg_id: int = 1, urn: str = URN, expires: str = "") -> str:
    return contact(parameters=f';reg-id={reg_id};+sip.instance="<{urn}>"{expires}')


SUPPORTED = "Supported: path, outbound"


def bound(user: str, expires: float = 1000, **more: object) -> Binding:
    uri = f"sip:{user}@10.0.0.5:5060;transport=tcp"
    return replace(Binding(uri, uri, expires, "c", 1), **more)  # type: ignore[arg-type]


def decide(
    data: bytes,
    bindings: tuple[Binding, ...] = (),
    limits: Limits = ONE,
    offer: Offer = OUTBOUND,
    unavailable: frozenset[str] = frozenset(),
) -> Outcome:
    return register(read(data), bindings, limits, offer, Origin("alice"), 0, unavailable)


# --- syntax -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Contact: <sip:a@h>;expires=60", ContactField("sip:a@h", 60)),
        ("m: <sip:a@h;transport=tcp>", ContactField("sip:a@h;transport=tcp")),
        ("Contact: sip:a@h;expires=7", ContactField("sip:a@h", 7)),
        ('Contact: "A, <B>" <sip:a@h>;q=1', ContactField("sip:a@h")),
        ("Contact:\r\n <sip:a@h>", ContactField("sip:a@h")),
        (f'Contact: <sip:a@h>;+SIP.Instance="<{URN}>";REG-ID=2', ContactField("sip:a@h", None, 2, URN)),
        ("Contact: <sip:a@h;gr=urn:uuid:1>", ContactField("sip:a@h;gr=urn:uuid:1")),
    ],
    ids=["expires", "compact", "bare", "comma-in-name", "folded", "outbound-any-case", "verbatim"],
)
def test_contact_is_read(line: str, expected: ContactField) -> None:
    assert read(text(line)).contacts == (expected,)


def test_contacts_in_one_line_and_in_several() -> None:
    request = read(text("Contact: <sip:a@h>, <sip:b@h>", "Contact: <sip:c@h>"))
    assert [each.uri for each in request.contacts] == ["sip:a@h", "sip:b@h", "sip:c@h"]


@pytest.mark.parametrize(
    "line",
    [
        "Contact: <sip:a@h>;expires=x",
        "Contact: <sip:a@h>;reg-id=0",
        "Contact: <sip:a@h>;reg-id=2147483648",
        "Contact: <http://h>",
        "Contact: <sip:a b@h>",
        'Contact: <sip:a@h>;+sip.instance="<a b>"',
        "Expires: -1",
        "garbage",
    ],
)
def test_bad_request(line: str) -> None:
    with pytest.raises(BadRequest):
        read(text(line))


def test_response_has_what_the_request_had_and_where_it_came_from() -> None:
    data = text("Via: SIP/2.0/UDP other", contact())
    answer = response(data, ("192.0.2.1", 99), "200 OK", ("Flow-Timer: 5",), tag="t").decode()
    assert answer.startswith("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bK1")
    assert re.search(r"branch=z9hG4bK1;rport=99;received=192.0.2.1\r\nVia: SIP/2.0/UDP other\r\n", answer)
    assert "To: <sip:alice@pbx.example>;tag=t\r\n" in answer
    assert answer.endswith("CSeq: 1 REGISTER\r\nFlow-Timer: 5\r\nContent-Length: 0\r\n\r\n")


def test_rfc6223_keep_is_seen_and_answered_with_seconds() -> None:
    data = text(contact(), via=";keep")
    assert read(data).keep
    assert b";keep=30\r\n" in with_keep(data, 30)
    assert not read(text(contact(), via=";keep=10")).keep
    assert not read(text(contact(), via=";keeper")).keep


# --- RFC 3261 10.3 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "limits", "expires"),
    [
        ("", Limits(1), 3600),
        (";expires=100", Limits(1), 100),
        (";expires=99999", Limits(1), 7200),
        (";expires=60", Limits(1, minimum=60), 60),
        ("", Limits(1, default=9999, maximum=500), 500),
    ],
    ids=["default", "said", "maximum", "minimum", "default-above-maximum"],
)
def test_asterisk_3_1_expiration(said: str, limits: Limits, expires: int) -> None:
    outcome = decide(text(contact(parameters=said)), limits=limits)
    assert outcome.code == 200
    assert outcome.bindings[0].expires == expires
    assert outcome.lines[0] == f"Contact: <sip:a@10.0.0.5:5060;transport=tcp>;expires={expires}"


def test_expires_header_counts_where_the_contact_says_nothing() -> None:
    outcome = decide(text(contact(), contact("b", ";expires=70"), "Expires: 90"), limits=Limits(2))
    assert [each.expires for each in outcome.bindings] == [90, 70]


def test_interval_too_brief() -> None:
    outcome = decide(text(contact(parameters=";expires=59")))
    assert (outcome.code, outcome.lines, outcome.bindings) == (423, ("Min-Expires: 60",), ())


def test_expires_0_removes_and_is_never_too_brief() -> None:
    outcome = decide(text(contact(parameters=";expires=0"), cseq=2), (bound("a"),))
    assert (outcome.code, outcome.bindings) == (200, ())
    assert outcome.removed == ((bound("a"), Why.REQUEST),)


def test_query_lists_the_bindings_and_changes_nothing() -> None:
    outcome = decide(text(), (bound("a"), bound("gone", expires=0)))
    assert (outcome.code, outcome.put, outcome.removed) == (200, (), ())
    assert outcome.lines[0] == "Contact: <sip:a@10.0.0.5:5060;transport=tcp>;expires=1000"


def test_refresh_keeps_when_it_first_came() -> None:
    outcome = decide(text(contact(), cseq=2), (bound("a", since=-50),))
    assert [(each.since, each.expires, each.cseq) for each in outcome.bindings] == [(-50, 3600, 2)]


@pytest.mark.parametrize("cseq", [0, 1])
def test_rfc3261_10_3_cseq_that_does_not_grow_is_refused(cseq: int) -> None:
    outcome = decide(text(contact(), cseq=cseq), (bound("a"),))
    assert (outcome.code, outcome.bindings) == (500, (bound("a"),))
    assert decide(text(contact(), cseq=cseq, call_id="other"), (bound("a"),)).code == 200


@pytest.mark.parametrize(
    ("lines", "code", "left"),
    [
        (("Contact: *", "Expires: 0"), 200, 0),
        (("Contact: *",), 400, 2),
        (("Contact: *", "Expires: 60"), 400, 2),
        (("Contact: *", "Contact: <sip:a@h>", "Expires: 0"), 400, 2),
    ],
    ids=["all", "no-expires", "not-zero", "beside-another"],
)
def test_wildcard(lines: tuple[str, ...], code: int, left: int) -> None:
    outcome = decide(text(*lines, cseq=2), (bound("a"), bound("b")), Limits(2))
    assert (outcome.code, len(outcome.bindings)) == (code, left)


def test_asterisk_3_1_max_contacts_0_is_no_registrar() -> None:
    assert decide(text(contact()), limits=Limits(0)).code == 403


def test_unknown_extension_required() -> None:
    outcome = decide(text(contact(), "Require: path, gin"))
    assert (outcome.code, outcome.lines) == (420, ("Unsupported: gin",))


@pytest.mark.parametrize(
    ("limits", "unavailable", "code", "left", "why"),
    [
        (Limits(2), (), 403, "ab", None),
        (Limits(2, remove_existing=True), (), 200, "bn", Why.REMOVE_EXISTING),
        (Limits(2, remove_unavailable=True), ("b",), 200, "an", Why.REMOVE_UNAVAILABLE),
        (Limits(2, remove_unavailable=True), (), 403, "ab", None),
        (Limits(2, remove_existing=True, remove_unavailable=True), (), 200, "bn", Why.REMOVE_EXISTING),
        (Limits(2, remove_existing=True, remove_unavailable=True), ("b",), 200, "an", Why.REMOVE_UNAVAILABLE),
        (Limits(3), (), 200, "abn", None),
    ],
    ids=["full", "existing", "unavailable", "none-unavailable", "both-none", "both", "room"],
)
def test_asterisk_3_1_room_for_one_more(
    limits: Limits, unavailable: tuple[str, ...], code: int, left: str, why: Why | None
) -> None:
    gone = frozenset(bound(user).target for user in unavailable)
    outcome = decide(text(contact("n"), cseq=2), (bound("a", 500), bound("b")), limits, unavailable=gone)
    assert outcome.code == code
    assert sorted(each.uri[4] for each in outcome.bindings) == sorted(left)
    assert [reason for _, reason in outcome.removed] == ([why] if why else [])


def test_rewritten_contact_leads_to_the_source_and_is_answered_as_sent() -> None:
    origin = Origin("alice", rewritten="192.0.2.1:40000")
    outcome = register(read(text(contact())), (), Limits(1), OUTBOUND, origin, 0)
    assert outcome.bindings[0].target == "sip:a@192.0.2.1:40000;transport=tcp"
    assert "<sip:a@10.0.0.5:5060;transport=tcp>" in outcome.lines[0]


def test_path_is_kept_and_answered_with_support_path() -> None:
    lines = (contact(), "Path: <sip:edge;lr>", "Supported: path")
    outcome = decide(text(*lines), limits=Limits(1, support_path=True))
    assert outcome.bindings[0].path == ("sip:edge;lr",)
    assert "Path: <sip:edge;lr>" in outcome.lines
    assert decide(text(*lines)).bindings[0].path == ()


# --- RFC 5626 6 ---------------------------------------------------------------------------------------------


def test_r6_flow_timer_and_require_outbound_in_the_answer() -> None:
    outcome = decide(text(flow(), SUPPORTED))
    assert outcome.code == 200
    assert {"Require: outbound", "Flow-Timer: 120"} <= set(outcome.lines)
    assert outcome.flow_timer == 120
    assert outcome.lines[0].endswith(f';+sip.instance="<{URN}>";reg-id=1')


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        ((flow(),), OUTBOUND),
        ((contact(parameters=";reg-id=1"), SUPPORTED), OUTBOUND),
        ((contact(parameters=f';+sip.instance="<{URN}>"'), SUPPORTED), OUTBOUND),
        ((flow(), SUPPORTED), Offer()),
    ],
    ids=["not-offered", "no-instance", "no-reg-id", "transport-without"],
)
def test_rfc5626_6_no_flow_without_all_of_it(lines: tuple[str, ...], offer: Offer) -> None:
    outcome = decide(text(*lines), offer=offer)
    assert outcome.code == 200
    assert not any(line.startswith(("Require", "Flow-Timer")) for line in outcome.lines)
    assert not outcome.bindings[0].flow
    assert outcome.flow_timer is None


def test_r11_draft03_knows_no_flow_timer_and_requires_nothing() -> None:
    outcome = decide(text(flow(), SUPPORTED), offer=Offer(outbound=True, require=False))
    assert outcome.bindings[0].flow
    assert not any(line.startswith(("Require", "Flow-Timer")) for line in outcome.lines)


def test_r9_instance_and_reg_id_are_the_key_whatever_the_contact_is() -> None:
    first = decide(text(flow(), SUPPORTED)).bindings
    moved = text(
        f'Contact: <sip:a@10.9.9.9:1>;reg-id=1;+sip.instance="<{URN}>"', SUPPORTED, call_id="restarted"
    )
    second = decide(moved, first)
    assert [each.uri for each in second.bindings] == ["sip:a@10.9.9.9:1"]
    assert second.removed == ()


def test_r9_each_reg_id_is_a_binding_of_its_own() -> None:
    first = decide(text(flow(1), SUPPORTED), limits=Limits(2)).bindings
    second = decide(text(flow(2), SUPPORTED, call_id="other"), first, Limits(2))
    assert [each.reg_id for each in second.bindings] == [1, 2]
    gone = decide(text(flow(1, expires=";expires=0"), SUPPORTED, cseq=2), second.bindings, Limits(2))
    assert [each.reg_id for each in gone.bindings] == [2]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((flow(1), flow(2), SUPPORTED), 400),
        ((flow(1), contact("b"), SUPPORTED), 400),
        ((flow(1), flow(2, expires=";expires=0"), SUPPORTED), 200),
        ((contact("a"), contact("b")), 200),
    ],
    ids=["two-reg-ids", "one-and-a-plain", "one-is-removed", "none"],
)
def test_rfc5626_6_several_contacts_with_a_reg_id(lines: tuple[str, ...], code: int) -> None:
    assert decide(text(*lines), limits=Limits(3)).code == code


PROXY = "Via: SIP/2.0/TCP 10.0.0.5:9;branch=z9hG4bK0"


@pytest.mark.parametrize(
    ("lines", "code", "is_flow"),
    [
        ((PROXY, flow(), SUPPORTED), 439, False),
        ((PROXY, flow(), SUPPORTED, "Path: <sip:edge;lr;ob>"), 200, True),
        ((PROXY, flow(), SUPPORTED, "Path: <sip:edge;lr>"), 439, False),
        ((PROXY, flow(), SUPPORTED, "Path: <sip:inner;lr>, <sip:edge;lr;ob>"), 200, True),
        ((PROXY, flow()), 200, False),
        ((PROXY, contact(), SUPPORTED), 200, False),
    ],
    ids=["no-path", "ob", "path-without-ob", "first-of-several", "not-offered", "no-reg-id"],
)
def test_rfc5626_6_first_hop_lacks_outbound_support(lines: tuple[str, ...], code: int, is_flow: bool) -> None:
    outcome = decide(text(*lines))
    assert outcome.code == code
    assert any(each.flow for each in outcome.bindings) is is_flow


# --- who is let in ------------------------------------------------------------------------------------------


def auth(**options: object) -> Auth:
    return Auth(
        id="alice", place=Place("f", 1), places={}, username="alice", **{"password": "secret", **options}
    )


def doors(**options: object) -> tuple[Login, ...]:
    return logins([auth(**options)], "asterisk", ("MD5",))


def answer(challenge: str, password: str = "secret", **change: str) -> str:
    """What a phone answers, by RFC 2617 and written down here for its own."""
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.partition("Digest ")[2]))
    said = {
        "username": "alice",
        "uri": "sip:pbx",
        "nc": "00000001",
        "cnonce": "x",
        "qop": "auth",
        **said,
        **change,
    }
    name = {"MD5": "md5", "SHA-256": "sha256"}[said["algorithm"]]

    def h(value: str) -> str:
        return hashlib.new(name, value.encode()).hexdigest()

    first, second = h(f"{said['username']}:{said['realm']}:{password}"), h(f"REGISTER:{said['uri']}")
    middle = (
        ":".join(said[each] for each in ("nonce", "nc", "cnonce", "qop")) if said["qop"] else said["nonce"]
    )
    said["response"] = h(f"{first}:{middle}:{second}")
    if not said["qop"]:
        del said["qop"]
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in said.items() if key != "stale")


def check(given: str, known: tuple[Login, ...], doorman: Doorman, now: float = 1) -> Verdict:
    return doorman.check([given], known, "REGISTER", "sip:pbx", now)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"realm": "home"},
        {"supported_algorithms_uas": ("SHA-256",)},
    ],
    ids=["md5", "realm", "sha-256"],
)
def test_auth_right_password(options: dict[str, object]) -> None:
    doorman, known = Doorman(b"k"), doors(**options)
    challenge = doorman.challenges(known, 0, stale=False)[0]
    assert f'realm="{options.get("realm", "asterisk")}"' in challenge
    assert check(answer(challenge), known, doorman) is Verdict.GRANTED
    assert check(answer(challenge, qop=""), known, doorman) is Verdict.GRANTED
    assert check(answer(challenge, password="wrong"), known, doorman) is Verdict.DENIED


def test_auth_md5_cred() -> None:
    digest = hashlib.md5(b"alice:asterisk:secret").hexdigest()
    doorman, known = Doorman(b"k"), doors(password="", md5_cred=(Digest("MD5", digest),))
    challenge = doorman.challenges(known, 0, stale=False)[0]
    assert check(answer(challenge), known, doorman) is Verdict.GRANTED
    assert check(answer(challenge, password="x"), known, doorman) is Verdict.DENIED


@pytest.mark.parametrize(
    "change", [{"username": "bob"}, {"realm": "other"}, {"uri": "sip:elsewhere"}], ids=str
)
def test_auth_what_does_not_belong_to_the_request_is_denied(change: dict[str, str]) -> None:
    doorman, known = Doorman(b"k"), doors()
    challenge = doorman.challenges(known, 0, stale=False)[0]
    assert check(answer(challenge, **change), known, doorman) is Verdict.DENIED


def test_auth_nonce_grows_stale_and_is_nobody_elses() -> None:
    doorman, known = Doorman(b"k"), doors()
    challenge = doorman.challenges(known, 100, stale=False)[0]
    given = answer(challenge)
    assert check(given, known, doorman, 132) is Verdict.GRANTED
    assert check(answer(challenge, cnonce="y"), known, doorman, 133) is Verdict.STALE
    assert check(given, known, Doorman(b"other"), 101) is Verdict.STALE
    assert "stale=true" in doorman.challenges(known, 133, stale=True)[0]


def test_auth_answer_that_was_overheard_is_of_no_use() -> None:
    doorman, known = Doorman(b"k"), doors()
    challenge = doorman.challenges(known, 0, stale=False)[0]
    assert check(answer(challenge), known, doorman) is Verdict.GRANTED
    assert check(answer(challenge), known, doorman) is Verdict.STALE
    assert check(answer(challenge, nc="00000002"), known, doorman) is Verdict.GRANTED


def test_auth_a_stranger_is_asked_and_never_let_in() -> None:
    doorman, known = Doorman(b"k"), (stranger("asterisk", ("MD5",)),)
    challenge = doorman.challenges(known, 0, stale=False)[0]
    for given in (answer(challenge), answer(challenge, username=""), "Digest", "Basic x", ""):
        assert check(given, known, doorman) is Verdict.DENIED


# --- disk ---------------------------------------------------------------------------------------------------


def written(store: Store, *changes: Put | Delete) -> str:
    problems: SimpleQueue[str] = SimpleQueue()
    store.write(changes, problems.put)
    return problems.get(timeout=10)


def test_store_gives_back_what_was_written(tmp_path: Path) -> None:
    binding = bound(
        "a", flow=True, reg_id=2, instance_id=URN, path=("sip:x",), endpoint="alice", user_agent="p"
    )
    store = Store(tmp_path / "state" / "db")
    assert written(store, Put("alice", binding), Put("alice", bound("b")), Put("bob", bound("a"))) == ""
    assert written(store, Delete("alice", bound("b").key)) == ""
    store.close()
    again = Store(tmp_path / "state" / "db")
    assert again.read(0) == [("alice", binding), ("bob", bound("a"))]
    assert again.read(1000) == []
    again.close()


def test_store_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(PjkaError, match="cannot be kept"):
        Store(path)
    other = tmp_path / "newer"
    with sqlite3.connect(other) as database:
        database.execute("pragma user_version=99")
    database.close()
    with pytest.raises(PjkaError, match="another version"):
        Store(other)


def test_store_says_what_went_wrong(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    with sqlite3.connect(tmp_path / "db") as other:
        other.execute("drop table binding")
    other.close()
    assert "no such table" in written(store, Put("alice", bound("a")))
    store.close()
