"""How a command ends that could not do what it was asked: the exit codes, the same for every command."""

from __future__ import annotations

from typing import ClassVar

import click

from pjka.text import printable


class Failed(click.ClickException):
    """It was tried and failed; exit code 1. The message is escaped."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class Unusable(Failed):
    """What the user has to put right before anything can run; exit code 2."""

    exit_code: ClassVar[int] = 2


class NotPermitted(Failed):
    """It takes another user, or more capabilities; exit code 3."""

    exit_code: ClassVar[int] = 3
