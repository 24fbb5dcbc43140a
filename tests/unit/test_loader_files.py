"""Files that a configuration names: readable, missing, forbidden, and the links of another root directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pjka.conf.dialect import parse
from pjka.conf.files import FileState, current_user, inside, state
from pjka.conf.loader import Configuration, objects_of


def with_key(path: str, root: Path | None = None) -> Configuration:
    """A configuration with one transport that names this key."""
    text = f"[t]\ntype=transport\nprotocol=tls\nbind=::\npriv_key_file={path}\n"
    return objects_of(parse(text.encode(), "pjsip.conf"), path="pjsip.conf", root=root)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root directory with links that lead up, away, in circles and nowhere."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "key").write_text("PEM")
    (tmp_path / "etc" / "absolute").symlink_to("/etc/key")
    (tmp_path / "etc" / "relative").symlink_to("../etc/key")
    (tmp_path / "etc" / "away").symlink_to("../../../../etc/key")
    (tmp_path / "etc" / "circle").symlink_to("circle")
    (tmp_path / "etc" / "nowhere").symlink_to("/etc/none")
    (tmp_path / "directory").symlink_to("/etc")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "/etc/key",
        "/etc/absolute",
        "/etc/relative",
        "/etc/away",
        "/directory/absolute",
        "/etc/../../../etc/./key",
    ],
)
def test_links_stay_inside_the_root(tree: Path, path: str) -> None:
    assert inside(tree, path).samefile(tree / "etc" / "key")
    assert state(tree, path) is FileState.READABLE


@pytest.mark.parametrize("path", ["/etc/none", "/etc/circle", "/etc/nowhere", "/etc/key/below", "/with\0nul"])
def test_what_is_not_there_is_missing(tree: Path, path: str) -> None:
    assert state(tree, path) is FileState.MISSING


def test_without_a_root_paths_are_taken_as_they_are(tree: Path) -> None:
    assert state(None, str(tree / "etc" / "key")) is FileState.READABLE
    assert state(None, str(tree / "etc" / "none")) is FileState.MISSING


def test_a_relative_name_is_neither_here_nor_there(tree: Path) -> None:
    assert state(tree, "etc/key") is FileState.UNKNOWN


def test_a_file_that_this_user_may_not_read_is_not_missing(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *args, **options: False)
    configuration = with_key("/etc/key", tree)
    [finding] = configuration.findings
    assert (finding.code, finding.severity, finding.line) == ("file-unverified", "notice", 5)
    assert current_user() in finding.message
    assert list(configuration.transports) == ["t"]


def test_a_directory_that_this_user_may_not_search_is_not_missing(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", forbidden)
    assert state(None, "/etc/key") is FileState.FORBIDDEN


def test_the_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_user().startswith("user ")
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert current_user() == "user 4000000000"
