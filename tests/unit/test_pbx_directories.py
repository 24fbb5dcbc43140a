"""asterisk.conf: where the files of the PBX are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pjka.pbx.directories import Directories, directories


def placed(root: Path, name: str, text: str) -> Path:
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[directories]\nastetcdir => /srv/etc\nastdbdir => /srv/db\n", Directories("/srv/etc", "/srv/db")),
        ("[directories](!)\nastetcdir => /srv/etc\n", Directories()),  # as Debian ships it: a template
        ("[options]\nverbose = 3\n", Directories()),
        ("[broken\n", Directories()),
    ],
)
def test_directories_of_asterisk_conf(tmp_path: Path, text: str, found: Directories) -> None:
    assert directories(placed(tmp_path, "/etc/asterisk/asterisk.conf", text), ["asterisk", "-f"]) == found


@pytest.mark.parametrize("words", [["-C", "/srv/main.conf"], ["-C/srv/main.conf"]])
def test_another_main_file(tmp_path: Path, words: list[str]) -> None:
    root = placed(tmp_path, "/srv/main.conf", "[directories]\nastetcdir=/x\n")
    assert directories(root, ["asterisk", *words]).etc == "/x"


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert directories(tmp_path, ["asterisk", "-C"]) == Directories()
