"""``pjka show`` and its siblings, against a control server with a thin stub behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from control_support import SCHEMA, WAIT, Stub, connection, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from pjka.cli import main
from pjka.cli.tables import TABLES, duration, lines
from pjka.status import SHOWS, TransportRow

SOCKET_VARIABLE = "PJKA_SOCKET"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e\r\n"


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def path(tmp_path: Path, stub: Stub) -> Iterator[Path]:
    with serving(tmp_path / "control.sock", stub) as server:
        yield server.path


def run(path: Path, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments, env={SOCKET_VARIABLE: str(path)})
    assert result.exit_code == code, result.output
    return result


def validate(definition: str, value: object) -> None:
    schema = {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(value)


# show


@pytest.mark.parametrize("subject", SHOWS)
def test_json_is_as_documented(path: Path, subject: str) -> None:
    answer = json.loads(run(path, "show", subject, "--json").output)
    validate(f"show-{subject}", answer)
    assert answer["rows"]


@pytest.mark.parametrize("subject", [subject for subject in SHOWS if subject != "engine"])
def test_table_has_a_line_for_each_row_under_stable_titles(path: Path, subject: str, stub: Stub) -> None:
    heads, *rest = run(path, "show", subject).output.splitlines()
    assert heads.split() == [column.title for column in TABLES[subject]]
    assert len(rest) == len(stub.shows()[subject])


def test_connections_show_what_an_operator_needs(path: Path) -> None:
    heads, first, second = run(path, "show", "connections").output.splitlines()
    assert " ".join(heads.split()) == (
        "SERIAL TRANSPORT PEER DIR AGE MECHANISM IDLE NEXT-PROBE UNACKED RETRANS RTT(ms) DETECT DRIFT NOTE"
    )
    assert " ".join(first.split()) == "1 phones 198.51.0.1:5060 in 12.5s kernel 1.0s 2.0s 0 0 0.438 8.0s - -"
    assert second.split()[1:4] == ["trunk", "[2001:db8::7]:5061", "out"]


def test_columns_are_aligned_whatever_they_hold() -> None:
    rows = [connection(1, transport="電話"), connection(22, transport="a-much-longer-name")]
    heads, *rest = lines(TABLES["connections"], rows)
    peer = heads.index("PEER")
    assert rest[0].index("198.51") == peer - 2  # two wide characters take four cells
    assert rest[1].index("198.51") == peer
    assert not any(line.endswith(" ") for line in [heads, *rest])


def test_drift_and_note_are_shown_in_words(path: Path, stub: Stub) -> None:
    stub.rows = [connection(3, drift=["idle: wanted 3, found 7200"], state="closing", note="carries a call")]
    line = run(path, "show", "connections").output.splitlines()[1]
    assert line.endswith("idle: wanted 3, found 7200  closing carries a call")


def test_unknown_values_are_dashes_and_never_is_said(path: Path, stub: Stub) -> None:
    stub.rows = [connection(3, idle=None, rtt=None, detection=None, unacknowledged=None)]
    fields = run(path, "show", "connections").output.splitlines()[1].split()
    assert [fields[index] for index in (6, 8, 10, 11)] == ["-", "-", "-", "never"]


def test_udp_has_no_dead_connections_to_detect_where_tcp_never_does() -> None:
    rows = [TransportRow(name, name, "0.0.0.0:5060", "listening", "none") for name in ("udp", "tcp")]
    heads, *shown = (line.split() for line in lines(TABLES["transports"], rows))
    place = heads.index("DETECT-IDLE") - len(heads)
    assert [line[place : place + 2] for line in shown] == [["-", "-"], ["never", "never"]]


def test_engine_is_shown_line_by_line(path: Path) -> None:
    text = run(path, "show", "engine").output
    assert "pjproject        2.17\n" in text
    assert "sockets          12 of 16384\n" in text
    assert "worked around    #5037: a\n                 #5164: b\n" in text


def test_nothing_to_show_is_said(path: Path, stub: Stub) -> None:
    stub.rows = []
    assert run(path, "show", "connections").output == "No connections.\n"


def test_filters_are_passed_on(path: Path) -> None:
    def serials(*filters: str) -> list[int]:
        answer = json.loads(run(path, "show", "connections", "--json", *filters).output)
        return [row["serial"] for row in answer["rows"]]

    assert serials() == [1, 2]
    assert serials("--transport", "ph*") == [1]
    assert serials("--peer", "2001:db8::/32") == [2]
    assert serials("--peer", "198.51.0.1", "--transport", "trunk") == []


def test_wrong_filter_is_a_usage_error(path: Path) -> None:
    assert "argument peer" in run(path, "show", "connections", "--peer", "1/2/3", code=2).stderr
    assert "No such option" in run(path, "show", "aors", "--peer", "x", code=2).stderr


def test_text_from_the_network_is_escaped(path: Path, stub: Stub) -> None:
    stub.rows = [connection(1, note=HOSTILE, transport=HOSTILE)]
    stub.contact_uri = f"sip:{HOSTILE}@x"
    for subject in ("connections", "contacts"):
        text = run(path, "show", subject).output
        assert text.replace("\n", "").isprintable()
        assert len(text.splitlines()) == 2
        assert r"\x1b[2J" in text
        assert run(path, "show", subject, "--json").output.rstrip().isprintable()


@settings(deadline=None)
@given(text=st.text(min_size=1))
def test_any_text_in_a_table_is_one_printable_line(text: str) -> None:
    table = list(lines(TABLES["connections"], [connection(1, peer=text, note=text)]))
    assert len(table) == 2
    assert all(line.isprintable() for line in table)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-1.0, "0.0s"),
        (0.0, "0.0s"),
        (12.54, "12.5s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (187.4, "3m07s"),
        (3599.6, "1h00m"),
        (18720.0, "5h12m"),
        (86399.9, "1d00h"),
        (9 * 86400 + 4 * 3600 + 59, "9d04h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_5000_connections_as_json(path: Path, stub: Stub) -> None:
    stub.rows = [connection(serial) for serial in range(5000)]
    rows = json.loads(run(path, "show", "connections", "--json").output)["rows"]
    assert [row["serial"] for row in rows] == list(range(5000))


# --watch


def test_watch_repeats(path: Path) -> None:
    text = run(path, "show", "connections", "--watch", "--interval", "0.1", "--times", "3").output
    assert text.count("SERIAL") == 3


def test_watch_with_json_prints_a_line_each_time(path: Path) -> None:
    output = run(path, "show", "connections", "--watch", "--json", "--interval", "0.1", "--times", "2").output
    for line in output.splitlines():
        validate("show-connections", json.loads(line))
    assert len(output.splitlines()) == 2


class Terminal:
    """pjka on a terminal of its own."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        environment = {
            **os.environ,
            SOCKET_VARIABLE: str(path),
            "TERM": "xterm",
            "COLUMNS": "200",
            "LINES": "12",
        }
        command = [sys.executable, "-c", "from pjka.cli import main; main()", *arguments]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.text = ""

    def wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + 3 * WAIT
        while not re.search(pattern, self.text):
            assert select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0], self.text
            self.text += os.read(self.master, 65536).decode()

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + WAIT
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode()
                except OSError:
                    break
        return self.process.wait(WAIT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(WAIT)
        os.close(self.master)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_watch_is_live_on_a_terminal_and_ends_with_ctrl_c(
    path: Path, stub: Stub, terminals: list[Terminal]
) -> None:
    stub.rows = [connection(serial, note="\x1b]0;owned\x07") for serial in range(50)]
    terminal = Terminal(path, "show", "connections", "--watch", "--interval", "0.1")
    terminals.append(terminal)
    terminal.wait_for("50 connections")
    terminal.wait_for("and 42 more")
    stub.rows = [connection(7, drift=["idle: wanted 3, found 7200"])]
    terminal.wait_for("1 connections")
    terminal.wait_for("wanted 3, found 7200")
    assert "owned\x07" not in terminal.text
    assert terminal.interrupt() == 0
    assert "Traceback" not in terminal.text


def test_watch_with_json_ends_with_ctrl_c_too(path: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(path, "show", "connections", "--watch", "--json", "--interval", "0.1")
    terminals.append(terminal)
    terminal.wait_for('"serial": 2')
    assert terminal.interrupt() == 0


def test_watch_waits_for_a_daemon_that_went_away(
    tmp_path: Path, stub: Stub, terminals: list[Terminal]
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, stub):
        terminal = Terminal(path, "show", "connections", "--watch", "--interval", "0.1")
        terminals.append(terminal)
        terminal.wait_for("2 connections")
    terminal.wait_for("no pjka answers")
    terminal.text = ""
    with serving(path, stub):
        terminal.wait_for("2 connections")
    assert terminal.interrupt() == 0


# No daemon, or not for us


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "connections"],
        ["show", "engine", "--json"],
        ["events"],
        ["reload"],
        ["kill", "7"],
        ["qualify", "a"],
        ["show", "connections", "--watch"],
    ],
    ids=" ".join,
)
def test_no_daemon_is_exit_2_and_names_the_socket(tmp_path: Path, arguments: list[str]) -> None:
    result = run(tmp_path / "none.sock", *arguments, code=2)
    assert f"no pjka answers at {tmp_path / 'none.sock'}" in result.stderr
    assert result.stdout == ""


