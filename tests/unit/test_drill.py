"""What `pjka drill` tries and predicts, and how it ends; nothing is cut here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

import pjka
from pjka.cli import drill as command
from pjka.cli import main
from pjka.conf.loader import load
from pjka.drill import Drill
from pjka.drill_attempt import Outcome
from pjka.drill_plan import Beat, Case, Condition, cases, scaled, shorter
from pjka.keepalive.platforms import LINUX
from pjka.keepalive.policy import NEVER
from pjka.lab import LabDeniedError

SCHEMA = json.loads((Path(pjka.__file__).parent / "schemas" / "drill.json").read_text())
SAMPLE = Path(__file__).parents[2] / "conf" / "pjsip.conf"
TCP = "[t]\ntype=transport\nprotocol=tcp\nbind=192.0.2.1\n"
KERNEL = (
    "tcp_keepalive_enable=yes\ntcp_keepalive_idle_time=30\ntcp_keepalive_interval_time=10\n"
    "tcp_keepalive_probe_count=5\n"
)
QUIET = "[global]\ntype=global\nkeep_alive_interval=0\n"

Plan = Callable[..., dict[Condition, Case]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """The cases of the one transport in a configuration's text."""

    def work_out(text: str, scale: float = 1) -> dict[Condition, Case]:
        path = tmp_path / "pjsip.conf"
        path.write_text(text)
        return {case.condition: case for case in cases(scaled(load(path), scale), LINUX)}

    return work_out


# what is tried and predicted


def test_idle_and_busy_are_tried_and_a_firewall_where_one_is_configured(plan: Plan) -> None:
    assert list(plan(TCP + KERNEL)) == [Condition.IDLE, Condition.BUSY]
    assert list(plan(TCP + KERNEL + "@firewall_timeout=60\n")) == list(Condition)


def test_only_tcp_and_tls_are_tried(plan: Plan) -> None:
    assert plan(TCP.replace("tcp", "udp")) == {}
    assert plan(TCP.replace("tcp", "ws")) == {}


def test_predictions_are_those_of_the_policy(plan: Plan) -> None:
    found = plan(TCP + KERNEL)
    assert found[Condition.IDLE].predicted == 80
    assert found[Condition.BUSY].predicted == pytest.approx(80, abs=1)
    assert {option.symbol: option.value for option in found[Condition.IDLE].options} == {
        "SO_KEEPALIVE": 1,
        "TCP_KEEPIDLE": 30,
        "TCP_KEEPINTVL": 10,
        "TCP_KEEPCNT": 5,
        "TCP_USER_TIMEOUT": 80_000,
    }


@pytest.mark.parametrize(
    ("text", "beat", "idle"),
    [
        (QUIET + TCP + KERNEL, None, 80),
        (TCP + "@tcp_user_timeout=50\n", Beat(90), 140.5),
        (QUIET + TCP + "@keepalive=outbound\n@flow_timer=60\n@pong_timeout=7\n", Beat(60, 7.0), 67),
        (QUIET + TCP, None, NEVER),
    ],
    ids=["kernel", "crlf", "outbound", "nothing"],
)
def test_what_the_pbx_writes_itself(plan: Plan, text: str, beat: Beat | None, idle: float) -> None:
    case = plan(text)[Condition.IDLE]
    assert (case.beat, case.predicted) == (beat, idle)


@pytest.mark.parametrize(("firewall", "outlives"), [(31, True), (30, False), (5, False)])
def test_a_connection_outlives_a_firewall_that_remembers_for_longer_than_its_pauses(
    plan: Plan, firewall: int, outlives: bool
) -> None:
    case = plan(TCP + KERNEL + f"@firewall_timeout={firewall}\n")[Condition.FIREWALL]
    assert (case.firewall, case.outlives) == (firewall, outlives)


def test_nothing_outlives_a_firewall_without_keepalive(plan: Plan) -> None:
    assert not plan(QUIET + TCP + "@firewall_timeout=9\n")[Condition.FIREWALL].outlives


# the scale


@pytest.mark.parametrize(
    ("seconds", "scale", "short"), [(30, 10, 3), (300, 10, 30), (4, 10, 1), (36, 10, 4), (7, 1, 7)]
)
def test_a_scaled_time_is_whole_seconds_and_at_least_one(seconds: int, scale: int, short: int) -> None:
    assert shorter(seconds, scale) == short


def test_the_prediction_is_that_of_the_scaled_values(plan: Plan) -> None:
    """30/1/5 become 3/1/5, which is 8 s and not 3.5."""
    quick = KERNEL.replace("interval_time=10", "interval_time=1")
    found = plan(TCP + quick + "@firewall_timeout=200\n", 10)
    assert found[Condition.IDLE].predicted == 8
    assert found[Condition.BUSY].predicted == 8.5
    assert found[Condition.FIREWALL].firewall == 20


