"""Making an object of a section: every option by its rule, then the whole by the checks of its type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pjka.conf.codes import CODES
from pjka.conf.document import Option, Section, fold
from pjka.conf.files import FileState, current_user, state
from pjka.conf.kinds import Kind, nearest, owners
from pjka.conf.objects import ConfigObject
from pjka.conf.options import Place, Rule
from pjka.conf.report import Problem, Report, shown
from pjka.conf.values import is_boolean_word, parse_bool, parse_list, parse_text

C = TypeVar("C", bound=ConfigObject)

_NONE: Final[frozenset[str]] = frozenset()
_UNKNOWN: Final = object()
# Each takes milliseconds to find.
_MAX_SUGGESTIONS: Final = 100


class _Draft:
    """What is known of one object while its section is read; nothing of it reaches another object."""

    __slots__ = ("at", "id", "pieces", "place", "places", "rejected", "remarked", "values")

    def __init__(self, section: Section) -> None:
        self.id = section.name
        self.place = Place(section.file, section.line)
        self.values: dict[str, Any] = {}
        self.pieces: dict[str, list[Any]] = {}
        self.places: dict[str, Place] = {}
        self.at: dict[str, tuple[Any, Place]] = {}
        self.rejected = False
        self.remarked = False

    def take(self, other: _Draft) -> None:
        """Begin with what another was told."""
        self.values, self.places, self.at = other.values.copy(), other.places.copy(), other.at.copy()
        self.pieces = {name: pieces.copy() for name, pieces in other.pieces.items()}


class Reader(Generic[C]):
    """Makes the objects of one type; remembers values that were parsed before."""

    def __init__(self, kind: Kind[C], report: Report, root: Path | None) -> None:
        self._kind = kind
        self._report = report
        self._root = root
        self._standard = kind.standard()
        self._joins = {name: rule.join for name, rule in self._standard.items() if rule.join is not None}
        self._with_at = kind.with_at()
        self._parsed: dict[tuple[str, str], Any] = {}
        self._templates: dict[tuple[int, int], tuple[list[Option], _Draft]] = {}
        self._advice: dict[str, str] = {}

    def read(self, section: Section) -> C | None:
        """The object of ``section``, or None where Asterisk rejects it."""
        draft = _Draft(section)
        inherited = _inherited(section)
        if inherited:
            self._begin(draft, section, section.options[:inherited])
        self._apply(draft, section.options[inherited:])
        return self._finish(draft)

    def problem(self, id: str, place: Place, problem: Problem) -> bool:
        """Report it; whether it rejects the object."""
        self._report.add(problem.code, place, self._kind.name, id, problem.text, problem.advice)
        return CODES[problem.code].rejects

    def _begin(self, draft: _Draft, section: Section, inherited: list[Option]) -> None:
        """Apply what a template gave, which is done once for all sections made from it.

        Where there is something to remark about it, it is done for each, so that each is told of.
        """
        key = (id(inherited[0]), len(inherited))
        known, made = self._templates.get(key, (None, draft))
        if known == inherited:
            draft.take(made)
            return
        self._apply(draft, inherited)
        if not draft.remarked:
            made = _Draft(section)
            made.take(draft)
            self._templates[key] = (inherited, made)

    def _apply(self, draft: _Draft, options: list[Option]) -> None:
        standard, uninterpreted = self._standard, self._kind.uninterpreted
        for option in options:
            name = option.name
            if name in uninterpreted:
                continue
            rule = standard.get(name)
            if rule is None:
                self._unusual(draft, option)
            else:
                self._set(draft, rule, option)

    def _set(self, draft: _Draft, rule: Rule, option: Option) -> None:
        name, text = rule.name, option.value
        value = self._parsed.get((name, text), _UNKNOWN)
        if value is _UNKNOWN:
            try:
                value = self._parse(draft, rule, option)
            except ValueError as error:
                self._refuse(draft, rule, option, str(error))
                return
        if rule.join is None:
            draft.values[name] = value
        else:
            draft.pieces.setdefault(name, []).append(value)
        draft.places[name] = Place(option.file, option.line)

    def _parse(self, draft: _Draft, rule: Rule, option: Option) -> Any:
        """The value; remembered unless there was something to say, which is said for each object."""
        value = rule.parse(option.value)
        if rule.file and option.value:
            self._check_file(draft, option)
        elif rule.parse is parse_bool and not is_boolean_word(option.value):
            self._say(draft, option, "odd-boolean", f"{option.name} = {shown(option.value)} counts as no")
        elif rule.parse is not parse_text and rule.parse is not parse_list:
            self._parsed[rule.name, option.value] = value
        return value

    def _check_file(self, draft: _Draft, option: Option) -> None:
        found = state(self._root, option.value)
        subject = f"{option.name} {shown(option.value)}"
        if found is FileState.MISSING:
            self._say(draft, option, "file-unreadable", f"{subject} does not exist")
        elif found is FileState.FORBIDDEN:
            self._say(draft, option, "file-unverified", f"{subject} may not be read by {current_user()}")
        elif found is FileState.UNKNOWN:
            self._say(draft, option, "file-unverified", f"{subject} is no absolute path")

    def _refuse(self, draft: _Draft, rule: Rule, option: Option, expected: str) -> None:
        value = "the value" if rule.secret else f"{option.name} = {shown(option.value)}"
        if fold(option.value) == "system" and rule.parse is not rule.parse_at:
            self._say(
                draft, option, "system-needs-at", f"{value} is no number", f"Write @{rule.name} = system."
            )
            return
        text = f"{value} of {option.name} is not valid" if rule.secret else f"{value} is not valid"
        self._say(draft, option, "bad-value", text, f"Give {expected}.")

    def _unusual(self, draft: _Draft, option: Option) -> None:
        """A type, a name with ``@``, in capitals or with an older name, or one that does not exist."""
        name = fold(option.name)
        if name == "type":
            self._check_type(draft, option)
        elif name.startswith("@"):
            self._set_at(draft, option, name[1:])
        elif rule := self._standard.get(name):
            self._set(draft, rule, option)
        elif new := self._kind.renamed.get(name):
            self._say(draft, option, "deprecated-option", f"{name} is now {new}")
            self._set(draft, self._standard[new], option)
        elif name not in self._kind.uninterpreted:
            self._unknown(draft, option, name)

    def _check_type(self, draft: _Draft, option: Option) -> None:
        if option.value != self._kind.name:
            text = f"a further type, {shown(option.value)}, does not count"
            self._say(draft, option, "type-overridden", text)

    def _set_at(self, draft: _Draft, option: Option, name: str) -> None:
        rule = self._with_at.get(name)
        if rule is None:
            self._say(draft, option, "unknown-at-option", f"@{name} is unknown", self._suggestion(f"@{name}"))
            return
        try:
            value = rule.parse_at(option.value)
        except ValueError as error:
            text = f"{option.name} = {shown(option.value)} is not valid and counts as not set"
            self._say(draft, option, "at-value", text, f"Give {error}.")
            return
        if rule.parse_at is parse_bool and not is_boolean_word(option.value):
            self._say(draft, option, "odd-boolean", f"{option.name} = {shown(option.value)} counts as no")
        draft.at[name] = (value, Place(option.file, option.line))

    def _unknown(self, draft: _Draft, option: Option, name: str) -> None:
        if name in self._with_at:
            self._say(draft, option, "at-needed", f"{name} is not an option of Asterisk", f"Write @{name}.")
        elif exists := self._kind.never.get(name):
            exists = exists if exists in self._standard else f"@{exists}"
            text = f"{name} is no option of pjsip.conf and never was"
            self._say(draft, option, "never-an-option", text, f"Use {exists}.")
        else:
            text = f"unknown option {shown(option.name)}"
            self._say(draft, option, "unknown-option", text, self._suggestion(name))

    def _suggestion(self, name: str) -> str:
        """Advice about an unknown name; empty for the code's own, and after many others."""
        if len(self._advice) >= _MAX_SUGGESTIONS:
            return self._advice.get(name, "")
        if name not in self._advice:
            self._advice[name] = self._advise(name)
        return self._advice[name]

    def _advise(self, name: str) -> str:
        bare = name.removeprefix("@")
        if exists := self._kind.never.get(bare):
            return f"Use @{exists}."
        if name in self._standard or bare in self._standard:
            return f"Write {bare}."
        if others := owners(bare):
            return f"It is an option of type={' and type='.join(others)}."
        like = nearest(name, self._kind.names())
        return f"Did you mean {like}?" if like else ""

    def _say(self, draft: _Draft, option: Option, code: str, text: str, advice: str = "") -> None:
        place = Place(option.file, option.line)
        draft.remarked = True
        draft.rejected |= self.problem(draft.id, place, Problem(code, None, text, advice))

    def _finish(self, draft: _Draft) -> C | None:
        if draft.rejected:
            return None
        for name, pieces in draft.pieces.items():
            draft.values[name] = self._joins[name](pieces)
        at = self._join_at(draft) if draft.at else _NONE
        made = self._kind.make(
            id=draft.id, place=draft.place, places=draft.places, at_options=at, **draft.values
        )
        for problem in self._kind.check(made):
            place = draft.places.get(problem.option or "", draft.place)
            draft.rejected |= self.problem(draft.id, place, problem)
        return None if draft.rejected else self._kind.settle(made)

    def _join_at(self, draft: _Draft) -> frozenset[str]:
        """Put the options with ``@`` where the standard spelling set nothing."""
        for name, (value, place) in draft.at.items():
            if name in draft.values:
                text = f"{name} is set with and without @"
                self.problem(draft.id, place, Problem("both-spellings", None, text))
            else:
                draft.values[name], draft.places[name] = value, place
        return frozenset(name for name in draft.at if draft.places[name] is draft.at[name][1])


def _inherited(section: Section) -> int:
    """How many options come before the section's own lines: those of its templates."""
    for number, option in enumerate(section.options):
        if option.line >= section.line and option.file == section.file:
            return number
    return len(section.options)
