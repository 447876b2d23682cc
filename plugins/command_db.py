"""`zrokd db`: the schema of a configuration's database."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zrokd import hookimpl
from zrokd.contracts import Command
from zrokd.model.audit import Actor, acting, local_user

if TYPE_CHECKING:
    from zrokd.contracts import Storage
    from zrokd.store.migrate import Step

_NUMBER = click.IntRange(min=0)
_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


class DbCommand(Command):
    """Status, upgrade and downgrade; backup and restore."""

    name = "db"

    def configure(self) -> click.Group:
        """The group."""
        return db


@click.group()
def db() -> None:
    """Look at the controller's database, change its schema, back it up."""


@db.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def status(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Show which migrations the database of FILE has seen."""
    from zrokd.store import migrate

    with _database(ctx, file) as database:
        for step in migrate.status(database):
            click.echo(_line(step, as_json=as_json))


@db.command()
@_FILE
@click.option("--to", type=_NUMBER, metavar="N", help="Stop after migration number N, such as 0009.")
@click.pass_context
def upgrade(ctx: click.Context, file: Path, to: int | None) -> None:
    """Apply what is pending to the database of FILE."""
    from zrokd.store import migrate

    with _database(ctx, file, make=True) as database:
        names = migrate.upgrade(database, to=to)
    click.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


def _steps(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """How many; who writes the number of a migration, as `status` shows them, does not mean so many steps."""
    if value is None:
        return None
    if value[:1] == "0" and value != "0":
        number = value.partition("_")[0]
        raise click.UsageError(f"{value} is a migration's number; write --to {number} to keep it, or how many steps")
    if not (value.isascii() and value.isdecimal() and int(value)):
        raise click.UsageError(f"STEPS is how many migrations to take back, from 1 on, not {value!r}")
    return int(value)


@db.command()
@_FILE
@click.argument("steps", required=False, callback=_steps)
@click.option(
    "--to", type=_NUMBER, metavar="N", help="Keep migration number N, such as 0009, and those before; 0: none."
)
@click.option("--yes", is_flag=True, help="Do not ask before.")
@click.pass_context
def downgrade(ctx: click.Context, file: Path, steps: int | None, to: int | None, *, yes: bool) -> None:
    """Take back the last STEPS migrations of the database of FILE, or with --to those after number N."""
    from zrokd.store import migrate

    if (steps is None) == (to is None):
        raise click.UsageError("say how many STEPS to take back, or --to N")
    if not yes:
        click.confirm("What the tables hold is lost, and a running controller fails. Go on?", abort=True, err=True)
    with _database(ctx, file) as database:
        names = migrate.downgrade(database, steps or 0, to=to)
    click.echo("\n".join(f"took back {name}" for name in names) or "nothing to do")


@db.command()
@_FILE
@click.argument("target", type=click.Path(exists=False, allow_dash=True, path_type=Path), metavar="TARGET")
@click.pass_context
def backup(ctx: click.Context, file: Path, target: Path) -> None:
    """Write the database of FILE into the new file TARGET, as it is at one moment. The controller may run.

    It is checked before it gets its name. TARGET - is standard output.
    """
    if str(target) == "-":
        _backup_to_output(ctx, file)
        return
    with _storage(ctx, file) as storage, _new(target) as unfinished:
        storage.backup(unfinished)
    click.echo(f"{target}: {target.stat().st_size} bytes")


def _backup_to_output(ctx: click.Context, file: Path) -> None:
    if sys.stdout.isatty():
        raise click.UsageError("a backup is not for a terminal: redirect standard output, or name a file")
    with tempfile.TemporaryDirectory(prefix="zrokd-backup-") as folder:  # nobody but us may read in there
        whole = Path(folder, "backup")
        with _storage(ctx, file) as storage:
            storage.backup(whole)
        try:
            with whole.open("rb") as source:
                shutil.copyfileobj(source, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise click.ClickException(f"the backup cannot be written: {error.strerror}") from error


@db.command()
@_FILE
@click.argument("source", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path), metavar="SOURCE")
@click.confirmation_option(prompt="What the database holds now is lost. Go on?")
@click.pass_context
def restore(ctx: click.Context, file: Path, source: Path) -> None:
    """Make the database of FILE what the backup SOURCE holds, its schema up to date. No controller may run."""
    from zrokd.store import migrate, peers
    from zrokd.store.database import Store

    with _storage(ctx, file, make=True) as storage:
        migrate.refuse_newer(storage.schema_of(source))
        if peers.running(storage.database()):
            raise click.ClickException("controllers run on this database; stop them first")
        storage.restore(source)
        for name in migrate.upgrade(storage.database()):
            click.echo(f"applied {name}")
        with acting(Actor(name=f"user {local_user()}", via="zrokd db restore")):
            Store(storage.database()).write(_tell_restored, source)
    click.echo(f"restored {source}; the controller compares it with the overlay within a minute, or when it starts")


def _tell_restored(source: Path) -> None:
    from zrokd.store import audit, meta

    meta.begin_epoch()  # frontends know names that the backup does not
    audit.note("database.restored", source.name)


def _line(step: Step, *, as_json: bool) -> str:
    state = "pending" if step.pending else f"applied {step.applied_at}"
    if not as_json:
        return f"{step.name}  {state}" + ("" if step.known else "  (by a newer zrokd)")
    return json.dumps({"name": step.name, "applied_at": step.applied_at or None, "known": step.known})


@contextmanager
def _new(target: Path) -> Iterator[Path]:
    """A file that is renamed to `target` when the block ends well; nobody but us may read it.

    :raises click.UsageError: there is such a file. :raises click.ClickException: it cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        if target.exists():
            raise click.UsageError(f"{target} exists; name a new file")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(0o600)
        yield unfinished
        _sync(unfinished)
        unfinished.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """What was written there is on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _database(ctx: click.Context, file: Path, *, make: bool = False) -> Iterator[Any]:
    """The database of a configuration file, open. :raises ZrokdError: as `_storage`."""
    with _storage(ctx, file, make=make) as storage:
        yield storage.database()


@contextmanager
def _storage(ctx: click.Context, file: Path, *, make: bool = False) -> Iterator[Storage]:
    """The storage of a configuration file, open. :raises ConfigError: the file is wrong. :raises ZrokdError: it is."""
    from zrokd.config.load import load
    from zrokd.config.offline import storage_of

    with storage_of(load(file, registry=ctx.obj["registry"]), make=make) as storage:
        yield storage


@hookimpl
def zrokd_provide_commands() -> Iterable[type[Command]]:
    """The command of this module."""
    return [DbCommand]
