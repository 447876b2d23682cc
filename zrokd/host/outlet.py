"""A descriptor that lines are written to, as long as somebody takes them: whose reader stands still holds up nobody."""

from __future__ import annotations

import io
import os
import select
from typing import IO

from gevent.monkey import get_original

_PATIENCE_MS = 100  # once for each time that its reader stands still
_AT_ONCE = select.PIPE_BUF  # bytes that a pipe takes whole when it is said to take any


class Outlet:
    """Writes whole lines. Never waits longer than 0.1 s, and does not switch greenlets; lines beyond are lost."""

    def __init__(self, stream: IO[str]) -> None:
        """`stream` stays its owner's. One without a descriptor, such as a text in memory, is written to as it is."""
        self._stream = stream
        self._fd = _descriptor(stream)
        self._poll = get_original("select", "poll")()  # gevent's would switch greenlets
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLOUT)
        self._stands = self._torn = False

    def write(self, line: str) -> bool:
        """Whether `line`, without its end, was taken whole. :raises OSError: nobody will read it."""
        if self._fd is None:
            self._stream.write(f"{line}\n")
            self._stream.flush()
            return True
        begin = "\n" if self._torn else ""
        data = memoryview(f"{begin}{line}\n".encode(errors="backslashreplace"))
        done = 0
        while done < len(data) and self._takes_more():
            done += os.write(self._fd, data[done : done + _AT_ONCE])
        self._torn = 0 < done < len(data) or (self._torn and not done)
        return done == len(data)

    def _takes_more(self) -> bool:
        self._stands = not self._poll.poll(0 if self._stands else _PATIENCE_MS)
        return not self._stands


def _descriptor(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (io.UnsupportedOperation, AttributeError, ValueError):
        return None
