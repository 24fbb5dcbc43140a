"""`pjka check --fix`: what is cured, what is left alone, and that nothing else of a file changes."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from check_support import KERNEL, PHONE, QUIET, TCP
from click.testing import CliRunner, Result

from pjka.check import Surroundings, Version, check
from pjka.cli import main
from pjka.conf.loader import load
from pjka.fix import FixError, crlf_off, cure, difference
from pjka.rewrite import Change, rewrite

PLAIN = Surroundings()
ASTERISK_16 = Surroundings(version=Version(16, 28))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pjsip.conf"


def cured(path: Path, surroundings: Surroundings = PLAIN) -> str:
    """The main file as it would be."""
    changes = {change.file: change.after.decode() for change in cure(str(path), surroundings).changes}
    return changes.get(str(path), path.read_text())


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


# what is cured


def test_crlf_beside_tcp_keepalive_is_set_to_0(file: Path) -> None:
    file.write_text("[global]\ntype=global\nkeep_alive_interval = 30 ; s\n" + KERNEL)
    assert cured(file) == file.read_text().replace("= 30 ; s", "= 0 ; s")
    assert cure(str(file), PLAIN).after.findings == ()


def test_crlf_beside_tcp_keepalive_gets_its_line_in_an_existing_global(file: Path) -> None:
    file.write_text("; head\n[global] ; all\ntype=global\n" + KERNEL)
    assert cured(file) == file.read_text().replace("; all\n", "; all\nkeep_alive_interval=0\n")


def test_crlf_beside_tcp_keepalive_gets_a_section_where_there_is_none(file: Path) -> None:
    file.write_text(KERNEL)
    assert cured(file) == KERNEL + "\n[global]\ntype=global\nkeep_alive_interval=0\n"


@pytest.mark.parametrize("protocol", ["tcp", "ws", "flow"])
def test_crlf_stays_where_a_transport_has_nothing_else(file: Path, protocol: str) -> None:
    file.write_text(f"{KERNEL}[u]\ntype=transport\nbind=127.0.0.1\nprotocol={protocol}\n")
    assert cured(file) == file.read_text()


@pytest.mark.parametrize("setting", ["no", "200"])
def test_a_user_timeout_that_is_off_or_too_long_becomes_auto(file: Path, setting: str) -> None:
    file.write_text(f"{QUIET}{KERNEL}@tcp_user_timeout={setting}\n{PHONE}qualify_frequency=300\n")
    assert cured(file) == file.read_text().replace(f"timeout={setting}", "timeout=auto")


def test_a_qualify_timeout_beyond_the_transaction_is_cut_to_what_is_in_force(file: Path) -> None:
    file.write_text("[p]\ntype=aor\nqualify_frequency=300\nqualify_timeout=90\n")
    assert cured(file) == file.read_text().replace("=90", "=32")


def test_options_without_effect_become_comments(file: Path) -> None:
    options = "tcp_keepalive_enable=yes ; why\n@tcp_user_timeout=5\n"
    file.write_text(TCP.replace("tcp", "udp") + options)
    assert (
        cured(file) == TCP.replace("tcp", "udp") + ";tcp_keepalive_enable=yes ; why\n;@tcp_user_timeout=5\n"
    )


def test_a_line_with_two_findings_is_edited_once(file: Path) -> None:
    file.write_text(TCP.replace("tcp", "udp") + "tcp_keepalive_enable=yes\n")
    expected = TCP.replace("tcp", "udp") + ";tcp_keepalive_enable=yes\n"
    assert cured(file) == expected
    assert cured(file, ASTERISK_16).removeprefix(TCP.replace("tcp", "udp")) in (
        ";tcp_keepalive_enable=yes\n",
        ";@tcp_keepalive_enable=yes\n",
    )


def test_options_of_a_template_stay_though_one_transport_has_no_use_for_them(file: Path) -> None:
    file.write_text(
        f"{QUIET}[k](!)\ntcp_keepalive_idle_time=30\n{TCP.replace('[t]', '[t](k)').replace('tcp', 'udp')}"
    )
    assert cured(file) == file.read_text()


def test_names_that_never_existed_are_corrected(file: Path) -> None:
    file.write_text(f"{QUIET}{TCP}tcp_keepalive=yes\ntcp_keepidle = 40\ntcp_keepintvl=10\ntcp_keepcnt=3\n")
    (transport,) = cure(str(file), PLAIN).after.transports
    assert (transport.timers.idle, transport.timers.interval, transport.timers.probes) == (40, 10, 3)  # type: ignore[union-attr]
    assert "tcp_keepalive_idle_time = 40\n" in cured(file)


def test_names_of_pjka_get_their_at(file: Path) -> None:
    file.write_text(f"{QUIET}{KERNEL}firewall_timeout=300\n")
    assert cured(file) == file.read_text().replace("firewall", "@firewall")


def test_names_unknown_to_the_release_get_their_at(file: Path) -> None:
    file.write_text(f"{QUIET}{KERNEL}{PHONE}qualify_2xx_only=yes\nqualify_frequency=300\n")
    expected = file.read_text().replace("tcp_k", "@tcp_k").replace("qualify_2xx", "@qualify_2xx")
    assert cured(file, ASTERISK_16) == expected
    assert cured(file) == file.read_text()


def test_one_cure_leads_to_the_next(file: Path) -> None:
    file.write_text(f"{TCP}tcp_keepalive=yes\n")
    assert cured(file, ASTERISK_16).endswith(
        "@tcp_keepalive_enable=yes\n\n[global]\ntype=global\nkeep_alive_interval=0\n"
    )


def test_a_clean_file_has_no_changes(file: Path) -> None:
    file.write_text(QUIET + KERNEL)
    assert cure(str(file), PLAIN).changes == ()


# where it is cured


def test_the_edit_lands_in_the_included_file_that_has_the_line(file: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "template.conf").write_bytes(b"[k](!)\r\n; caf\xe9\r\n@tcp_user_timeout=200\r\n")
    (tmp_path / "transports.conf").write_text(
        "#include deep/template.conf\n" + KERNEL.replace("[t]", "[t](k)")
    )
    file.write_text(QUIET + "#include transports.conf\n")
    (change,) = cure(str(file), PLAIN).changes
    assert change.file == str(tmp_path / "deep" / "template.conf")
    assert change.after == change.before.replace(b"200", b"auto")


def test_a_template_is_edited_once_for_all_its_objects(file: Path) -> None:
    phones = "".join(f"[{number}](p)\n" for number in range(5))
    file.write_text(f"[p](!)\ntype=aor\nqualify_frequency=300\nqualify_timeout=90\n{phones}")
    assert cured(file) == file.read_text().replace("=90", "=32")


def test_global_defaults_are_edited_in_global(file: Path) -> None:
    file.write_text(
        f"{QUIET}tcp_keepidle=30\n{TCP}tcp_keepalive_enable=yes\ntcp_keepalive_interval_time=10\n"
    )
    assert "\n@tcp_keepalive_idle_time=30\n" in cured(file)


# what is left alone


@pytest.mark.parametrize(
    "line",
    [
        "keep_alive_interval=1;-- x --;",
        "keep_alive_interval=1\nkeep_alive_interval+=0",
        "keep_alive_interval=x",
    ],
)
def test_a_line_that_is_not_plain_is_left_alone(file: Path, line: str) -> None:
    file.write_text(f"[global]\ntype=global\n{line}\n{KERNEL}")
    assert cured(file) == file.read_text()
    with pytest.raises(FixError, match=r"pjsip\.conf:\d+: keep_alive_interval cannot be edited safely"):
        crlf_off(str(file))


def test_a_file_that_ends_within_a_comment_gets_no_section(file: Path) -> None:
    file.write_text(KERNEL + ";-- to be continued\n")
    with pytest.raises(FixError):
        crlf_off(str(file))


def test_every_object_that_was_loaded_still_is() -> None:
    found = cure(str(Path(__file__).parent / "data" / "defects" / "pjsip.conf"), PLAIN)
    before, after = found.before, found.after
    assert {one.transport.id for one in before.transports} <= {one.transport.id for one in after.transports}
    assert len(after.findings) < len(before.findings)


# crlf_off, as attach uses it


def test_crlf_off_is_made_though_a_transport_has_nothing_else(file: Path) -> None:
    file.write_text(TCP)
    rewrite(crlf_off(str(file)))
    assert load(file).global_.keep_alive_interval == 0
    assert crlf_off(str(file)) == ()


def test_crlf_off_within_another_root(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "asterisk" / "pjsip.conf"
    path.parent.mkdir(parents=True)
    path.write_text("[global]\ntype=global\nkeep_alive_interval=5\n")
    (change,) = crlf_off("/etc/asterisk/pjsip.conf", tmp_path)
    assert change.file == "/etc/asterisk/pjsip.conf"
    rewrite([change], tmp_path)
    assert path.read_text().endswith("keep_alive_interval=0\n")


# the diff


def test_the_diff_is_unified_and_hides_secrets_in_its_context() -> None:
    before = (
        b"[a]\nusername=u\npassword=hunter2\n;secret=hunter2\n@tcp_user_timeout=no ; sip:me:hunter2@pbx\n"
    )
    change = Change("f", before, before.replace(b"=no", b"=auto"))
    assert difference(change).splitlines() == [
        "--- f",
        "+++ f",
        "@@ -2,4 +2,4 @@",
        " username=u",
        " password=***",
        " ;secret=***",
        "-@tcp_user_timeout=no ; sip:me:***@pbx",
        "+@tcp_user_timeout=auto ; sip:me:***@pbx",
    ]


def test_the_diff_escapes_what_steers_a_terminal() -> None:
    change = Change("f", b"; \x1b[31m \xff\r\na=1\n", b"; \x1b[31m \xff\r\na=2\n")
    assert " ; \\x1b[31m \\xff\\r\n" in difference(change)


# the command


def test_fix_prints_the_diff_and_changes_nothing(file: Path) -> None:
    file.write_text(KERNEL)
    result = command(file, "--fix")
    assert result.exit_code == 1
    assert "+keep_alive_interval=0\n" in result.stdout
    assert result.stderr == "Findings: 1 cured, 0 left.\n"
    assert file.read_text() == KERNEL


def test_fix_and_write_changes_the_file_and_keeps_the_old_one(file: Path) -> None:
    file.write_text(KERNEL)
    file.chmod(0o640)
    result = command(file, "--fix", "--write")
    assert result.exit_code == 0
    assert check(load(file)).findings == ()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    backup = file.with_name(".pjsip.conf.bak1")
    assert f"The old file is {backup}" in result.stderr
    assert backup.read_text() == KERNEL


def test_fix_and_write_twice_changes_nothing_more(file: Path) -> None:
    file.write_text(KERNEL)
    command(file, "--fix", "--write")
    once = file.read_text()
    assert command(file, "--fix", "--write").stdout == ""
    assert file.read_text() == once


def test_fix_as_json(file: Path) -> None:
    file.write_text(KERNEL)
    found = json.loads(command(file, "--fix", "--json").stdout)
    assert found["fix"]["written"] is False
    assert "+keep_alive_interval=0\n" in found["fix"]["changes"][0]["diff"]
    assert not found["clean"]
    written = json.loads(command(file, "--fix", "--write", "--json").stdout)
    assert (written["fix"]["written"], written["clean"]) == (True, True)
    assert written["fix"]["backups"] == [str(file.with_name(".pjsip.conf.bak1"))]


def test_a_file_that_cannot_be_written_ends_with_1(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(KERNEL)

    def denied(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    result = command(file, "--fix", "--write")
    assert result.exit_code == 1
    assert "pjsip.conf: cannot be written: Permission denied" in result.stderr
    assert file.read_text() == KERNEL
