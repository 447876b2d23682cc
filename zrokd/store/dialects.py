"""What differs between databases: how a transaction begins, who else may write, and how long an upgrade may wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import peewee

#: Keys of PostgreSQL's advisory locks. One number for each kind of lock, in a space that is ours.
WRITER, UPGRADE, LEADER, PRESENT = 0x7A726F6B00, 0x7A726F6B01, 0x7A726F6B02, 0x7A726F6B


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to begin what only reads, and what also writes."""

    reading: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    alone: bool = True  # whether the database is for one controller
    exclusive: str = ""  # a statement that returns when nobody else writes until this transaction ends
    told: str = "json_each({value}) told"  # rows whose column `value` is an element of the JSON array in a parameter

    def exclude_writers(self, database: Any) -> None:
        """To be called first in a transaction that writes."""
        if self.exclusive:
            database.execute_sql(self.exclusive)


#: SQLite gives no writer's lock to a transaction that began by reading while somebody wrote: take it first.
_SQLITE = Dialect(writing=("IMMEDIATE",))
#: Readers see one moment. Writers go one after another, as on SQLite, and each sees what those before it committed:
#: that needs READ COMMITTED, as a snapshot would be from before the lock.
_POSTGRES = Dialect(
    reading=("REPEATABLE READ, READ ONLY",),
    writing=("READ COMMITTED",),
    alone=False,
    exclusive=f"select pg_advisory_xact_lock({WRITER})",
    told="json_array_elements(cast({value} as json)) told(value)",
)


def dialect_of(database: peewee.Database) -> Dialect:
    """The dialect of a database."""
    return _POSTGRES if is_postgres(database) else _SQLITE


def is_postgres(database: peewee.Database) -> bool:
    """Whether advisory locks are to be had."""
    return isinstance(database, peewee.PostgresqlDatabase)


@contextmanager
def upgrading(database: Any) -> Iterator[None]:
    """Inside, nobody else changes the schema, and statements may take long. Needs a connection."""
    if not is_postgres(database):  # SQLite: the lock of each transaction is enough, as none runs twice
        yield
        return
    with _leisure(database):
        database.execute_sql("select pg_advisory_lock(%s)", (UPGRADE,))
        try:
            yield
        finally:
            database.execute_sql("select pg_advisory_unlock(%s)", (UPGRADE,))


def _leisure(database: Any) -> AbstractContextManager[Any]:
    """A database whose waits have limits may have a method `leisure` that lifts them."""
    leisure = getattr(database, "leisure", None)
    return nullcontext() if leisure is None else leisure()
