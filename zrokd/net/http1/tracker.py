"""The HTTP connections of one server, so that a drain can end the idle ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from zrokd.net.http1.connection import HttpConnection

_PROMPT_S = 1.0  # in which the head of a request comes from nearly everybody
_FAREWELL_S = 1.0  # for clients to answer


def farewell_s(deadline_s: float) -> float:
    """How long before the end of a drain those who would be cut are bidden farewell."""
    return min(_FAREWELL_S, deadline_s / 2)


class ConnectionTracker:
    """Open connections. After `drain` every connection ends with its running exchange."""

    def __init__(self) -> None:
        self.draining = False
        self._open: dict[HttpConnection, None] = {}  # oldest first
        self._empty = Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def track(self, connection: HttpConnection) -> Iterator[HttpConnection]:
        """Know the connection while the block runs."""
        self._open[connection] = None
        self._empty.clear()
        connection.keep_alive = not self.draining
        try:
            yield connection
        finally:
            self._open.pop(connection, None)
            if not self._open:
                self._empty.set()

    def drain(self) -> None:
        """Close idle connections now; busy ones after their exchange. New ones serve one exchange. Idempotent."""
        self.draining = True
        for connection in list(self._open):
            connection.keep_alive = False
            _end_idle(connection)

    def wind_down(self, deadline_s: float) -> None:
        """Drain, and a moment before the deadline bid those farewell who would be cut. Switches greenlets."""
        self.drain()
        if not self.wait(deadline_s - farewell_s(deadline_s)):
            self.farewell()

    def wait(self, timeout_s: float) -> bool:
        """Whether all connections ended within that time. Switches greenlets."""
        return bool(self._empty.wait(max(timeout_s, 0.0)))

    def farewell(self) -> None:
        """End event streams and websockets so that their clients know why. Switches greenlets."""
        for connection in list(self._open):
            if connection.farewell is not None:
                connection.farewell()

    def relieve(self) -> None:
        """Close those of the older half that are idle, or whose head takes long: they hold room that others ask for."""
        late_s = time.monotonic() - _PROMPT_S
        for connection in list(self._open)[: len(self._open) // 2]:
            if connection.reading_since_s is not None and connection.reading_since_s < late_s:
                connection.stream.abort()
            else:
                _end_idle(connection)


def _end_idle(connection: HttpConnection) -> None:
    """Close it between two exchanges, unless the next request came already and only waits to be read."""
    if connection.idle and not connection.unread():
        connection.stream.close()
