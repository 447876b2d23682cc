"""The request's way up, while the answer may come down already."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gevent import Greenlet

from zrokd.errors import MessageError, StreamError
from zrokd.net.http1.body import BodyReader, BodyWriter
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.turns import Turns


class Bare:
    """A request without a body, and what every way up is asked afterwards."""

    moved = 0
    complete = False  # everything was sent
    ended_at: float | None = None
    client_fault: StreamError | MessageError | None = None
    upstream_fault: StreamError | None = None

    def __init__(self, head: bytes, upstream: HttpConnection) -> None:
        self._head, self._upstream = head, upstream

    def start(self, *, here: bool) -> None:  # noqa: ARG002
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
        self, reader: BodyReader, writer: BodyWriter, upstream: HttpConnection, tell: Callable[[int, int], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._upstream = upstream
        self._tell = tell
        self._greenlet: Any = None

    def start(self, *, here: bool) -> None:
        """Send all now when the whole body is `here` already, else what comes as it comes. May switch greenlets."""
        if here:
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
        turns = Turns()
        while piece := self._next():
            self.moved += len(piece)
            self._tell(len(piece), 0)
            self._writer.write(piece)
            if not self._reader.done:  # else the answer could come first, and find the request not sent to its end
                turns.pass_on()
        if self.client_fault is None:
            self._writer.finish(self._reader.trailers)
            self.complete = True

    def _next(self) -> bytes:
        try:
            return self._reader.read()
        except (StreamError, MessageError) as error:
            self.client_fault = error
            self._upstream.stream.abort()  # it must never take this for a whole request
            return b""
