"""Two ends of one UNIX stream within one process, past which a long body can go.

A reader of such a body would take each piece from the socket only to send it on. Instead it says where it sends it, and
rests: the writer at the other end sends there itself, as long as it sends by pipe.
"""

from __future__ import annotations

import _socket
import socket
import time
from collections.abc import Callable
from typing import Protocol
from weakref import ref

from gevent.event import Event

from zrokd.errors import StreamClosed, StreamError, StreamTimeout
from zrokd.net.pipes import Pipe
from zrokd.net.stream import SocketStream


class Taker(Protocol):
    """Where a body goes on to; see BodyWriter."""

    def drain(self, pipe: Pipe, count: int) -> None:
        """Take the `count` bytes that a pipe holds. May switch greenlets."""


class Shortcut:
    """The way of one body past the two ends, from the writer's hands to where the reader sends it."""

    def __init__(self, taker: Taker, tell: Callable[[int], None]) -> None:
        """`tell` hears of bytes before they are taken."""
        self.left = 0
        self._taker, self._tell = taker, tell
        self._over = Event()
        self._fault: Exception | None = None  # of the taker
        self._closed = False
        self._busy = False
        self._last_s = 0.0

    # -- the reader's half ---

    def rest(self, most: int, idle_s: float) -> int:
        """Rest until `most` bytes went by, or no more do; how many went.

        :raises StreamTimeout: the writer sent none for `idle_s` seconds. :raises StreamClosed: this end was closed.
        """
        self.left, self._last_s = most, time.monotonic()
        while not self._over.wait(idle_s if self._busy else max(self._last_s + idle_s - time.monotonic(), 0.0)):
            if not self._busy and time.monotonic() >= self._last_s + idle_s:
                raise StreamTimeout(f"the body stopped for {idle_s:g} s")
        if self._closed:
            raise StreamClosed("the stream was closed here")
        return most - self.left

    def check(self) -> None:
        """Raise what the taker raised, in the greenlet of who takes it."""
        if self._fault is not None:
            raise self._fault

    def end(self, *, closed: bool = False) -> None:
        """Wake who rests. Never switches greenlets."""
        self._closed |= closed
        self._over.set()

    # -- the writer's half ---

    def carry(self, pipe: Pipe, count: int) -> int:
        """Bring what a pipe holds to the taker; how many bytes. :raises StreamError: it takes no more."""
        count = min(count, self.left)
        self._busy = True
        try:
            self._tell(count)
            self._taker.drain(pipe, count)
        except Exception as error:
            self._fault = error
            self.end()
            raise StreamError(f"who reads this stream cannot send it on: {error}") from error
        finally:
            self._busy, self._last_s = False, time.monotonic()
        self.left -= count
        if not self.left:
            self.end()
        return count


class TwinStream(SocketStream):
    """A UNIX stream whose other end may be in this process."""

    def __init__(self, sock: socket.socket | _socket.socket, peer: str = "") -> None:
        super().__init__(sock, peer)
        self._twin: Callable[[], TwinStream | None] = _none
        self._taken: Shortcut | None = None  # by us: what the twin writes goes past us
        self._given: Shortcut | None = None  # to us: what we write goes past the twin

    def join(self, twin: TwinStream) -> None:
        """Tell both that they are the ends of one stream."""
        self._twin, twin._twin = ref(twin), ref(self)

    def take_shortcut(self, shortcut: Shortcut, most: int, idle_s: float) -> int | None:
        """Let up to `most` bytes go past us; how many did, None: it cannot be now. Switches greenlets.

        When fewer went, the rest comes as ever. :raises StreamError: as `Shortcut.rest`.
        """
        twin = self._twin()
        if twin is None or twin.fileno() < 0 or not self.is_idle():
            return None
        self._taken = twin._given = shortcut  # noqa: SLF001 - the other end
        try:
            return shortcut.rest(most, idle_s)
        finally:
            self._taken = None
            if twin._given is shortcut:  # noqa: SLF001
                twin._given = None  # noqa: SLF001

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """As the contract says."""
        if self._given is not None:
            self._give_up()
        super().send(data, timeout_s)

    def send_some(self, data: bytes | bytearray | memoryview) -> int:
        """As the base says."""
        if self._given is not None:
            self._give_up()
        return super().send_some(data)

    def drain_some(self, pipe: Pipe, count: int) -> int:
        """As the base says."""
        if self._given is None:
            return super().drain_some(pipe, count)
        sent = self._given.carry(pipe, count)
        if self._given is not None and not self._given.left:
            self._given = None
        return sent

    def send_eof(self) -> None:
        """As the contract says."""
        self._give_up()
        super().send_eof()

    def close(self) -> None:
        """As the contract says."""
        self._give_up()
        if self._taken is not None:
            self._taken.end(closed=True)
        super().close()

    def _give_up(self) -> None:
        given, self._given = self._given, None
        if given is not None:
            given.end()


def _none() -> None:
    return None
