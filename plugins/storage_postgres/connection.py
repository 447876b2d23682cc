"""One connection to the server, each of whose waits has a limit here, too: a server that stands still obeys none."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from gevent.monkey import get_original
from psycopg.conninfo import make_conninfo

T = TypeVar("T")
_MARGIN_S = 0.2  # the server's own limit comes first, where it still answers
_READ, _WRITE = 1, 2  # psycopg's Wait and Ready
_poll = get_original("select", "poll")  # of this thread alone: no hub of gevent's is made for it
_IN = 1  # POLLIN; everything else that is not POLLOUT is a broken connection, which reading tells
_OUT = 4  # POLLOUT


class Connection(psycopg.Connection[Any]):
    """For use in one real thread at a time. After a wait that took too long it is broken: close it."""

    gave_up = False  # whether an answer did not come in time
    _limit_s = 0.5  # of the statement that sets the limits

    @classmethod
    def reach(cls, conninfo: str, *, connect_s: float, **limits_s: float) -> Connection:
        """A new connection in autocommit mode. Blocks up to `connect_s` seconds.

        :raises psycopg.OperationalError: no server, no answer, or it lets us not in.
        """
        until = time.monotonic() + connect_s
        making = cls._connect_gen(make_conninfo(conninfo, application_name="zrokd"))
        connection = _drive(making, until, "connecting")
        connection.autocommit = True
        try:
            connection.limit(**limits_s)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def limit(self, *, statement_s: float, lock_s: float, idle_transaction_s: float) -> None:
        """Set the limits of what follows, at the server and here. Source: PostgreSQL 15, 20.11.1 Statement Behavior."""
        self.execute(
            f"set statement_timeout = {_ms(statement_s)}; set lock_timeout = {_ms(lock_s)}; "
            f"set idle_in_transaction_session_timeout = {_ms(idle_transaction_s)}"
        )
        self._limit_s = statement_s + _MARGIN_S

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.0, timeout: float | None = None) -> T:  # noqa: ARG002
        """What psycopg waits for in all its methods. Blocks this thread, and no hub.

        :raises psycopg.OperationalError: the server does not answer; the connection is closed.
        """
        limit_s = self._limit_s if timeout is None else timeout
        try:
            return _drive(gen, time.monotonic() + limit_s, "a statement", self.pgconn.socket)
        except TooLate:
            self.gave_up = True
            self.pgconn.finish()
            raise

    @property
    def quiet(self) -> bool:
        """Whether nothing came unasked: the end of the connection would have."""
        if self.closed:
            return False
        watching = _poll()
        watching.register(self.pgconn.socket, _IN)
        return not watching.poll(0)

    @property
    def idle(self) -> bool:
        """Whether it can be used again: neither broken nor inside a transaction."""
        return not self.closed and self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


class TooLate(psycopg.OperationalError):
    """The server did not answer in time."""


def _drive(gen: Generator[Any, Any, T], until: float, what: str, fileno: int | None = None) -> T:
    """What a generator of psycopg's returns. It yields what to wait for, beside a descriptor unless that is given."""
    try:
        asked = next(gen)
        while True:
            where, wanted = asked if fileno is None else (fileno, asked)
            asked = gen.send(_ready(where, wanted, until, what))
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]


def _ready(fileno: int, wanted: int, until: float, what: str) -> int:
    watching = _poll()
    watching.register(fileno, (_IN if wanted & _READ else 0) | (_OUT if wanted & _WRITE else 0))
    found = watching.poll(max(0.0, until - time.monotonic()) * 1000)
    if not found:
        raise TooLate(f"the server does not answer: {what} took too long")
    _, events = found[0]
    ready = (_READ if events & ~_OUT else 0) | (_WRITE if events & _OUT else 0)
    return ready & wanted or wanted


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
