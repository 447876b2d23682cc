"""`zrokd admin import-zrok`: move a site from zrok v2."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrokd.model.audit import Actor, acting, local_user

from .desk import Desk, at_desk

if TYPE_CHECKING:
    from zrokd.service.zrok_import import Report


@click.command("import-zrok")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--config",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The controller's configuration file; its database takes all over.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be taken over.")
@click.option("--skip-conflicts", is_flag=True, help="Take over the rest, and leave out what is in the way.")
@at_desk
def import_zrok(desk: Desk, source: Path, config: Path, *, dry_run: bool, skip_conflicts: bool) -> None:
    """Take over accounts, environments, names and more from zrok v2: FILE is its SQLite file, or a plain pg_dump."""
    from zrokd.config.load import load
    from zrokd.config.offline import storage_of
    from zrokd.service import zrok_database, zrok_import
    from zrokd.store import migrate
    from zrokd.store.database import Store

    rows = zrok_database.read(source)
    with storage_of(load(config, registry=desk.registry), make=True) as storage:
        migrate.upgrade(storage.database())
        with acting(Actor(name=f"user {local_user()}", via="zrokd admin import-zrok")):
            now_ms = int(time.time() * 1000)
            store = Store(storage.database())
            report = zrok_import.import_zrok(store, rows, now_ms, dry_run=dry_run, skip=skip_conflicts)
    _tell(desk, report, dry_run=dry_run)


def _tell(desk: Desk, report: Report, *, dry_run: bool) -> None:
    for conflict in report.conflicts:
        desk.say({"conflict": conflict}, f"in the way: {conflict}")
    counts = {"new": report.new, "kept": report.kept, "left": report.left}
    for kind in sorted({kind for counter in counts.values() for kind in +counter}):
        numbers = {name: counter[kind] for name, counter in counts.items() if counter[kind]}
        words = ", ".join(f"{count} {_WORDS[name]}" for name, count in numbers.items())
        desk.say({"kind": kind, **numbers}, f"{kind}: {words}")
    if report.conflicts and not report.written and not dry_run:
        raise click.ClickException(f"nothing was taken over: {len(report.conflicts)} in the way (or --skip-conflicts)")
    if dry_run:
        click.echo("nothing was taken over: this was a dry run", err=True)


_WORDS = {"new": "new", "kept": "here already", "left": "not taken over"}
