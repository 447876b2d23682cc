"""`zrokd completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def completion(shell: str) -> None:
    """Print a completion script: source <(zrokd completion bash)."""
    from zrokd.cli.main import program

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(program, {}, "zrokd", "_ZROKD_COMPLETE").source())
