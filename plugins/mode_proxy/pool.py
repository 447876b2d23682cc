"""Connections to the target, kept while idle."""

from __future__ import annotations

import time
from collections.abc import Callable

from zrokd.contracts import Stream
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits


class TargetPool:
    """Gives out connections to one web server and takes them back. What it lent out is the borrower's to close."""

    def __init__(self, connect: Callable[[], Stream], limits: HttpLimits, *, most: int, idle_s: float) -> None:
        self._connect, self._limits, self._most, self._idle_s = connect, limits, most, idle_s
        self._idle: list[tuple[float, HttpConnection]] = []  # used last at the end
        self._closed = False

    def take(self) -> tuple[HttpConnection, bool]:
        """A connection, and whether it was used before. Switches greenlets when it connects. :raises StreamError:"""
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < self._idle_s and not connection.buffered and connection.stream.is_idle():
                return connection, True
            connection.stream.close()
        return self.fresh(), False

    def fresh(self) -> HttpConnection:
        """A new connection. Switches greenlets. :raises StreamError:"""
        return HttpConnection(self._connect(), self._limits)

    def give(self, connection: HttpConnection) -> None:
        """Take back a connection on which an exchange ended cleanly."""
        if self._closed:
            connection.stream.close()
            return
        self._idle.append((time.monotonic(), connection))
        if len(self._idle) > self._most:
            self._idle.pop(0)[1].stream.close()

    def close(self) -> None:
        """Close what is idle, now and from now on. Idempotent."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].stream.close()
