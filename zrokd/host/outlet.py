"""A descriptor that lines are written to, as long as somebody takes them: whose reader stands still holds up nobody."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import time
from typing import IO, Any

from gevent.monkey import get_original

_PATIENCE_MS = 100  # once for each time that its reader stands still
_TRY_AGAIN_S = 0.001
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
        self._turn = _Turn(self._fd) if self._fd is not None else None

    def write(self, line: str) -> bool:
        """Whether `line`, without its end, was taken whole. :raises OSError: nobody will read it."""
        if self._fd is None or self._turn is None:
            self._stream.write(f"{line}\n")
            self._stream.flush()
            return True
        begin = "\n" if self._torn else ""
        data = memoryview(f"{begin}{line}\n".encode(errors="backslashreplace"))
        done = 0
        with self._turn:
            while done < len(data) and self._takes_more():
                done += os.write(self._fd, data[done : done + _AT_ONCE])
        self._torn = 0 < done < len(data) or (self._torn and not done)
        return done == len(data)

    def _takes_more(self) -> bool:
        self._stands = not self._poll.poll(0 if self._stands else _PATIENCE_MS)
        return not self._stands


class _Turn:
    """Keeps lines of processes apart that write to one descriptor, as a daemon and its workers do, in many pieces.

    One that holds its turn for too long, as a process that was stopped does, is waited for once; lines may mix then.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._late = False
        self._sleep: Any = get_original("time", "sleep")

    def __enter__(self) -> None:
        until = time.monotonic() + (0 if self._late else _PATIENCE_MS / 1000)
        while not (mine := self._take()) and time.monotonic() < until:
            self._sleep(_TRY_AGAIN_S)
        self._late = not mine

    def _take(self) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # it is nothing that has locks
            return True
        return True

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            fcntl.lockf(self._fd, fcntl.LOCK_UN)


def _descriptor(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (io.UnsupportedOperation, AttributeError, ValueError):
        return None
