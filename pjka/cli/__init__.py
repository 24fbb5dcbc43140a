"""The commands of pjka; the only package that prints."""

from __future__ import annotations

import click

from pjka.cli.run import engine


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pjka")
def main() -> None:
    """Keep-alive and transport management for PJSIP systems."""


main.add_command(engine)
