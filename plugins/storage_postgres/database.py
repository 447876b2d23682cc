"""The database as peewee sees it: connections are kept for the next use, and one that is away is not asked by all."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import peewee
import psycopg
from psycopg.conninfo import make_conninfo

from .connection import Connection
from .settings import PostgresSettings

_KEPT = 16  # idle connections; the host's pool has fewer threads


class PostgresDatabase(peewee.PostgresqlDatabase):
    """One database on a server. Every method may block the thread it runs in, for the limits of its settings.

    There are as many connections as there are threads at work, so nobody waits for one here. After a connection could
    not be made, or an answer did not come, everybody is refused at once until `retry` has passed; then one asks.
    """

    def __init__(self, settings: PostgresSettings, log: logging.Logger | None = None) -> None:
        super().__init__(settings.database, prefer_psycopg3=True)
        self.conninfo = make_conninfo("", **_parameters(settings))
        self.trouble = ""  # why the server cannot be asked, for the operator
        self._settings, self._log = settings, log or logging.getLogger("zrokd.storage.postgres")
        self._limits = {
            "statement_s": settings.statement,
            "lock_s": settings.lock,
            "idle_transaction_s": settings.idle_transaction,
        }
        self._idle: deque[Connection] = deque(maxlen=_KEPT)
        self._ask_again_at = 0.0
        # Connecting is guarded per thread by the connection's own state; a lock would let everybody wait for one.
        self._lock = contextlib.nullcontext()

    def session(self) -> Connection:
        """A connection for the caller alone, who closes it; for locks that last. :raises psycopg.OperationalError:"""
        return self._reach()

    @contextlib.contextmanager
    def leisure(self) -> Iterator[None]:
        """Inside, statements of this thread's connection may take long, and so may their waits for locks."""
        database: Any = self  # peewee tells no types
        connection: Connection = database.connection()
        long_s = self._settings.leisure
        connection.limit(statement_s=long_s, lock_s=long_s, idle_transaction_s=long_s)
        try:
            yield
        finally:
            if not connection.closed:
                connection.limit(**self._limits)

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    # -- what peewee calls ---

    def _connect(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet:
                return connection
            connection.close()
        return self._reach()

    def _close(self, conn: Connection) -> None:
        if conn.closed and conn.gave_up:
            self._away("it does not answer")
        elif conn.idle and len(self._idle) < _KEPT:
            self._back()
            self._idle.append(conn)
        else:
            conn.close()

    # -- whether it is there ---

    def _reach(self) -> Connection:
        now = time.monotonic()
        if now < self._ask_again_at:
            raise psycopg.OperationalError(self.trouble)
        if self.trouble:
            self._ask_again_at = now + self._settings.connect + self._settings.retry  # we ask; the others wait
        try:
            connection = Connection.reach(self.conninfo, connect_s=self._settings.connect, **self._limits)
        except psycopg.OperationalError as error:
            self._away(" ".join(str(error).split()))
            raise
        self._back()
        return connection

    def _away(self, why: str) -> None:
        if not self.trouble:
            self._log.warning("the database is away: %s", why)
        self.trouble = why
        self._ask_again_at = time.monotonic() + self._settings.retry
        self.close_idle()

    def _back(self) -> None:
        if self.trouble:
            self._log.info("the database is back")
        self.trouble, self._ask_again_at = "", 0.0


def _parameters(settings: PostgresSettings) -> dict[str, Any]:
    """libpq's words for the settings. Source: PostgreSQL 15, 34.1.2 Parameter Key Words."""
    found: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.database,
        "user": settings.user,
        "sslmode": settings.tls,
        "target_session_attrs": "read-write",
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        # The server's side, too: the locks of a controller whose machine is gone are free after 16 s, not after hours.
        "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
    }
    if settings.password.reveal():
        found["password"] = settings.password.reveal()
    if settings.ca:
        found["sslrootcert"] = settings.ca
    return found
