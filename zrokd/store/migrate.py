"""The schema's versions: where a database stands, and how it gets to another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from zrokd.errors import NotFound, StartError
from zrokd.store.dialects import upgrading
from zrokd.store.failures import translated

_SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration. `applied_at` is ISO 8601 local time, or "" when it is pending."""

    name: str
    applied_at: str = ""
    known: bool = True  # False: a newer zrokd applied it

    @property
    def pending(self) -> bool:
        """Whether an upgrade would apply it."""
        return not self.applied_at


def status(database: peewee.Database) -> tuple[Step, ...]:
    """Every migration known here or applied there, in order. :raises StoreError: the database cannot be read."""
    with _runner(database) as runner:
        return _steps(runner)


def upgrade(database: peewee.Database, *, to: int | None = None) -> tuple[str, ...]:
    """Apply what is pending, up to number `to` or all; the names applied.

    One transaction each: killed midway, run it again. Controllers that do it at the same time wait for each other.
    :raises StartError: the schema is newer than this zrokd. :raises StoreError: the database does not do it.
    :raises NotFound: no migration has the number `to`.
    """
    with _runner(database) as runner, upgrading(database):
        steps = _steps(runner)
        _refuse_newer(steps)
        return tuple(runner.up(None if to is None else _numbered(steps, to)))


def downgrade(database: peewee.Database, steps: int = 1, *, to: int | None = None) -> tuple[str, ...]:
    """Take back the last `steps` migrations, or those after number `to` (0: all); their names. What they hold is lost.

    :raises StartError: the schema is newer than this zrokd. :raises StoreError: the database does not do it.
    :raises NotFound: no migration has the number `to`.
    """
    with _runner(database) as runner, upgrading(database):
        known = _steps(runner)
        _refuse_newer(known)
        applied = [step.name for step in known if not step.pending]
        if to is not None:
            kept = _numbered(known, to) if to else ""
            steps = sum(name > kept for name in applied)
        return tuple(name for _ in applied[-steps:] for name in runner.down()) if steps > 0 else ()


def check(database: peewee.Database) -> None:
    """Return when this zrokd can work with the schema.

    :raises StartError: it is newer, or older; says what to do. :raises StoreError: the database cannot be read.
    """
    steps = status(database)
    _refuse_newer(steps)
    if any(step.pending for step in steps):
        raise StartError(
            f"the database has schema {_latest(steps, applied=True)}, and this zrokd needs {_latest(steps)}: "
            "run `zrokd db upgrade`"
        )


@contextmanager
def _runner(database: peewee.Database) -> Iterator[Runner]:
    with translated(), database.connection_context():
        yield Runner(database, directory=str(_SCRIPTS))


def refuse_newer(applied: Iterable[str]) -> None:
    """Return when this zrokd knows all of these migrations. :raises StartError: it does not; says what to do."""
    known = {path.stem for path in _SCRIPTS.glob("[0-9]*.py")}
    _refuse_newer(tuple(Step(name, "1970", known=name in known) for name in sorted({*known, *applied})))


def _steps(runner: Runner) -> tuple[Step, ...]:
    return tuple(
        Step(one.name, one.applied.isoformat(" ", "seconds") if one.applied else "", known=one.path is not None)
        for one in runner.status()
    )


def _numbered(steps: tuple[Step, ...], number: int) -> str:
    for step in steps:
        if step.name.startswith(f"{number:04d}_"):
            return step.name
    raise NotFound(f"no migration has the number {number}; the last one is {_latest(steps)}")


def _refuse_newer(steps: tuple[Step, ...]) -> None:
    unknown = [step.name for step in steps if not step.known]
    if unknown:
        raise StartError(
            f"the database has schema {unknown[-1]}, and this zrokd knows none after {_latest(steps)}: "
            "use the zrokd that upgraded it, or let that one run `zrokd db downgrade`"
        )


def _latest(steps: tuple[Step, ...], *, applied: bool = False) -> str:
    fitting = [step.name for step in steps if step.known and not (applied and step.pending)]
    return fitting[-1] if fitting else "none"
