"""The command `pjka check`: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from check_support import KERNEL, PHONE, QUIET, TCP
from click.testing import CliRunner, Result

import pjka
from pjka.cli import main

DEFECTS = Path(__file__).parent / "data" / "defects" / "pjsip.conf"
SAMPLE = Path(__file__).parents[2] / "conf" / "pjsip.conf"
SCHEMA = json.loads((Path(pjka.__file__).parent / "schemas" / "check.json").read_text())


def check(*arguments: str | Path, columns: int | None = None) -> Result:
    environment = {"COLUMNS": str(columns) if columns else None}
    return CliRunner().invoke(main, ["check", *map(str, arguments)], env=environment)


def members(*arguments: str | Path) -> dict[str, object]:
    result = check(*arguments, "--json")
    found: dict[str, object] = json.loads(result.stdout)
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pjsip.conf"
    path.write_text(QUIET + KERNEL + PHONE)
    return path


# exit codes


def test_a_clean_file_ends_with_0() -> None:
    result = check(SAMPLE)
    assert result.exit_code == 0
    assert result.stdout.endswith("Nothing found.\n")


def test_a_notice_alone_ends_with_0(file: Path) -> None:
    file.write_text(QUIET + KERNEL + PHONE + "qualify_frequency=60\n")
    result = check(file)
    assert "notice: aor p" in result.stdout
    assert result.exit_code == 0


def test_a_warning_ends_with_1(file: Path) -> None:
    file.write_text(KERNEL)
    assert check(file).exit_code == 1


@pytest.mark.parametrize("text", ["[t\n", "a=b\n", "#include nothing.conf\n"])
@pytest.mark.parametrize("flag", [(), ("--fix",), ("--json",)], ids=str)
def test_an_unusable_file_ends_with_2(file: Path, text: str, flag: tuple[str, ...]) -> None:
    file.write_text(text)
    result = check(file, *flag)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {file}:1: ") or "--json" in flag


def test_a_missing_file_ends_with_2(tmp_path: Path) -> None:
    result = check(tmp_path / "none.conf")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.conf: cannot be read: No such file" in result.stderr


def test_the_file_of_asterisk_is_the_default() -> None:
    assert "/etc/asterisk/pjsip.conf" in check("--json").stdout


@pytest.mark.parametrize(
    "arguments", [("--asterisk", "foo"), ("--platform", "beos"), ("--write",)], ids=lambda part: part[0]
)
def test_wrong_arguments_end_with_2(file: Path, arguments: tuple[str, ...]) -> None:
    assert check(file, *arguments).exit_code == 2


# tables


def test_the_tables_say_what_each_transport_and_aor_amounts_to(file: Path) -> None:
    file.write_text(QUIET + KERNEL + PHONE + "qualify_frequency=300\n")
    lines = [re.split("  +", line.strip()) for line in check(file).stdout.splitlines()]
    assert lines[0][:4] == ["TRANSPORT", "BIND", "MECHANISM", "KEEP-ALIVE"]
    assert lines[1] == [
        "t",
        "tcp 127.0.0.1:5060",
        "kernel",
        "idle 30 s, 5 probes every 10 s, user timeout 80 s",
        *("1m20s", "1m20s", "5m03s", "17m12s", "12480"),
    ]
    assert ["p", "5m00s", "3.0s", "no", "1/1", "t", "5m03s", "24"] in lines


def test_system_timers_are_kept_and_shown(file: Path) -> None:
    file.write_text(f"{QUIET}{TCP}@tcp_keepalive_enable=yes\n@tcp_keepalive_idle_time=system\n")
    idle = Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text().strip()
    assert f"idle {idle} s (system), 5 probes every 1 s" in check(file).stdout


def test_many_aors_are_one_line(file: Path) -> None:
    phones = "".join(f"[{number}]\ntype=aor\n" for number in range(6000, 7000))
    file.write_text(phones)
    result = check(file)
    assert "6000 and 999 more" in result.stdout
    assert len(result.stdout.splitlines()) < 10


def test_a_file_without_transports(file: Path) -> None:
    file.write_text("[p]\ntype=aor\n")
    assert check(file).stdout.startswith("There is no transport.")


def test_piped_output_is_plain_and_its_places_are_whole() -> None:
    command = [sys.executable, "-c", "from pjka.cli import main; main()", "check", str(DEFECTS)]
    output = subprocess.run(command, capture_output=True, check=False, timeout=60).stdout
    assert b"\x1b" not in output
    assert f"{DEFECTS}:5: warning: ".encode() in output


@pytest.mark.parametrize("columns", [20, 40, 80, 109, 110, 200])
def test_nothing_is_cut_on_any_width(columns: int) -> None:
    output = check(DEFECTS, columns=columns).stdout
    assert "…" not in output
    for finding in json.loads(check(DEFECTS, "--json").stdout)["findings"]:
        assert f"{finding['file']}:{finding['line']}: {finding['severity']}: {finding['message']}" in output


def test_a_narrow_terminal_gets_lines_for_a_table(file: Path) -> None:
    lines = check(file, columns=40).stdout.splitlines()
    assert lines[:3] == ["TRANSPORT   t", "BIND        tcp 127.0.0.1:5060", "MECHANISM   kernel"]


def test_text_that_steers_a_terminal_is_escaped(file: Path) -> None:
    file.write_text("[\x1b[31mt]\ntype=transport\nbind=127.0.0.1\n\x1b]0;x\x07=1\n[\u202e]\ntype=aor\n")
    result = check(file)
    assert "\\x1b[31mt" in result.stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", result.stdout)


def test_a_file_name_that_is_no_utf_8_is_printed(tmp_path: Path) -> None:
    name = str(tmp_path) + "/\udcff.conf"
    Path(name).write_bytes(b"[t]\ntype=transport\n[\xff]\ntype=aor\nx=1\n")
    command = [sys.executable, "-c", "from pjka.cli import main; main()", "check", name]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"\\udcff.conf:1: error: transport t: bind is not set" in ended.stdout
    as_json = subprocess.run([*command, "--json"], capture_output=True, check=False, timeout=60)
    jsonschema.validate(json.loads(as_json.stdout), SCHEMA)


def test_a_terminal_without_unicode_gets_escapes(file: Path) -> None:
    file.write_text("[caf\u00e9]\ntype=aor\nx=1\n")
    command = [sys.executable, "-c", "from pjka.cli import main; main()", "check", str(file)]
    ended = subprocess.run(
        command, capture_output=True, check=False, timeout=60, env={"PYTHONIOENCODING": "ascii"}
    )
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"aor caf\\xe9: unknown option" in ended.stdout


# JSON


@pytest.mark.parametrize(
    "arguments",
    [(), ("--asterisk", "16.28"), ("--external-pjproject",), ("--fix",), ("--platform", "windows")],
    ids=str,
)
@pytest.mark.parametrize("path", [SAMPLE, DEFECTS], ids=["sample", "defects"])
def test_json_is_as_its_schema_says(path: Path, arguments: tuple[str, ...]) -> None:
    assert members(path, *arguments)["usable"] is True


def test_json_of_an_unusable_file(file: Path) -> None:
    file.write_text("\n[t\n")
    assert members(file)["error"] == {
        "message": "the name of the section has no closing bracket",
        "file": str(file),
        "line": 2,
    }


def test_the_schema_is_strict() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = members(SAMPLE)
    for wrong in ({**found, "extra": 1}, {**found, "clean": "yes"}, {**found, "usable": False}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_json_has_never_and_null_for_times(file: Path) -> None:
    file.write_text(KERNEL.replace("tcp\n", "udp\n"))
    (transport,) = members(file, "--platform", "freebsd")["transports"]  # type: ignore[misc]
    assert transport["detection"] == {"idle": "never", "busy": None, "wedged": "never", "alone": None}


# platforms


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "sysctl -w net.ipv4.tcp_keepalive_time=30"),
        ("freebsd", "sysctl net.inet.tcp.keepidle=30000"),
        ("macos", "sysctl -w net.inet.tcp.keepintvl=10000"),
        ("solaris", "ndd -set /dev/tcp tcp_keepalive_interval 30000"),
        ("illumos", "ndd -set /dev/tcp tcp_keepalive_abort_interval 50000"),
        ("windows", "/v KeepAliveTime /t REG_DWORD /d 30000 /f"),
    ],
)
def test_k3_to_k5_commands_and_the_systems_own_timers(file: Path, platform: str, command: str) -> None:
    output = check(file, "--platform", platform).stdout
    assert command in output
    assert "As it is: idle 7200 s" in output
    assert "Sockets of t: SO_KEEPALIVE=1" in output


def test_windows_system_wide_has_10_probes(file: Path) -> None:
    (transport,) = members(file, "--platform", "windows")["transports"]  # type: ignore[misc]
    assert transport["detection"]["idle"] == 80
    assert transport["system_wide"]["detection"] == 30 + 10 * 10


# secrets


def test_secrets_are_never_printed(file: Path) -> None:
    file.write_text(
        f"""{KERNEL}password=hunter2
[a]
type=auth
username=a
password=hunter2
md5_cred=hunter2
[b]
type=auth
username=b
md5_cred=hunter2
[p]
type=aor
contact=sip:me:hunter2@192.0.2.1,sip:me:hunter2@192.0.2.1
[r]
type=registration
server_uri=sip:me:hunter2@[bad
client_uri=sip:me:hunter2@pbx
password => hunter2
"""
    )
    for arguments in ((), ("--json",), ("--fix",), ("--fix", "--json"), ("--asterisk", "16.28", "--fix")):
        result = check(file, *arguments)
        assert result.exit_code == 1
        assert "hunter2" not in result.output


# --codes


def test_codes_lists_every_code_of_a_finding() -> None:
    listed = {line.split()[0] for line in check("--codes").stdout.splitlines()}
    assert {finding["code"] for finding in members(DEFECTS)["findings"]} <= listed  # type: ignore[attr-defined]
    assert len(listed) > 60
