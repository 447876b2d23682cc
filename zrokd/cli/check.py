"""`zrokd check FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrokd.cli.sets import SETS, parse_sets

if TYPE_CHECKING:
    from zrokd.host.registry import Registry


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--effective", is_flag=True, help="Print what is in force, with secrets hidden.")
@click.option("--schema", is_flag=True, help="Print a JSON Schema for editors; FILE is not needed.")
@SETS
def check(file: Path | None, *, effective: bool, schema: bool, sets: tuple[str, ...]) -> None:
    """Check FILE and conf.d/*.yml beside it; name every mistake with its place. Exit code 2 with any."""
    from zrokd.host.registry import Registry

    registry = Registry()
    if schema:
        click.echo(_schema(registry))
        return
    if file is None:
        raise click.MissingParameter(param_hint="'FILE'", param_type="argument")
    from zrokd.config.load import load
    from zrokd.config.render import render_problems

    configuration = load(file, registry=registry, overrides=parse_sets(sets))
    if configuration.warnings:
        click.echo(render_problems(configuration.warnings), err=True, nl=False)
    if effective:
        from zrokd.config.effective import effective as in_force

        click.echo(in_force(configuration), nl=False)
    else:
        click.echo(f"{file}: fine; roles: {', '.join(configuration.roles) or 'none'}")


def _schema(registry: Registry) -> str:
    from zrokd.cli.plugins import installed_classes
    from zrokd.config.schema import json_schema

    return json.dumps(json_schema(installed_classes(registry)), indent=2)
