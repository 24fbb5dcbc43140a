"""From a ``pjsip.conf`` to its objects, as Asterisk's ``res_sorcery_config.c`` picks and drops them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pjka.conf import kinds
from pjka.conf.checks import check_algorithms
from pjka.conf.cross import check_endpoint_names, check_interval, check_registration_names, with_defaults
from pjka.conf.dialect import read
from pjka.conf.document import DialectError, Document, Option, Section, fold
from pjka.conf.findings import Finding
from pjka.conf.kinds import Kind
from pjka.conf.objects import (
    Aor,
    Auth,
    ConfigObject,
    Contact,
    Endpoint,
    Global,
    Registration,
    System,
    Transport,
)
from pjka.conf.options import Place
from pjka.conf.reader import Reader
from pjka.conf.report import Problem, Report, shown
from pjka.errors import PjkaError

C = TypeVar("C", bound=ConfigObject)

# Two of a type of which there can be one slip through Asterisk's check, three do not.
_SEVERAL: Final = 3
_SINGLES: Final = (kinds.GLOBAL.name, kinds.SYSTEM.name)


class ConfigurationError(PjkaError):
    """The file is unusable: Asterisk would load nothing from it."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """All objects that Asterisk would load, by id, and everything worth telling about the file.

    ``transports`` have the ``@tcp_keepalive_*`` of ``[global]`` where they do not set their own.
    """

    path: str
    transports: Mapping[str, Transport]
    aors: Mapping[str, Aor]
    endpoints: Mapping[str, Endpoint]
    auths: Mapping[str, Auth]
    registrations: Mapping[str, Registration]
    contacts: Mapping[str, Contact]
    global_: Global
    system: System
    findings: tuple[Finding, ...]
    """In the order of the files and of their lines."""
    files: tuple[str, ...]
    """Every file that was read, the main one first."""


def load(path: str | Path, *, root: Path | None = None) -> Configuration:
    """Read the configuration at ``path``; raises ConfigurationError when the file is unusable.

    ``root`` is the root directory of the process that the file is for, as ``/proc/PID/root``.
    """
    try:
        document = read(path, root=root)
    except DialectError as error:
        raise ConfigurationError(
            error.message,
            file=error.file,
            line=error.line,
            option=error.option,
            value=error.value,
            expected=error.expected,
        ) from error
    return objects_of(document, path=str(path), root=root)


def objects_of(document: Document, *, path: str, root: Path | None = None) -> Configuration:
    """The objects of a document that was read from ``path``; see :func:`load`."""
    report = Report()
    sections = _by_type(document, report)
    settings = _Loading(kinds.GLOBAL, sections, report, root).only() or Global(**_nowhere("global", path))
    system = _Loading(kinds.SYSTEM, sections, report, root).only() or System(**_nowhere("system", path))
    transports = _Loading(kinds.TRANSPORT, sections, report, root)
    auths = _Loading(kinds.AUTH, sections, report, root)
    aors = _Loading(kinds.AOR, sections, report, root)
    endpoints = _Loading(kinds.ENDPOINT, sections, report, root)
    registrations = _Loading(kinds.REGISTRATION, sections, report, root)
    contacts = _Loading(kinds.CONTACT, sections, report, root)
    transports.change(lambda transport: with_defaults(transport, settings))
    transports.check(check_interval)
    auths.check(lambda auth: check_algorithms(auth, settings))
    endpoints.check(partial(check_endpoint_names, transports.objects, aors.objects, auths.objects))
    registrations.check(
        partial(check_registration_names, transports.objects, endpoints.objects, auths.objects)
    )
    return Configuration(
        path=path,
        transports=transports.objects,
        aors=aors.objects,
        endpoints=endpoints.objects,
        auths=auths.objects,
        registrations=registrations.objects,
        contacts=contacts.objects,
        global_=settings,
        system=system,
        findings=_in_order(document, report),
        files=document.files,
    )


class _Loading(Generic[C]):
    """The objects of one type: made of their sections, then checked against others."""

    def __init__(
        self, kind: Kind[C], sections: Mapping[str, list[Section]], report: Report, root: Path | None
    ) -> None:
        self.kind = kind
        self.objects: dict[str, C] = {}
        self._sections = sections.get(kind.name, [])
        self._report = report
        self._reader = Reader(kind, report, root)
        duplicates = [section for section in self._sections if not self._add(section)]
        if duplicates:
            self.objects.clear()

    def _add(self, section: Section) -> bool:
        """Make the object, even if Asterisk would not get that far; whether its id is new.

        An id counts only while an object of it is loaded: that of a rejected one may come again.
        """
        made = self._reader.read(section)
        if section.name in self.objects:
            self._tell(
                "duplicate-object",
                section,
                f"there is already one in line {self.objects[section.name].place.line}",
            )
            return False
        if made is not None:
            self.objects[made.id] = made
        return True

    def change(self, change: Callable[[C], C]) -> None:
        """Put something in the place of every object."""
        for name, thing in self.objects.items():
            self.objects[name] = change(thing)

    def check(self, check: Callable[[C], Iterable[Problem]]) -> None:
        """Report the problems of every object, and drop those that must not be loaded."""
        rejected = set()
        for name, thing in self.objects.items():
            for problem in check(thing):
                place = thing.places.get(problem.option or "", thing.place)
                if self._reader.problem(name, place, problem):
                    rejected.add(name)
        for name in rejected:
            del self.objects[name]

    def only(self) -> C | None:
        """The one object of a type of which there can be one; None where the defaults hold."""
        if len(self._sections) >= _SEVERAL:
            self._tell(
                "several-singles",
                self._sections[_SEVERAL - 1],
                f"{len(self._sections)} of type {self.kind.name}",
            )
            return None
        *earlier, last = self.objects.values() or [None]
        if earlier and last:
            text = f"there is already one of type {self.kind.name}"
            self._report.add("two-singles", last.place, self.kind.name, last.id, text)
        return last

    def _tell(self, code: str, section: Section, text: str) -> None:
        self._report.add(code, _place(section), self.kind.name, section.name, text)


def _by_type(document: Document, report: Report) -> Mapping[str, list[Section]]:
    """The sections of each type that pjka knows; the others are reported unless another module reads them."""
    sections: defaultdict[str, list[Section]] = defaultdict(list)
    for section in document.sections:
        if section.template:
            continue
        kind = _first_type(section)
        single = section.name if section.name in _SINGLES and _odd_name(section) is None else None
        if single is not None:
            sections[single].append(section)
        if kind is not None and kind in kinds.KINDS and kind != single:
            sections[kind].append(section)
        elif single is None and kind not in kinds.ELSEWHERE:
            _tell_type(section, kind, report)
    for section in sections[kinds.CONTACT.name]:
        report.add("type-not-read", _place(section), "contact", section.name, "is not read from a file")
    return sections


def _first_type(section: Section) -> str | None:
    for option in section.options:
        if option.name == "type" or fold(option.name) == "type":
            return option.value
    return None


def _odd_name(section: Section) -> Option | None:
    """The first option that is not, to the letter, one of the type named as the section.

    If there is none, Asterisk takes ``[global]`` and ``[system]`` for what their names say, without a type.
    """
    kind = kinds.KINDS[section.name]
    known = {"type", *kind.standard(), *kind.renamed}
    return next((o for o in section.options if o.name not in known and not o.name.startswith("@")), None)


def _tell_type(section: Section, kind: str | None, report: Report) -> None:
    if kind is not None:
        _tell_odd_type(section, kind, report)
    elif section.name in _SINGLES and (odd := _odd_name(section)) is not None:
        text = f"has no type, and an option {shown(odd.name)}"
        report.add("untyped-ignored", _place(odd), section.name, section.name, text)
    else:
        report.add("type-missing", _place(section), "section", section.name, "has no type")


def _tell_odd_type(section: Section, kind: str, report: Report) -> None:
    place = next(_place(option) for option in section.options if fold(option.name) == "type")
    known = [*kinds.KINDS, *kinds.ELSEWHERE]
    like = None if report.full else kinds.nearest(fold(kind), known)
    advice = f"Did you mean {like}?" if like else ""
    code = "type-case" if fold(kind) in known else "type-unknown"
    report.add(code, place, "section", section.name, f"type is {shown(kind)}", advice)


def _place(thing: Section | Option) -> Place:
    return Place(thing.file, thing.line)


def _nowhere(id: str, path: str) -> dict[str, Any]:
    """An object that the file does not have."""
    return {"id": id, "place": Place(path, 1), "places": {}}


def _in_order(document: Document, report: Report) -> tuple[Finding, ...]:
    rank = {file: number for number, file in enumerate(document.files)}
    found = [*document.findings, *report.findings()]
    return tuple(sorted(found, key=lambda finding: (rank.get(finding.file, len(rank)), finding.line)))
