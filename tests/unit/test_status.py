"""The rows: to JSON and back, their wrong forms, and the schema that documents them."""

from __future__ import annotations

import json
import math
import typing
from importlib import resources

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pjka import status
from pjka.status import SHOWS, Cause, ConnectionRow, EngineRow, Row, StatusError

SCHEMA = json.loads(resources.files("pjka").joinpath("schemas/control.json").read_text())
DEFINITIONS = {
    status.TransportRow: "transport",
    status.ConnectionRow: "connection",
    status.DeathRow: "death",
    status.ContactRow: "contact",
    status.AorRow: "aor",
    status.EndpointRow: "endpoint",
    status.FlowRow: "flow",
    status.EngineRow: "engine",
    status.ChangeRow: "change",
}
ROWS = sorted(DEFINITIONS, key=lambda row: row.__name__)


def validator(definition: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


def rows(kind: type[Row]) -> st.SearchStrategy[Row]:
    """Rows with every field drawn from its type, and from the schema's enumeration where it has one."""
    properties = SCHEMA["$defs"][DEFINITIONS[kind]]["properties"]
    hints = typing.get_type_hints(kind)
    drawn = {
        name: st.sampled_from(properties[name]["enum"]) if "enum" in properties[name] else st.from_type(hint)
        for name, hint in hints.items()
    }
    return st.builds(kind, **drawn)


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_row_survives_json_and_satisfies_the_schema(kind: type[Row], data: st.DataObject) -> None:
    row = data.draw(
        rows(kind).filter(lambda row: row.to_json() == {n: getattr(row, n) for n in row.to_json()})
    )
    text = json.dumps(row.to_json(), allow_nan=False)
    validator(DEFINITIONS[kind]).validate(json.loads(text))
    assert kind.from_json(json.loads(text)) == row


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)
def test_schema_names_every_field_in_order_and_no_other(kind: type[Row]) -> None:
    definition = SCHEMA["$defs"][DEFINITIONS[kind]]
    assert list(definition["properties"]) == list(typing.get_type_hints(kind))
    assert definition["required"] == list(definition["properties"])


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_schema_lists_every_cause_of_death() -> None:
    assert SCHEMA["$defs"]["death"]["properties"]["cause"]["enum"] == list(Cause)


def test_schema_has_an_answer_for_every_subject() -> None:
    for subject, row in SHOWS.items():
        items = SCHEMA["$defs"][f"show-{subject}"]["properties"]["rows"]["items"]
        assert items == {"$ref": f"#/$defs/{DEFINITIONS[row]}"}


CONNECTION = ConnectionRow(
    7, "phones", "tcp", "incoming", "192.0.2.1:5060", "192.0.2.7:49152", "established", 3.5, "kernel"
)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_number_that_json_lacks_becomes_null(number: float) -> None:
    row = EngineRow("run", "0.1.0", 1, 1.0, "pjsip.conf", reactor_delay=number)
    assert row.to_json()["reactor_delay"] is None


def test_unknown_member_of_a_newer_daemon_is_left_out() -> None:
    assert ConnectionRow.from_json(CONNECTION.to_json() | {"colour": "red"}) == CONNECTION


def test_missing_member_of_an_older_daemon_takes_its_default() -> None:
    members = CONNECTION.to_json()
    del members["rtt"]
    assert ConnectionRow.from_json(members) == CONNECTION


def test_missing_required_member_is_named() -> None:
    members = CONNECTION.to_json()
    del members["peer"]
    with pytest.raises(StatusError, match="a ConnectionRow without peer") as caught:
        ConnectionRow.from_json(members)
    assert caught.value.option == "peer"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serial", True),
        ("serial", "7"),
        ("age", "old"),
        ("drift", [1]),
        ("drift", "x"),
        ("peer", None),
        ("rtt", []),
    ],
)
def test_wrong_type_is_named(name: str, value: object) -> None:
    with pytest.raises(StatusError, match=f"wrong {name}") as caught:
        ConnectionRow.from_json(CONNECTION.to_json() | {name: value})
    assert caught.value.option == name
    assert caught.value.expected


def test_whole_number_serves_as_seconds() -> None:
    row = ConnectionRow.from_json(CONNECTION.to_json() | {"age": 3})
    assert row.age == 3.0
    assert isinstance(row.age, float)