def test_everything_that_takes_time_is_scaled(plan: Plan) -> None:
    assert plan(TCP + KERNEL + "@tcp_user_timeout=500\n", 10)[Condition.BUSY].predicted == 50.5
    assert plan("[global]\ntype=global\nkeep_alive_interval=50\n" + TCP, 10)[Condition.IDLE].beat == Beat(5)
    outbound = TCP + "@keepalive=outbound\n@flow_timer=battery\n@pong_timeout=20\n"
    assert plan(outbound, 10)[Condition.IDLE].beat == Beat(84, 2)
    contact = (
        "[p]\ntype=endpoint\ntransport=t\naors=p\n[p]\ntype=aor\ncontact=sip:192.0.2.9\\;transport=tcp\n"
    )
    qualify = QUIET + TCP + contact + "qualify_frequency=600\nqualify_timeout=0\n@qualify_down=2\n"
    assert plan(qualify, 10)[Condition.IDLE].beat == Beat(60, 3.0, 2)


def test_a_scale_of_one_changes_nothing() -> None:
    configuration = load(SAMPLE)
    assert scaled(configuration, 1) is configuration


# the verdict


CASE = Case("t", "tcp", Condition.IDLE, (), None, 10.0)


@pytest.mark.parametrize(
    ("predicted", "measured", "right"),
    [
        (10.0, 10.99, True),
        (10.0, 11.01, False),
        (10.0, 8.9, False),
        (100.0, 104.9, True),
        (100.0, 105.1, False),
        (10.0, None, False),
        (NEVER, None, True),
        (NEVER, 10.0, False),
    ],
)
def test_a_prediction_is_right_within_a_second_or_5_percent(
    predicted: float, measured: float | None, right: bool
) -> None:
    assert Outcome(replace(CASE, predicted=predicted), measured).right is right


@pytest.mark.parametrize("outlives", [True, False])
def test_a_firewall_is_right_if_the_connection_fares_as_predicted(outlives: bool) -> None:
    case = replace(CASE, condition=Condition.FIREWALL, firewall=5, outlives=outlives)
    assert Outcome(case, outlived=outlives).right
    assert not Outcome(case, outlived=not outlives).right


def test_what_could_not_be_tried_is_not_right() -> None:
    assert not Outcome(replace(CASE, predicted=NEVER), problem="no space").right


# the command


def drill(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, ["drill", *map(str, arguments)])


@pytest.fixture
def come_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the laboratory by outcomes."""

    def prepared(outcomes: tuple[Outcome, ...], beyond: tuple[Case, ...] = ()) -> None:
        @contextmanager
        def running(_: Drill, began: Callable[[Case], object]) -> Iterator[Iterator[Outcome]]:
            yield (began(each.case) or each for each in outcomes)

        planned = Drill(tuple(each.case for each in outcomes), beyond, {})
        monkeypatch.setattr(command.os, "geteuid", lambda: 0)
        monkeypatch.setattr(command, "prepare", lambda *_: planned)
        monkeypatch.setattr(command, "running", running)

    return prepared


FIREWALL = replace(CASE, condition=Condition.FIREWALL, firewall=30)


def test_all_as_predicted_ends_with_0(come_to: Callable[..., None]) -> None:
    come_to((Outcome(CASE, 10.2, 10.2), Outcome(FIREWALL, waited=33.0, outlived=True)))
    result = drill(SAMPLE)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == ["t", "tcp", "idle", "10.0", "s", "10.20", "s", "as", "predicted"]
    assert lines[2][-4:] == ["survives", "survives", "as", "predicted"]


def test_a_wrong_prediction_ends_with_1_and_says_by_how_much(come_to: Callable[..., None]) -> None:
    come_to((Outcome(CASE, 12.5, 12.5), Outcome(FIREWALL, waited=33.0, outlived=True)))
    result = drill(SAMPLE)
    assert result.exit_code == 1
    assert "WRONG by more than 1.0 s" in result.stdout
    assert "1 of 2 as predicted" in result.stdout


def test_json_follows_its_schema(come_to: Callable[..., None]) -> None:
    endless = replace(CASE, condition=Condition.BUSY, predicted=NEVER)
    outcomes = (
        Outcome(CASE, 10.2, 10.2),
        Outcome(endless, None, 20.0),
        Outcome(FIREWALL, waited=33.0, outlived=False),
        Outcome(replace(CASE, transport="u"), problem="no space"),
    )
    come_to(outcomes, (replace(CASE, transport="slow", predicted=7875.0),))
    result = drill(SAMPLE, "--json", "--scale", "10")
    found = json.loads(result.stdout)
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    assert [one["right"] for one in found["drills"]] == [True, True, False, False]
    assert [one["predicted"] for one in found["drills"]] == [10.0, "never", None, 10.0]
    assert [one["transport"] for one in found["left_out"]] == ["slow"]
    assert (found["right"], found["scale"], result.exit_code) == (False, 10, 1)


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.os, "geteuid", lambda: 1000)
    result = drill(SAMPLE)
    assert result.exit_code == 3
    assert "needs root" in result.output


def test_root_without_capabilities_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> Drill:
        raise LabDeniedError("ip netns add: Operation not permitted")

    monkeypatch.setattr(command.os, "geteuid", lambda: 0)
    monkeypatch.setattr(command, "prepare", denied)
    result = drill(SAMPLE)
    assert result.exit_code == 3
    assert "CAP_SYS_ADMIN" in result.output


def test_a_file_that_cannot_be_used_ends_with_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command.os, "geteuid", lambda: 0)
    assert drill(tmp_path / "none").exit_code == 2
