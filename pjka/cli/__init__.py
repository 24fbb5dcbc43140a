"""The commands of pjka; the only package that prints."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

#: Each command and the module of this package that has it, under the command's name.
_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "attach": "attach",
        "check": "check",
        "completion": "completion",
        "demo": "demo",
        "drill": "drill",
        "engine": "run",
        "events": "show",
        "kill": "actions",
        "qualify": "actions",
        "reload": "actions",
        "run": "run",
        "show": "show",
    }
)


class Commands(click.Group):
    """Imports a command when it is called for: `pjka show` need not wait for what `pjka run` needs."""

    def list_commands(self, _: click.Context) -> list[str]:
        """The names, in the order of the help text."""
        return sorted(_MODULES)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command, None if there is none of this name."""
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"{__name__}.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pjka")
def main() -> None:
    """Keep-alive and transport management for PJSIP systems."""
