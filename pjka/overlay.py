"""A configuration's files as they are, with edits that exist only in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pjka.conf.dialect import DialectError, parse
from pjka.conf.includes import Directory, Included
from pjka.conf.loader import Configuration, objects_of
from pjka.rewrite import Change


class Overlay:
    """The files of the configuration at ``path``, each read once and then kept.

    ``root`` is the root directory of the process that they are for.
    """

    def __init__(self, path: str, root: Path | None) -> None:
        self._path = path
        self._root = root
        self._read: dict[str, bytes] = {}
        self._edited: dict[str, bytes] = {}

    def configuration(self) -> Configuration:
        """Read all of it, edits included; raises :class:`DialectError` if it is unusable."""
        directory = Directory(os.path.dirname(self._path) or ".", self._root)

        def opener(name: str) -> Iterator[Included]:
            for included in directory.open(name):
                yield self._with_edits(included)

        main = self._with_edits(directory.open_file(self._path))
        if main.text is None:
            raise DialectError(f"cannot be read: {main.problem}", file=self._path)
        document = parse(main.text, self._path, opener=opener)
        return objects_of(document, path=self._path, root=self._root)

    def content(self, file: str) -> bytes:
        """A file that was read, with its edits."""
        return self._edited.get(file, self._read[file])

    def having(self, contents: Mapping[str, bytes]) -> Overlay:
        """The same files, some with another content."""
        other = Overlay(self._path, self._root)
        other._read = self._read
        other._edited = {**self._edited, **contents}
        return other

    def changes(self) -> tuple[Change, ...]:
        """What to write to make it real."""
        return tuple(
            Change(file, self._read[file], content)
            for file, content in self._edited.items()
            if content != self._read[file]
        )

    def _with_edits(self, included: Included) -> Included:
        if included.text is None:
            return included
        self._read.setdefault(included.file, included.text)
        return included._replace(text=self.content(included.file))
