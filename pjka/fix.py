"""Curing findings by editing the lines that they are about, where the line leaves no doubt what is meant.

What is cured: the CRLF of ``keep_alive_interval`` where every connection has a better mechanism; a user
timeout that is off or too long (``auto``); a ``qualify_timeout`` beyond the transaction (cut to what is in
force anyway); names that never existed, lack their ``@``, or are unknown to the given release; keep-alive
options where they have no effect (commented out). Everything else is a decision of the operator.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pjka.check import Report, Surroundings, check
from pjka.conf.checks import KEEPALIVE_OPTIONS
from pjka.conf.edit import (
    AddTo,
    CommentOut,
    Edit,
    EditError,
    Rename,
    SetValue,
    edited,
    option_of,
    with_section,
)
from pjka.conf.findings import Finding
from pjka.conf.kinds import TRANSPORT
from pjka.conf.loader import Configuration
from pjka.conf.options import Place
from pjka.errors import PjkaError
from pjka.keepalive.policy import Mechanism
from pjka.overlay import Overlay
from pjka.rewrite import Change
from pjka.secrets import redacted

# One cure can bring to light what has a cure of its own: a corrected name that then needs its @, or an
# earlier line with the same option.
_ROUNDS: Final = 20
_ON_ITS_LINE: Final = frozenset(
    {
        "options-without-user-timeout",
        "user-timeout-above-budget",
        "qualify-timeout-above-transaction",
        "version-lacks-keepalive",
        "version-lacks-option",
        "at-needed",
        "never-an-option",
    }
)
_NO_EFFECT: Final = (*KEEPALIVE_OPTIONS, "tcp_user_timeout")


class FixError(PjkaError):
    """The configuration cannot be edited safely."""


@dataclass(frozen=True, slots=True)
class Cure:
    """The files to change, and what is found before and after."""

    changes: tuple[Change, ...]
    before: Report
    after: Report


def cure(path: str, surroundings: Surroundings, root: Path | None = None) -> Cure:
    """Work out the edits for the configuration at ``path``; nothing is written.

    Each round of edits is read back as a whole, and given up if an object would be lost by it. Raises
    :class:`pjka.conf.dialect.DialectError` if the file is unusable.
    """
    before = state = _state(Overlay(path, root), surroundings)
    for _ in range(_ROUNDS):
        better = _taken(state, _lines_cured(state), surroundings)
        if better is state:
            break
        state = better
    state = _taken(state, _crlf_cured(state), surroundings)
    return Cure(state.files.changes(), before.report, state.report)


class _State(NamedTuple):
    """The files with the edits so far, and what they amount to."""

    files: Overlay
    configuration: Configuration
    report: Report


def _state(files: Overlay, surroundings: Surroundings) -> _State:
    configuration = files.configuration()
    return _State(files, configuration, check(configuration, surroundings))


def _taken(state: _State, attempt: Overlay, surroundings: Surroundings) -> _State:
    """The state after an attempt; the one before it if that changes nothing or loses an object."""
    if attempt.changes() == state.files.changes():
        return state
    then = _state(attempt, surroundings)
    return then if _keeps(state.configuration, then.configuration) else state


def crlf_off(path: str, root: Path | None = None) -> tuple[Change, ...]:
    """The edit that sets ``keep_alive_interval=0`` in ``[global]``; none if it is 0.

    Raises :class:`FixError` if that cannot be done without doubt.
    """
    files = Overlay(path, root)
    configuration = files.configuration()
    if configuration.global_.keep_alive_interval == 0:
        return ()
    attempt = _without_crlf(files, configuration)
    if attempt.changes() == () or not _keeps(configuration, attempt.configuration()):
        place = configuration.global_.places.get("keep_alive_interval", configuration.global_.place)
        raise FixError("keep_alive_interval cannot be edited safely", file=place.file, line=place.line)
    return attempt.changes()


def difference(change: Change) -> str:
    """A unified diff of a change, without secrets and without characters that steer a terminal."""
    lines = difflib.unified_diff(
        _lines(change.before), _lines(change.after), change.file, change.file, lineterm=""
    )
    return "".join(f"{redacted(line)}\n" for line in lines)


def _lines(content: bytes) -> list[str]:
    text = content.decode("utf-8", "backslashreplace")
    return [_visible(line) for line in text.removesuffix("\n").split("\n")]


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() or character == "\t" else repr(character)[1:-1]
        for character in line
    )


def _keeps(configuration: Configuration, then: Configuration) -> bool:
    """Whether every object that was loaded still is."""
    return all(
        getattr(configuration, kind).keys() <= getattr(then, kind).keys()
        for kind in ("transports", "aors", "endpoints", "auths", "registrations")
    )


def _lines_cured(state: _State) -> Overlay:
    """The files with the edits that findings call for and that fit their lines, one for each line."""
    files = state.files
    by_file: dict[str, dict[int, Edit]] = {}
    for finding in state.report.findings:
        for place, edit in _edits(finding, state.configuration, files):
            if _fits(files.content(place.file), edit):
                by_file.setdefault(place.file, {}).setdefault(edit.line, edit)
    return files.having(
        {file: edited(files.content(file), edits.values()) for file, edits in by_file.items()}
    )


def _fits(content: bytes, edit: Edit) -> bool:
    try:
        edited(content, [edit])
    except EditError:
        return False
    return True


def _edits(finding: Finding, configuration: Configuration, files: Overlay) -> Iterator[tuple[Place, Edit]]:
    if finding.code == "keepalive-not-tcp":
        yield from _without_effect(configuration)
    elif finding.code in _ON_ITS_LINE:
        name = option_of(files.content(finding.file), finding.line)
        if name is not None and (edit := _edit(finding, name, configuration)):
            yield Place(finding.file, finding.line), edit


def _edit(finding: Finding, name: str, configuration: Configuration) -> Edit | None:
    """The edit that cures what was found at a line that sets ``name``."""
    line = finding.line
    match finding.code:
        case "options-without-user-timeout" | "user-timeout-above-budget":
            return SetValue(line, "@tcp_user_timeout", "auto")
        case "qualify-timeout-above-transaction":
            return SetValue(line, "qualify_timeout", f"{configuration.system.timer_b / 1000:g}")
        case "version-lacks-keepalive" | "at-needed":
            return Rename(line, name, f"@{name}")
        case "version-lacks-option" if name == "qualify_2xx_only":
            return Rename(line, name, f"@{name}")
        case "never-an-option" if name in TRANSPORT.never:
            at = "@" if finding.message.startswith("global ") else ""
            return Rename(line, name, f"{at}{TRANSPORT.never[name]}")
        case _:
            return None


def _without_effect(configuration: Configuration) -> Iterator[tuple[Place, Edit]]:
    """Comment out keep-alive options of transports without TCP, each in its own section only.

    An option above the section, or in another file, comes from a template that others may use.
    """
    for transport in configuration.transports.values():
        if transport.protocol in ("tcp", "tls"):
            continue
        for option in _NO_EFFECT:
            place = transport.places.get(option)
            if place and place.file == transport.place.file and place.line > transport.place.line:
                at = "@" if option in transport.at_options else ""
                yield place, CommentOut(place.line, f"{at}{option}")


def _crlf_cured(state: _State) -> Overlay:
    """The files without the CRLF of Asterisk, unless some transport has nothing else."""
    competes = any(finding.code.startswith("crlf-beside-") for finding in state.report.findings)
    needed = any(one.policy.mechanism is Mechanism.CRLF for one in state.report.transports)
    return _without_crlf(state.files, state.configuration) if competes and not needed else state.files


def _without_crlf(files: Overlay, configuration: Configuration) -> Overlay:
    """``files`` with ``keep_alive_interval=0``, or unchanged where that cannot be had by one plain edit."""
    attempt = _with_crlf_at_0(files, configuration)
    return attempt if attempt.configuration().global_.keep_alive_interval == 0 else files


def _with_crlf_at_0(files: Overlay, configuration: Configuration) -> Overlay:
    settings = configuration.global_
    set_at = settings.places.get("keep_alive_interval")
    place = set_at or settings.place
    content = files.content(place.file)
    edit = (
        SetValue(place.line, "keep_alive_interval", "0")
        if set_at
        else AddTo(place.line, settings.id, "keep_alive_interval=0")
    )
    try:
        return files.having({place.file: edited(content, [edit])})
    except EditError:
        if set_at:
            return files
    # there is no [global]
    added = with_section(content, "global", ["type=global", "keep_alive_interval=0"])
    return files.having({place.file: added})
