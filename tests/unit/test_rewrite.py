"""Replacing files with a backup, in one step, and not over somebody else's change."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pjka.rewrite import Change, RewriteError, rewrite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pjsip.conf"
    path.write_bytes(b"old\n")
    return path


def change(path: Path, before: bytes = b"old\n", after: bytes = b"new\n") -> Change:
    return Change(str(path), before, after)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_the_file_is_replaced_and_the_old_one_kept(file: Path) -> None:
    (backup,) = rewrite([change(file)])
    assert file.read_bytes() == b"new\n"
    assert backup.read_bytes() == b"old\n"
    assert names(file.parent) == {"pjsip.conf", ".pjsip.conf.bak1"}


def test_an_earlier_backup_is_never_overwritten(file: Path) -> None:
    rewrite([change(file)])
    (backup,) = rewrite([change(file, b"new\n", b"newer\n")])
    assert backup.name == ".pjsip.conf.bak2"
    assert (file.parent / ".pjsip.conf.bak1").read_bytes() == b"old\n"


def test_backups_and_temporary_files_hide_from_every_include_pattern(file: Path) -> None:
    rewrite([change(file)])
    assert [path.name for path in file.parent.glob("[!.]*")] == ["pjsip.conf"]


def test_mode_and_attributes_stay(file: Path) -> None:
    file.chmod(0o640)
    os.setxattr(file, "user.note", b"kept")
    rewrite([change(file)])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.getxattr(file, "user.note") == b"kept"


@pytest.mark.root
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, 12345, 23456)
    rewrite([change(file)])
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 23456)


def test_what_a_symbolic_link_leads_to_is_replaced(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.conf"
    link.symlink_to(file.name)
    rewrite([change(link)])
    assert link.is_symlink()
    assert file.read_bytes() == b"new\n"


def test_a_link_of_another_root_stays_within_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "real.conf").write_bytes(b"old\n")
    (tmp_path / "etc" / "pjsip.conf").symlink_to("/etc/real.conf")
    rewrite([Change("/etc/pjsip.conf", b"old\n", b"new\n")], tmp_path)
    assert (tmp_path / "etc" / "real.conf").read_bytes() == b"new\n"


def test_a_file_that_changed_meanwhile_is_left_alone(file: Path) -> None:
    with pytest.raises(RewriteError, match=r"pjsip\.conf: has changed meanwhile"):
        rewrite([change(file, before=b"older\n")])
    assert file.read_bytes() == b"old\n"
    assert names(file.parent) == {"pjsip.conf"}


def test_a_change_between_the_look_and_the_replacement_is_seen(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def somebody_writes(descriptor: int) -> None:
        fsync(descriptor)
        file.write_bytes(b"theirs\n")

    monkeypatch.setattr(os, "fsync", somebody_writes)
    with pytest.raises(RewriteError, match="has changed meanwhile"):
        rewrite([change(file)])
    assert file.read_bytes() == b"theirs\n"
    assert names(file.parent) == {"pjsip.conf"}


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RewriteError, match=r"none\.conf: cannot be written: No such file"):
        rewrite([change(tmp_path / "none.conf")])


def test_all_or_nothing_when_one_of_several_has_changed(file: Path) -> None:
    other = file.with_name("other.conf")
    other.write_bytes(b"theirs\n")
    with pytest.raises(RewriteError, match=r"other\.conf: has changed"):
        rewrite([change(file), change(other)])
    assert file.read_bytes() == b"old\n"
    assert names(file.parent) == {"pjsip.conf", "other.conf"}


def test_all_or_nothing_when_a_replacement_fails_halfway(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file.with_name("other.conf")
    other.write_bytes(b"old\n")
    replace = os.replace

    def busy(source: str | Path, target: str | Path) -> None:
        if Path(source).suffix == ".new" and Path(target) == other:
            raise OSError(16, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    with pytest.raises(RewriteError, match="cannot be written: Device or resource busy"):
        rewrite([change(file), change(other)])
    assert (file.read_bytes(), other.read_bytes()) == (b"old\n", b"old\n")
    assert names(file.parent) == {"pjsip.conf", "other.conf"}


def test_a_copy_serves_where_there_are_no_hard_links(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    (backup,) = rewrite([change(file)])
    assert (backup.read_bytes(), file.read_bytes()) == (b"old\n", b"new\n")


@pytest.fixture
def mounted(file: Path) -> Iterator[tuple[Path, int]]:
    """The file, and a process in a mount namespace where it is mounted by itself."""
    source = file.with_name("source.conf")
    source.write_bytes(b"old\n")
    script = 'mount --bind "$0" "$1" && echo mounted && exec cat'
    command = ["unshare", "--mount", "sh", "-c", script, str(source), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "mounted\n"
        yield file, child.pid
        child.kill()


@pytest.mark.root
def test_a_file_that_is_mounted_by_itself_in_another_root_is_left_alone(mounted: tuple[Path, int]) -> None:
    """Renaming onto it from outside would end its mount and change what lies beneath."""
    file, pid = mounted
    root = Path(f"/proc/{pid}/root")
    before = names(file.parent)
    with pytest.raises(RewriteError, match=r"pjsip\.conf: not written: the file is mounted by itself"):
        rewrite([change(file)], root)
    assert (root / file.relative_to("/")).stat().st_ino == file.with_name("source.conf").stat().st_ino
    assert file.read_bytes() == b"old\n"
    assert names(file.parent) == before
    (backup,) = rewrite([change(file.with_name("source.conf"))], root)
    assert backup.name == ".source.conf.bak1"


@pytest.mark.root
def test_check_fix_write_refuses_a_file_that_is_mounted_by_itself(mounted: tuple[Path, int]) -> None:
    file, pid = mounted
    text = b"[global]\ntype=global\nkeep_alive_interval=30\n[t]\ntype=transport\nprotocol=tcp\n"
    text += b"bind=0.0.0.0\ntcp_keepalive_enable=yes\n"
    file.with_name("source.conf").write_bytes(text)
    pjka = [sys.executable, "-c", "from pjka.cli import main; main()", "check", "--fix", "--write", str(file)]
    command = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", *pjka]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done
    assert "the file is mounted by itself" in done.stderr
    assert "an edit where it comes from" in done.stderr
    assert file.with_name("source.conf").read_bytes() == text
    assert names(file.parent) == {"pjsip.conf", "source.conf"}
