"""Controllers on one database: which live, and which of them leads.

Each run holds a session with two of PostgreSQL's advisory locks: one that says "this run lives", and one that a single
run has, the leader. The server gives them back when the session ends, however that comes: with the process, or with
the machine. A leader whose session broke may believe for one more beat that it leads; what leaders do is safe when two
do it, as each step claims its subject in the database.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from typing import Any, Protocol

from zrokd.errors import StartError, StoreError
from zrokd.store.dialects import LEADER, PRESENT, is_postgres
from zrokd.store.failures import translated

_HELD = """
    select objid::bigint from pg_locks where locktype = 'advisory' and granted and objsubid = 2 and classid = %s
    and database = (select oid from pg_database where datname = current_database())
"""


class Session(Protocol):
    """A connection of our own, outside of transactions."""

    def execute(self, query: str, params: tuple[Any, ...] = (), /) -> Any:
        """A cursor."""

    def close(self) -> None:
        """End it. Idempotent."""


class Alone:
    """A database for one controller: it leads, and there is nobody else."""

    leads = True

    def beat(self) -> bool:
        """Whether we lead."""
        return True

    def dead(self, workers: Collection[str]) -> set[str]:  # noqa: ARG002
        """Whoever is not we was before us: the reconciler knows."""
        return set()

    def close(self) -> None:
        """Nothing is held."""


class Peers:
    """This run among others. Its methods block, for the limits of the database; call them one at a time."""

    def __init__(self, open_session: Callable[[], Session], worker: str) -> None:
        self.leads = False
        self._open_session, self._worker = open_session, worker
        self._session: Session | None = None
        self._missed: set[str] = set()

    def beat(self) -> bool:
        """Whether we lead, from now to the next beat. Does what is needed to live, and to lead when nobody does.

        :raises StoreError: not now; we neither lead nor live until a beat that works.
        """
        try:
            self.leads = self._beat()
        except Exception as error:  # the driver's own: peewee is not between
            self.close()
            raise StoreError(f"no session with the database: {error}") from error
        return self.leads

    def dead(self, workers: Collection[str]) -> set[str]:
        """Those of these runs that were not there at two calls in a row: one beat may fail. Needs a beat before.

        :raises StoreError: not now.
        """
        try:
            held = {row[0] for row in self._use().execute(_HELD, (PRESENT,)).fetchall()}
        except Exception as error:
            self.close()
            raise StoreError(f"no session with the database: {error}") from error
        missing = {worker for worker in workers if _key(worker) not in held}
        again, self._missed = missing & self._missed, missing
        return again

    def close(self) -> None:
        """Lead no more, and be gone in the eyes of the others. Idempotent."""
        self.leads, self._missed = False, set()
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _use(self) -> Session:
        if self._session is None:
            session = self._session = self._open_session()
            session.execute("select pg_advisory_lock(%s, %s)", (PRESENT, _key(self._worker)))
        return self._session

    def _beat(self) -> bool:
        session = self._use()
        if self.leads:
            session.execute("select 1")
            return True
        return bool(session.execute("select pg_try_advisory_lock(%s)", (LEADER,)).fetchone()[0])


def running(database: Any) -> int:
    """How many controllers live on a database for several; of one for a single controller its storage knows. Blocks.

    :raises StoreError: not now.
    """
    if not is_postgres(database):
        return 0
    with translated(), database.connection_context():
        return len(database.execute_sql(_HELD, (PRESENT,)).fetchall())


def peers_of(database: Any, worker: str) -> Alone | Peers:
    """How a run knows of others on a database. Does not connect. :raises StartError: it cannot, and there may be."""
    if not is_postgres(database):
        return Alone()
    if not hasattr(database, "session"):
        raise StartError("this storage gives no sessions, so that controllers cannot tell who leads: use postgres")
    return Peers(database.session, worker)


def _key(worker: str) -> int:
    return zlib.crc32(worker.encode()) & 0x7FFFFFFF
