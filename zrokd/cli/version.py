"""`zrokd version`."""

from __future__ import annotations

import click

from zrokd import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"zrokd {__version__}")
