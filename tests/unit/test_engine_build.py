"""The build script of the production engine: its sources, checks and kept wheels; nothing is compiled."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "engine" / "build.py"
MIRRORS = "http://security.example/d Debian Debian-Security\nhttp://main.example/d Debian Debian\n"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    specification = importlib.util.spec_from_file_location("engine_build", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "engine_build", module)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of commands that are found before all others."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def script(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def apt(commands: Path, tmp_path: Path) -> Path:
    """An apt-get that knows two archives, of which only the main one has sid, and notes what it is asked."""
    log = tmp_path / "apt.log"
    script(
        commands / "apt-get",
        f"""echo "$@" >>{log}
        case "$*" in
        indextargets*) printf '{MIRRORS}' ;;
        *update*) grep -q main.example {tmp_path}/work/apt/parts/sid.sources ;;
        *source*) printf tarball >asterisk_22.orig-Xpjproject.tar.xz ;;
        esac""",
    )
    return log


def version_mak(directory: Path, *, rev: str = "", suffix: str = "") -> Path:
    directory.mkdir(exist_ok=True)
    lines = [
        "# the export PJ_VERSION_xxx style",
        "export PJ_VERSION_MAJOR  := 2",
        "export PJ_VERSION_MINOR  := 17",
    ]
    lines += [
        f"export PJ_VERSION_REV    :={rev}",
        f"export PJ_VERSION_SUFFIX :={suffix}",
        "export PJ_VERSION := x",
    ]
    (directory / "version.mak").write_text("\n".join(lines) + "\n")
    return directory


@pytest.mark.parametrize(
    ("rev", "suffix", "version"), [("", "", "2.17"), (" 1", "", "2.17.1"), ("", " -dev", "2.17-dev")]
)
def test_version_is_read_from_the_tree(
    build: ModuleType, tmp_path: Path, rev: str, suffix: str, version: str
) -> None:
    assert build.version_of(version_mak(tmp_path, rev=rev, suffix=suffix)) == version


def test_directory_without_pjproject_is_refused_before_anything_is_built(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PJPROJECT_SOURCE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["build.py"])
    assert build.main() == 1
    assert "is not a pjproject source tree" in capsys.readouterr().err


def test_source_digest_follows_contents_and_names_but_not_build_products(
    build: ModuleType, tmp_path: Path
) -> None:
    tree = version_mak(tmp_path / "tree")
    first = build.tree_digest(tree)
    (tree / "sip.o").write_text("object")
    (tree / ".git").mkdir()
    (tree / ".git" / "HEAD").write_text("branch")
    assert build.tree_digest(tree) == first
    (tree / "sip.c").write_text("one")
    second = build.tree_digest(tree)
    (tree / "sip.c").rename(tree / "sap.c")
    assert len({first, second, build.tree_digest(tree)}) == 3


def wheel_in(cache: Path, key: str, tag: str, content: bytes | None = None) -> Path:
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    file = cache / f"pjka_engine-2.17+{key}-{tag}-{tag}-{platform}.whl"
    if content is None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("pjka-engine.pth", "")
    else:
        file.write_bytes(content)
    return file


def test_kept_wheel_is_found_for_the_same_build_and_python_only(build: ModuleType, tmp_path: Path) -> None:
    tag = f"cp3{sys.version_info.minor}"
    mine = wheel_in(tmp_path, "aaaaaaaa", tag)
    wheel_in(tmp_path, "bbbbbbbb", "cp310")
    wheel_in(tmp_path, "cccccccc", tag, b"cut short")
    assert build.kept_wheel(tmp_path, "aaaaaaaa") == mine
    assert build.kept_wheel(tmp_path, "bbbbbbbb") is None
    assert build.kept_wheel(tmp_path, "cccccccc") is None
    assert build.kept_wheel(tmp_path / "none", "aaaaaaaa") is None


def test_key_changes_with_source_and_settings(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build.build_key("source")
    assert build.build_key("source") == first
    assert build.build_key("another") != first
    monkeypatch.setattr(build, "CONFIGURE", ["--enable-kqueue"])
    assert build.build_key("source") != first


def test_tools_that_are_missing_are_named_to_a_user_who_cannot_install_them(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.BuildError, match=r"apt-get install make g\+\+ swig xz-utils tar.* libssl-dev"):
        build.need_tools(build.Steps(tmp_path / "log"))


def test_fetch_uses_the_archive_that_has_sid_and_leaves_the_machine_s_own_lists(
    build: ModuleType, tmp_path: Path, apt: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    options = build.usable_mirror(build.Steps(tmp_path / "log"), work)
    assert "URIs: http://main.example/d" in (work / "apt/parts/sid.sources").read_text()
    for name in ("Dir::State::Lists", "Dir::Etc::SourceParts", "Dir::Cache"):
        assert any(option.startswith(f"{name}={work}") for option in options)
    assert "Dir::Etc::SourceList=/dev/null" in options
    asked = apt.read_text().splitlines()
    assert len(asked) == 2, "Debian's own archive is asked first"


def test_fetch_without_any_sid_says_what_to_do(build: ModuleType, tmp_path: Path, commands: Path) -> None:
    script(
        commands / "apt-get",
        "case $1 in indextargets) echo http://other.example/ Other Other;; *) exit 100;; esac",
    )
    with pytest.raises(build.BuildError, match=r"no package mirror .* has Debian sid; set PJPROJECT_SOURCE"):
        build.usable_mirror(build.Steps(tmp_path / "log"), tmp_path)


def test_fetch_refuses_a_tarball_with_another_checksum(build: ModuleType, tmp_path: Path, apt: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    found = hashlib.sha256(b"tarball").hexdigest()
    with pytest.raises(build.BuildError, match=f"PJPROJECT_SHA256={found}"):
        build.fetch(build.Steps(tmp_path / "log"), work, build.KNOWN_SOURCE)


def test_step_that_fails_shows_the_end_of_its_output(build: ModuleType, tmp_path: Path) -> None:
    steps = build.Steps(tmp_path / "log")
    with pytest.raises(build.BuildError, match=r"failed with 3:\n(.*\n)*line 40$"):
        steps.run("count", ["sh", "-c", "for i in $(seq 40); do echo line $i; done; exit 3"])


def test_step_that_hangs_is_stopped_with_its_children(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "STEP_LIMIT", 0.5)
    with pytest.raises(build.BuildError, match="was stopped after"):
        build.Steps(tmp_path / "log").run("hang", ["sh", "-c", "sleep 60 & echo $! >child; wait"], tmp_path)
    state = Path("/proc") / (tmp_path / "child").read_text().strip() / "stat"
    assert not state.exists() or ") Z" in state.read_text()
