"""Pipes for splice. An unprivileged user's pipes share 64 MiB, so they are borrowed for a burst, never owned."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass

from gevent import monkey

# The patched one waits for the hub's next turn, for the sake of watchers; pipes never have any.
_close = monkey.get_original("os", "close")

PIPE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Pipe:
    """Both ends, non-blocking."""

    reader: int
    writer: int

    def close(self) -> None:
        """Give both descriptors back."""
        _close(self.reader)
        _close(self.writer)


class PipePool:
    """At most `limit` pipes at once; `spare` empty ones are kept for the next burst."""

    def __init__(self, limit: int = 128, spare: int = 8) -> None:
        self._limit = limit
        self._spare = spare
        self._lent = 0
        self._idle: list[Pipe] = []

    def take(self) -> Pipe | None:
        """An empty pipe, or None when there is none to have: then copy."""
        if self._lent >= self._limit:
            return None
        pipe = self._idle.pop() if self._idle else _open_pipe()
        self._lent += pipe is not None
        return pipe

    def give(self, pipe: Pipe, *, empty: bool) -> None:
        """Take a pipe back; one that is not `empty` is closed, its bytes belong to nobody else."""
        self._lent -= 1
        if empty and len(self._idle) < self._spare:
            self._idle.append(pipe)
        else:
            pipe.close()

    def clear(self) -> None:
        """Close the spare ones."""
        while self._idle:
            self._idle.pop().close()


def _open_pipe() -> Pipe | None:
    try:
        pipe = Pipe(*os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:  # out of descriptors
        return None
    try:
        fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:  # the user's share of pipe memory is used up
        pipe.close()
        return None
    return pipe


PIPES = PipePool()
