"""`--set KEY=VALUE`, which beats the environment and the file."""

from __future__ import annotations

import click

SETS = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a dotted key, such as log.level=debug; repeatable."
)


def parse_sets(sets: tuple[str, ...]) -> dict[str, str]:
    """Dotted key -> text. :raises click.UsageError: one has no key or no value."""
    pairs = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--set {text}: write it KEY=VALUE, such as log.level=debug")
        pairs[key] = value
    return pairs
