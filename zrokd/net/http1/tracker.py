"""The HTTP connections of one server, so that a drain can end the idle ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from zrokd.net.http1.connection import HttpConnection

_PROMPT_S = 1.0  # in which the head of a request comes from nearly everybody


class ConnectionTracker:
    """Open connections. After `drain` every connection ends with its running exchange."""

    def __init__(self) -> None:
        self.draining = False
        self._open: dict[HttpConnection, None] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def track(self, connection: HttpConnection) -> Iterator[HttpConnection]:
        """Know the connection while the block runs."""
        self._open[connection] = None
        connection.keep_alive = not self.draining
        try:
            yield connection
        finally:
            self._open.pop(connection, None)

    def drain(self) -> None:
        """Close idle connections now; busy ones after their exchange. New ones serve one exchange. Idempotent."""
        self.draining = True
        for connection in list(self._open):
            connection.keep_alive = False
            _end_idle(connection)

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
