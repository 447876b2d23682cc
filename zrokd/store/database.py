"""The one way to the database: off the hub, a connection per use, a transaction around every write."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

import peewee

from zrokd.contracts import Storage
from zrokd.store import audit, meta, tables
from zrokd.store.dialects import dialect_of
from zrokd.store.failures import translated
from zrokd.store.fitness import Fitness
from zrokd.store.line import Line

P = ParamSpec("P")
T = TypeVar("T")
_LONGEST_S = 5.0  # one waits for others to write
_PAUSE_S = 0.5  # a file that somebody else holds is left alone; storages on servers see to it themselves


class Offload(Protocol):
    """A way to run what blocks (`Context.offload` is one)."""

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, run where blocking hurts nobody."""


def direct(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(...)` right here: for programs without a hub, and for drivers that do not block it."""
    return function(*args, **kwargs)


class Store:
    """The database of this process. Making one binds the tables to it."""

    def __init__(self, database: peewee.Database, offload: Offload = direct) -> None:
        self.database, self.offload = database, offload
        self._dialect = dialect_of(database)
        # In a line of ours: databases let whoever asks at the right moment go first, and a thread is held meanwhile.
        self._line = Line(_LONGEST_S, _PAUSE_S if self._dialect.alone else 0.0)
        self._fitness = Fitness()
        tables.database.initialize(database)

    @property
    def alone(self) -> bool:
        """Whether no controller but ours works on this database: SQLite is for one."""
        return self._dialect.alone

    @property
    def trouble(self) -> str:
        """Why the database takes no changes, for its operator; "" while it does."""
        return self._fitness.trouble

    def look_again(self) -> None:
        """Find out whether a trouble is over, when it is time. Switches greenlets. :raises StoreError: it is not."""
        if self.trouble and self._fitness.rests:
            self.write(meta.begin_trial)
            self.write(meta.end_trial)
            self._fitness.over()

    @classmethod
    def over(cls, storage: Storage, offload: Offload) -> Store:
        """The store in a storage component, which must be open and outlive it."""
        return cls(storage.database(), offload if storage.blocks else direct)

    def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns, run off the hub inside a connection and one consistent view. Switches greenlets.

        :raises StoreError: the database does not do it now.
        """
        with self._fitness.watched():
            return self.offload(self._read, partial(function, *args, **kwargs))

    def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, inside a transaction that excludes other writers and is undone if `function` raises.

        What it tells by `audit.note` is kept with its work, on behalf of the caller's `actor`.

        :raises Conflict: somebody else changed the same at the same time. :raises StoreError: as `read`.
        """
        with self._line.turn(), self._fitness.watched():
            return self.offload(contextvars.copy_context().run, self._write, partial(function, *args, **kwargs))

    def _read(self, work: Callable[[], T]) -> T:
        with translated(), self.database.connection_context(), self.database.atomic(*self._dialect.reading):
            return work()

    def _write(self, work: Callable[[], T]) -> T:
        with translated(), self.database.connection_context(), self.database.atomic(*self._dialect.writing):
            self._dialect.exclude_writers(self.database)
            notes = audit.begin()
            done = work()
            if notes:
                audit.seal(notes, time.time_ns() // 1_000_000)
            return done
