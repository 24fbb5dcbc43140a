"""``pjka completion``: what a shell must read to complete pjka's commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pjka.cli.failures import Unusable


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Examples:
      eval "$(pjka completion bash)"
      pjka completion bash > /etc/bash_completion.d/pjka
      pjka completion fish > ~/.config/fish/completions/pjka.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise Unusable(f"no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "pjka", "_PJKA_COMPLETE").source())
