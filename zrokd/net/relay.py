"""Bytes both ways between two streams.

Each direction copies, through a buffer that exists only while many bytes come. One that moved a mebibyte between two
kernel sockets goes on by splice, through a pipe borrowed for the burst.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gevent import Greenlet

from zrokd.contracts.overlay import Stream
from zrokd.errors import StreamError, StreamTimeout
from zrokd.net.pipes import PIPE_BYTES, PIPES, Pipe, PipePool
from zrokd.net.stream import SocketStream

_PIECE, _SMALL, _LARGE = 16 * 1024, 64 * 1024, 256 * 1024
_SPLICE_AFTER = 1024 * 1024
_ROUNDS = 16  # of a burst, then neighbours get their turn


class Relayed(NamedTuple):
    """What went through, and how it ended: "ok", "idle", or the reason."""

    a_to_b: int
    b_to_a: int
    outcome: str


def relay(
    a: Stream,
    b: Stream,
    *,
    idle_s: float | None,
    on_bytes: Callable[[int, int], None] | None = None,
    pipes: PipePool = PIPES,
) -> Relayed:
    """Move bytes until both directions ended, or nothing moved either way for `idle_s` seconds.

    Half-closes pass through. When one stream breaks, both are aborted; when idle, both are closed; else they stay as
    they are. The caller closes them in any case. `on_bytes(a_to_b, b_to_a)` hears increments. Switches greenlets.
    """
    session = _Session(a, b, idle_s)
    tell = on_bytes or _nobody
    back = _Direction(session, b, a, lambda count: tell(0, count), pipes)
    there = _Direction(session, a, b, lambda count: tell(count, 0), pipes)
    other: Any = Greenlet.spawn(back.run)
    try:
        there.run()
        other.join()
    finally:
        other.kill()
    return Relayed(there.moved, back.moved, session.outcome)


def _nobody(_a_to_b: int, _b_to_a: int) -> None:
    return


class _Session:
    """What both directions share: the last sign of life, and how it ended."""

    def __init__(self, a: Stream, b: Stream, idle_s: float | None) -> None:
        self.outcome = "ok"
        self.idle_s = idle_s
        self.last = time.monotonic()
        self._streams = (a, b)

    def left_s(self) -> float:
        """Seconds until idle."""
        return math.inf if self.idle_s is None else self.last + self.idle_s - time.monotonic()

    def end(self, error: StreamError) -> None:
        """End both streams. The first reason counts."""
        if self.outcome == "ok":
            self.outcome = "idle" if isinstance(error, StreamTimeout) else str(error)
        for stream in self._streams:
            if self.outcome == "idle":
                stream.close()
            else:
                stream.abort()


class _Direction:
    def __init__(
        self, session: _Session, source: Stream, target: Stream, tell: Callable[[int], None], pipes: PipePool
    ) -> None:
        self.moved = 0
        self._session = session
        self._source = source
        self._target = target
        self._tell = tell
        self._pipes = pipes
        self._size = _SMALL
        self._in_kernel = isinstance(source, SocketStream) and isinstance(target, SocketStream)

    def run(self) -> None:
        """Move until the source's end."""
        source, idle_s = self._source, self._session.idle_s
        try:
            while (source.wait_readable(idle_s) or self._wait_on()) and self._burst():
                pass
            self._target.send_eof()
        except StreamError as error:
            self._session.end(error)

    def _wait_on(self) -> bool:
        """True when bytes or the end came while the other direction moved. :raises StreamTimeout: it did not."""
        while (left_s := self._session.left_s()) > 0:
            if self._source.wait_readable(left_s):
                return True
        raise StreamTimeout("nothing moved")

    def _burst(self) -> bool:
        """Move what is there; whether the source goes on."""
        pipe = self._pipes.take() if self._in_kernel and self.moved >= _SPLICE_AFTER else None
        if pipe is None:
            return self._copy()
        empty = False
        try:
            goes_on = self._splice(pipe)
            empty = True
        finally:
            self._pipes.give(pipe, empty=empty)
        return goes_on

    def _copy(self) -> bool:
        piece = self._source.recv(_PIECE)  # to make a buffer takes longer than to pass a message on
        if not piece:
            return False
        self._target.send(piece, self._session.idle_s)
        self._count(len(piece))
        return len(piece) < _PIECE or self._source.is_idle() or self._copy_much()

    def _copy_much(self) -> bool:
        buffer = memoryview(bytearray(self._size))
        for _ in range(_ROUNDS):
            count = self._source.recv_into(buffer)
            if not count:
                return False
            self._target.send(buffer[:count], self._session.idle_s)
            self._count(count)
            if count < self._size or self._source.is_idle():
                return True
        self._size = _LARGE
        return True

    def _splice(self, pipe: Pipe) -> bool:
        assert isinstance(self._source, SocketStream)
        assert isinstance(self._target, SocketStream)
        for _ in range(_ROUNDS):
            count = self._source.splice_some(pipe, PIPE_BYTES)
            if count is None:
                return True
            if not count:
                return False
            self._target.send_pipe(pipe, count, self._session.idle_s)
            self._count(count)
        return True

    def _count(self, count: int) -> None:
        self.moved += count
        self._session.last = time.monotonic()
        self._tell(count)
