"""The request's way up, while the answer may come down already."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from gevent import Greenlet

from zrokd.errors import MessageError, StreamError
from zrokd.net.http1.body import BodyReader, BodyWriter
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.copying import copy
from zrokd.net.pipes import Pipe
from zrokd.net.twins import Shortcut

T = TypeVar("T")


class Bare:
    """A request without a body, and what every way up is asked afterwards."""

    moved = 0
    complete = False  # everything was sent
    ended_at: float | None = None
    client_fault: StreamError | MessageError | None = None
    upstream_fault: StreamError | None = None

    def __init__(self, head: bytes, upstream: HttpConnection) -> None:
        self._head, self._upstream = head, upstream

    def start(self) -> None:
        """Send its head. May switch greenlets."""
        try:
            self._upstream.send(self._head)
            self.complete = True
        except StreamError as error:  # the answer may be there all the same: let who reads it find out
            self.upstream_fault = error
        self.ended_at = time.monotonic()

    def stop(self) -> None:
        """Nothing of it goes on."""


class Upload(Bare):
    """Sends one request's head and body. A body that is not here yet is sent by a greenlet of its own."""

    def __init__(
        self,
        reader: BodyReader,
        writer: BodyWriter,
        upstream: HttpConnection,
        tell: Callable[[int, int], None],
        *,
        here: bool,
    ) -> None:
        """`here`: the whole body came already."""
        self._here = here
        self._reader = reader
        self._writer = writer
        self._upstream = upstream
        self._tell = tell
        self._greenlet: Any = None

    def start(self) -> None:
        """Send all now when the whole body is here already, else what comes as it comes. May switch greenlets."""
        if self._here:
            self._run(flush=False)
        else:
            self._greenlet = Greenlet.spawn(self._run, flush=True)

    def stop(self) -> None:
        """Send no more. Idempotent. Switches greenlets."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _run(self, *, flush: bool) -> None:
        try:
            if flush:
                self._writer.flush()
            self._copy()
        except StreamError as error:
            self.upstream_fault = error
        finally:
            self.ended_at = time.monotonic()

    def _copy(self) -> None:
        copy(_Watched(self._reader, self._note_fault), self._writer, self._count)
        if self.client_fault is None:
            self._writer.finish(self._reader.trailers)
            self.complete = True

    def _count(self, count: int) -> None:
        self.moved += count
        self._tell(count, 0)

    def _note_fault(self, error: StreamError | MessageError) -> None:
        self.client_fault = error
        self._upstream.stream.abort()  # it must never take this for a whole request


class _Watched:
    """A body that ends with its first fault, of which `tell` hears: it is none of who writes it."""

    def __init__(self, reader: BodyReader, tell: Callable[[StreamError | MessageError], None]) -> None:
        self._reader, self._tell = reader, tell
        self._ended = False

    @property
    def done(self) -> bool:
        return self._ended or self._reader.done

    @property
    def in_kernel(self) -> bool:
        return not self._ended and self._reader.in_kernel

    def read(self) -> bytes:
        return self._try(self._reader.read, b"")

    def wait(self) -> bool:
        return self._try(self._reader.wait, False)

    def rest(self, shortcut: Shortcut) -> bool:
        return self._try(partial(self._reader.rest, shortcut), False)

    def fill(self, pipe: Pipe) -> int:
        return self._try(partial(self._reader.fill, pipe), 0)

    def _try(self, take: Callable[[], T], nothing: T) -> T:
        try:
            return nothing if self._ended else take()
        except (StreamError, MessageError) as error:
            self._ended = True
            self._tell(error)
            return nothing
