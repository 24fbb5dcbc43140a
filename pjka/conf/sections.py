"""The sections of a configuration while it is read: inheritance, continuation and ``+=``.

The rules are those of ``process_text_line`` in Asterisk's ``main/config.c``. Names are compared as
``strcasecmp`` does, unless something else is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pjka.conf.document import DialectError, EndlessError, Option, Section, fold, normal
from pjka.conf.expressions import ExpressionSizeError
from pjka.conf.filters import parse_filter
from pjka.conf.lines import BLANKS

MAX_NAME: Final = 79
"""How many bytes of a section's name are kept."""
MAX_WORK: Final = 100_000_000
"""How many options may be looked at for ``+=`` and filters, ten times as many as may be inherited."""


class Sections:
    """All sections so far. Methods raise `DialectError` at the place of the section or option they get."""

    def __init__(self) -> None:
        self.all: list[Section] = []
        self.current: Section | None = None
        """The section declared or continued last, in which the next included file begins."""
        self._same: dict[str, list[Section]] = {}
        self._bases: dict[str, Section] = {}
        self._work = 0

    def declare(self, section: Section, name: str, words: list[str]) -> Section:
        """The section that a header declares or continues, with what it inherits.

        ``name`` is the name before it was cut, ``words`` are what stands in the parentheses: they take effect
        one after the other. Returns the section that the following lines belong to.
        """
        continued: Section | None = None
        for word in words:
            target = continued or section
            if word in self._bases:
                self._inherit(section, target, self._bases[word])
            elif word == "!":
                target.template = True
            elif word.startswith("+"):
                found = self._find(section, name, word[1:])
                if continued is None:
                    self._continue(found, section)
                continued = found
            else:
                self._inherit(section, target, self._base(section, word))
        if continued is None:
            self._append(section)
        return continued or section

    def extend(self, section: Section, option: Option) -> bool:
        """Add the value, which may begin with blanks, to that of the last option of exactly this name.

        Asterisk replaces the first option with that name and value, which can be another. False if there is
        none of the name.
        """
        options = section.options
        last = next((other for other in reversed(options) if other.name == option.name), None)
        if last is None:
            return False
        self._spend(len(options) + len(last.value), option)
        value = normal((last.value + option.value).strip(BLANKS))
        name, match = fold(last.name), fold(last.value)
        for index, other in enumerate(options):
            if fold(other.name) == name and (not match or fold(other.value) == match):
                options[index] = option._replace(value=value)
                break
        return True

    def _append(self, section: Section) -> None:
        self.all.append(section)
        self.current = section
        key = fold(section.name)
        if key in self._same:
            self._same[key].append(section)
        else:
            self._same[key] = [section]

    def _continue(self, found: Section, section: Section) -> None:
        found.template = found.template or section.template
        found.options.extend(section.options)
        self.current = found

    def _base(self, header: Section, name: str) -> Section:
        """The first section of that name, which remains the first."""
        named = self._named(name)
        if not named:
            raise DialectError(
                f"no section {shown(name)} to inherit from", file=header.file, line=header.line
            )
        self._bases[name] = named[0]
        return named[0]

    def _inherit(self, header: Section, target: Section, base: Section) -> None:
        if base is target and base.options:
            raise EndlessError("the section inherits from itself", file=header.file, line=header.line)
        self._spend(10 * len(base.options), header)
        target.options.extend(base.options)

    def _find(self, header: Section, name: str, text: str) -> Section:
        try:
            wanted = parse_filter(text)
        except ExpressionSizeError as error:
            raise EndlessError(f"{error} in the filter", file=header.file, line=header.line) from None
        for section in self._named(name):
            self._spend(1 + 10 * wanted.cost(section), header)
            if wanted.matches(section):
                return section
        raise DialectError(f"no section {shown(name)} to continue", file=header.file, line=header.line)

    def _named(self, name: str) -> Sequence[Section]:
        """The sections of that name; all of them where there is none."""
        return self._same.get(fold(name), ()) if name else self.all

    def _spend(self, work: int, place: Section | Option) -> None:
        self._work += work
        if self._work > MAX_WORK:
            message = "too much is inherited, extended with += or looked for with filters"
            raise EndlessError(message, file=place.file, line=place.line)


def shown(name: str) -> str:
    """A name as it can stand in a message."""
    return repr(name[:MAX_NAME])
