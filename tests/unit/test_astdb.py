"""Contacts from a database like Asterisk's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pjka.pbx.astdb import AstdbError, contacts

ALICE = {
    "uri": "sip:alice@192.0.2.7:40123;transport=tcp",
    "expiration_time": "2000",
    "endpoint": "alice",
    "via_addr": "192.0.2.7",
    "via_port": "40123",
    "user_agent": "phone",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "astdb.sqlite3"
    rows = {
        "/registrar/contact/alice;@0123": json.dumps(ALICE),
        "/registrar/contact/old;@4567": json.dumps({**ALICE, "expiration_time": "999"}),
        "/registrar/contact/broken;@89": "{",
        "/registrar/contact/list;@89": "[]",
        "/registrar/contact/odd;@89": json.dumps(
            {"uri": "sip:odd@192.0.2.9", "via_port": [], "expiration_time": "x"}
        ),
        "/registrar/other/x": json.dumps(ALICE),
        "/pbx/UUID": "1",
    }
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE astdb(key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key))")
        made.executemany("INSERT INTO astdb VALUES(?, ?)", rows.items())
        made.commit()
    return path


def test_contacts_that_have_not_expired(database):
    alice, odd = sorted(contacts(database, now=1000.0), key=lambda one: one.aor)
    assert (alice.aor, alice.uri, alice.endpoint) == ("alice", ALICE["uri"], "alice")
    assert (alice.via_host, alice.via_port, alice.expires) == ("192.0.2.7", 40123, 2000.0)
    assert (odd.aor, odd.via_port, odd.expires) == ("odd", 0, None)


def test_the_database_is_not_changed(database):
    before = database.read_bytes()
    contacts(database, now=1000.0)
    assert database.read_bytes() == before
    assert [entry.name for entry in database.parent.iterdir()] == ["astdb.sqlite3"]


@pytest.mark.parametrize("text", [b"", b"no database" * 100])
def test_a_file_that_is_no_such_database(tmp_path, text):
    path = tmp_path / "astdb.sqlite3"
    path.write_bytes(text)
    with pytest.raises(AstdbError, match="cannot read Asterisk's database"):
        contacts(path, 0.0)


def test_no_file(tmp_path):
    with pytest.raises(AstdbError):
        contacts(tmp_path / "astdb.sqlite3", 0.0)
    assert not [*tmp_path.iterdir()]
