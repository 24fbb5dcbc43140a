"""Where an Asterisk has its files: ``[directories]`` of its ``asterisk.conf`` (main/options.c)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pjka.conf.dialect import read
from pjka.conf.document import DialectError

_MAIN = "/etc/asterisk/asterisk.conf"


@dataclass(frozen=True, slots=True)
class Directories:
    """As the PBX sees them."""

    etc: str = "/etc/asterisk"
    database: str = "/var/lib/asterisk"


def directories(root: Path, command: list[str]) -> Directories:
    """Those of the process with this root directory and command line, of which ``-C`` names another file.

    A file that cannot be read, or does not say, leaves the defaults.
    """
    try:
        document = read(_main_file(command), root=root)
    except DialectError:
        return Directories()
    values = {
        option.name: option.value
        for section in document.sections
        if section.name == "directories" and not section.template
        for option in section.options
    }
    defaults = Directories()
    return Directories(values.get("astetcdir", defaults.etc), values.get("astdbdir", defaults.database))


def _main_file(command: list[str]) -> str:
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word == "-C" and following:
            return following
        if word.startswith("-C") and len(word) > len("-C"):
            return word[len("-C") :]
    return _MAIN
