"""What is worth telling about a configuration file, short of refusing it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is for the operator, worst first."""

    ERROR = "error"
    """Asterisk refuses what is written there, or cannot work with it."""
    WARNING = "warning"
    """It is accepted, but does not do what it says, or does harm."""
    NOTICE = "notice"
    """It works and could be better, or is worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation about one line of a configuration file."""

    severity: Severity
    code: str
    """Stable name of the kind of finding in kebab-case, for instance ``block-comment-unterminated``."""
    file: str
    line: int
    """From 1."""
    message: str
    """What was found."""
    asterisk: str
    """What Asterisk does with it."""
    advice: str
    """What to do instead."""