def test_socket_option_comes_before_the_environment(path: Path, tmp_path: Path) -> None:
    run(tmp_path / "none.sock", "show", "connections", "--socket", str(path))


@pytest.mark.root
def test_no_permission_is_exit_3(stub: Stub) -> None:
    import tempfile

    with (
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory) / "control.sock", stub) as server,
    ):
        Path(directory).chmod(0o755)
        os.seteuid(65534)
        try:
            assert "not permitted" in run(server.path, "show", "connections", code=3).stderr
        finally:
            os.seteuid(0)


def test_stuck_daemon_is_exit_1(path: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.stuck = True
    assert "the reactor did not answer in time" in run(path, "show", "connections", code=1).stderr


def test_malformed_answer_is_an_error(path: Path, stub: Stub) -> None:
    stub.reload_answer = {"rows": [{"kind": 7}]}
    assert "wrong kind" in run(path, "reload", code=1).stderr
    stub.reload_answer = ["rows"]
    assert "has no rows" in run(path, "reload", code=1).stderr


# reload, kill, qualify


def test_reload_lists_what_changed_and_what_did_not(path: Path, stub: Stub) -> None:
    text = run(path, "reload").output
    assert re.search(
        r"transport +phones +changed +12 +pjsip\.conf:3 +tcp_keepalive_idle_time: 30 -> 10", text
    )
    assert stub.asked == [("reload", {})]


def test_reload_dry_run(path: Path, stub: Stub) -> None:
    validate("reload", json.loads(run(path, "reload", "--dry-run", "--json").output))
    assert stub.asked == [("reload", {"dry_run": True})]


def test_reload_of_something_rejected_is_exit_1(path: Path, stub: Stub) -> None:
    stub.reload_answer["rows"][0]["change"] = "rejected"
    assert "rejected" in run(path, "reload", code=1).output


def test_reload_of_an_unusable_file_names_the_line(path: Path, stub: Stub) -> None:
    stub.reload_answer = None
    assert "pjsip.conf:3: no such value" in run(path, "reload", code=1).stderr


def test_reload_without_a_change_says_so(path: Path, stub: Stub) -> None:
    stub.reload_answer["rows"] = []
    assert run(path, "reload").output == "Nothing changed.\n"


def test_kill(path: Path, stub: Stub) -> None:
    assert run(path, "kill", "1").output == "Closed connection 1: 198.51.0.1:5060 on phones.\n"
    validate("kill", json.loads(run(path, "kill", "2", "--force", "--json").output))
    assert stub.asked == [
        ("kill", {"connection": 1}),
        ("kill", {"connection": 2, "force": True}),
    ]


def test_kill_of_an_unknown_connection(path: Path) -> None:
    assert "no connection 99" in run(path, "kill", "99", code=1).stderr
    assert "Invalid value" in run(path, "kill", "x", code=2).stderr


def test_qualify(path: Path, stub: Stub) -> None:
    assert "Reachable" in run(path, "qualify", "alice").output
    validate("qualify", json.loads(run(path, "qualify", "alice", "--json").output))
    assert stub.asked == [("qualify", {"aor": "alice"})] * 2


def test_qualify_without_an_answer_is_exit_1(path: Path, stub: Stub) -> None:
    stub.contact_status = "Unreachable"
    assert "Unreachable" in run(path, "qualify", "alice", code=1).output


# events


def fire_until_heard(stub: Stub, done: threading.Event) -> None:
    while not done.wait(0.02):
        if stub.events.deliver:
            stub.events.fire(
                "connection-down", serial=7, peer="198.51.0.1:5060", transport="phones", detail=HOSTILE
            )


@pytest.fixture
def firing(path: Path, stub: Stub) -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=fire_until_heard, args=[stub, done])
    thread.start()
    yield
    done.set()
    thread.join(WAIT)


