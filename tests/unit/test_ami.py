"""The manager interface as Asterisk speaks it, in pieces of every size, broken off and made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pjka.pbx.ami import (
    LINE_LIMIT,
    AmiError,
    AmiMessage,
    AmiReader,
    Answer,
    Manager,
    ManagerState,
    encode_action,
)
from pjka.pbx.contacts import contact_of

BANNER = b"Asterisk Call Manager/9.0.0\r\n"
ACCEPTED = b"Response: Success\r\nActionID: 0\r\nMessage: Authentication accepted\r\n\r\n"
REFUSED = b"Response: Error\r\nActionID: 0\r\nMessage: Authentication failed\r\n\r\n"
CONTACTS = (
    b"Response: Success\r\nActionID: 1\r\nEventList: start\r\nMessage: A listing of Contacts follows\r\n\r\n"
    b"Event: ContactList\r\nActionID: 1\r\nObjectType: contact\r\nObjectName: alice;@abc\r\n"
    b"ViaAddr: 192.0.2.7\r\nViaPort: 40123\r\nUri: sip:alice@192.0.2.7:40123;transport=TCP\r\n"
    b"Endpoint: alice\r\nStatus: Reachable\r\nRoundtripUsec: 4312\r\nUserAgent: phone: one\r\n\r\n"
    b"Event: ContactListComplete\r\nActionID: 1\r\nEventList: Complete\r\nListItems: 1\r\n\r\n"
)
STATUS = (
    b"Event: ContactStatus\r\nPrivilege: system,all\r\nURI: sip:bob@192.0.2.8:5060\r\n"
    b"ContactStatus: Unreachable\r\nAOR: bob\r\nEndpointName: bob\r\nRoundtripUsec: 0\r\n\r\n"
)


def ready() -> Manager:
    manager = Manager("pjka", "hush")
    manager.receive(BANNER + ACCEPTED)
    manager.to_send()
    return manager


def test_the_login_follows_the_greeting():
    manager = Manager("pjka", "hush")
    assert manager.to_send() == b""
    assert manager.receive(BANNER) == []
    assert manager.to_send() == (
        b"Action: Login\r\nActionID: 0\r\nUsername: pjka\r\nSecret: hush\r\nEvents: system,command\r\n\r\n"
    )
    assert manager.to_send() == b""
    manager.receive(ACCEPTED)
    assert manager.state is ManagerState.READY


def test_a_wrong_password_is_told():
    manager = Manager("pjka", "hush")
    manager.receive(BANNER + REFUSED)
    assert manager.state is ManagerState.REFUSED
    assert manager.reason == "Authentication failed"


def test_questions_wait_for_the_login():
    manager = Manager("pjka", "hush")
    number = manager.ask("PJSIPShowContacts")
    manager.receive(BANNER)
    assert b"PJSIPShowContacts" not in manager.to_send()
    manager.receive(ACCEPTED)
    assert manager.to_send() == b"Action: PJSIPShowContacts\r\nActionID: %d\r\n\r\n" % number


def test_a_list_is_joined_to_its_question():
    manager = ready()
    manager.ask("PJSIPShowContacts")
    (answer,) = manager.receive(CONTACTS)
    assert isinstance(answer, Answer)
    assert answer.ok
    assert answer.number == 1
    assert [event.event for event in answer.events] == ["ContactList"]


def test_events_that_nobody_asked_for_come_in_between():
    manager = ready()
    manager.ask("PJSIPShowContacts")
    first, rest = CONTACTS.split(b"\r\n\r\n", 1)
    status, answer = manager.receive(first + b"\r\n\r\n" + STATUS + rest)
    assert isinstance(status, AmiMessage)
    assert status.event == "ContactStatus"
    assert isinstance(answer, Answer)
    assert len(answer.events) == 1


def test_an_error_is_an_answer():
    manager = ready()
    number = manager.ask("PJSIPQualify", {"Endpoint": "nobody"})
    (answer,) = manager.receive(
        b"Response: Error\r\nActionID: 1\r\nMessage: Unable to retrieve endpoint\r\n\r\n"
    )
    assert isinstance(answer, Answer)
    assert (answer.number, answer.ok) == (number, False)
    assert answer.response.get("message") == "Unable to retrieve endpoint"


def test_the_output_of_a_command_has_lines_of_its_own():
    manager = ready()
    manager.ask("Command", {"Command": "core show version"})
    (answer,) = manager.receive(
        b"Response: Success\r\nActionID: 1\r\nOutput: Asterisk 22\r\nOutput: built by me\r\nno colon\r\n\r\n"
    )
    assert isinstance(answer, Answer)
    values = [value for name, value in answer.response.fields if name == "Output"]
    assert values == ["Asterisk 22", "built by me", "no colon"]


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\0b", "\r"])
def test_nothing_can_be_smuggled_into_an_action(value):
    with pytest.raises(AmiError):
        encode_action("Login", {"Username": value})
    with pytest.raises(AmiError):
        encode_action(value)


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\r\n"])
def test_something_else_on_that_port_is_recognised(greeting):
    with pytest.raises(AmiError, match="greeting"):
        AmiReader().feed(greeting)


def test_an_endless_line_is_refused():
    reader = AmiReader()
    reader.feed(BANNER)
    with pytest.raises(AmiError, match="a line of more than"):
        reader.feed(b"x" * (LINE_LIMIT + 1))


def test_an_endless_message_is_refused():
    reader = AmiReader()
    with pytest.raises(AmiError, match="a message of more than"):
        reader.feed(BANNER + b"A: b\r\n" * 2000)


@given(st.lists(st.integers(1, 40), max_size=60))
def test_the_size_of_the_pieces_makes_no_difference(sizes):
    stream = BANNER + ACCEPTED + CONTACTS + STATUS
    manager = Manager("pjka", "hush")
    manager.ask("PJSIPShowContacts")
    told = []
    for size in sizes:
        told += manager.receive(stream[:size])
        stream = stream[size:]
    told += manager.receive(stream)
    whole = ready()
    whole.ask("PJSIPShowContacts")
    assert told == whole.receive(CONTACTS + STATUS)


@given(st.binary(max_size=2000))
def test_garbage_is_an_error_or_nothing(data):
    manager = ready()
    try:
        told = manager.receive(data)
    except AmiError:
        return
    assert all(isinstance(one, AmiMessage) for one in told)


def test_the_contact_of_a_list():
    manager = ready()
    manager.ask("PJSIPShowContacts")
    (answer,) = manager.receive(CONTACTS)
    assert isinstance(answer, Answer)
    contact = contact_of(answer.events[0])
    assert contact
    assert (contact.aor, contact.endpoint, contact.status) == ("alice", "alice", "Reachable")
    assert (contact.via_host, contact.via_port, contact.rtt) == ("192.0.2.7", 40123, 0.004312)
    assert contact.uri == "sip:alice@192.0.2.7:40123;transport=TCP"
    assert contact.user_agent == "phone: one"


def test_the_contact_of_a_status_event():
    (status,) = ready().receive(STATUS)
    assert isinstance(status, AmiMessage)
    contact = contact_of(status)
    assert contact
    assert (contact.aor, contact.status, contact.rtt, contact.via_port) == ("bob", "Unreachable", None, 0)


def test_other_events_are_no_contacts():
    assert contact_of(AmiMessage((("Event", "PeerStatus"),))) is None


def test_the_secret_is_in_no_text_of_the_session():
    assert "hush" not in repr(ready())
