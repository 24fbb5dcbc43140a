"""The root of all errors that pjka raises on purpose."""

from __future__ import annotations


class PjkaError(Exception):
    """Something a user can put right; the message says what, and where if it came from a file.

    ``file`` and ``line`` (from 1) tell where, ``option`` and ``value`` what was read there, ``expected`` what
    would have been accepted. Each is None where it does not apply.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        option: str | None = None,
        value: str | None = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.option = option
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        where = self.file or ""
        if self.line is not None:
            where += f":{self.line}"
        text = f"{where}: {self.message}" if where else self.message
        if self.option is not None:
            text += f" ({self.option}" + (f" = {self.value!r})" if self.value is not None else ")")
        if self.expected is not None:
            text += f"; expected {self.expected}"
        return text