def test_events_as_lines(path: Path, firing: None) -> None:
    text = run(path, "events", "--count", "2").output
    first, second = text.splitlines()
    assert re.fullmatch(
        r"\S+T\S+ connection-down serial=7 peer=198\.51\.0\.1:5060 transport=phones detail=.*", first
    )
    assert first == second
    assert text.replace("\n", "").isprintable()


def test_events_as_json(path: Path, firing: None) -> None:
    line = json.loads(run(path, "events", "--count", "1", "--json").output)
    validate("event", line)
    assert line["event"]["detail"] == HOSTILE


def test_events_filtered_and_for_a_time(path: Path, firing: None) -> None:
    assert run(path, "events", "--transport", "trunk", "--seconds", "0.3").output == ""


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_PJKA_COMPLETE" in result.output
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.output, text=True, check=True, timeout=WAIT)


def complete(path: Path, *words: str) -> list[str]:
    environment = {SOCKET_VARIABLE: str(path), "_PJKA_COMPLETE": "bash_complete"}
    environment |= {"COMP_WORDS": " ".join(["pjka", *words]), "COMP_CWORD": str(len(words))}
    result = CliRunner().invoke(main, env=environment, prog_name="pjka")
    return [line.partition(",")[2] for line in result.output.split()]


def test_completion_of_commands_and_of_what_the_daemon_knows(path: Path, tmp_path: Path) -> None:
    assert complete(path, "show", "co") == ["connections", "contacts"]
    assert complete(path, "show", "connections", "--transport", "p") == ["phones"]
    assert complete(path, "kill", "") == ["1", "2"]
    assert complete(path, "qualify", "a") == ["alice"]
    assert complete(tmp_path / "none.sock", "qualify", "a") == []
