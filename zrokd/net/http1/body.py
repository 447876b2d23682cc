"""Bodies as they come and go over a connection."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Protocol

from zrokd.contracts.overlay import Stream
from zrokd.errors import MessageError, StreamError, StreamTimeout
from zrokd.model.http import Fields
from zrokd.net.http1.chunked import ChunkDecoder, encode_chunk, encode_last_chunk
from zrokd.net.http1.framing import Framing
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.pipes import PIPE_BYTES, Pipe
from zrokd.net.stream import SocketStream
from zrokd.net.twins import Shortcut, TwinStream

_LONG = 256 * 1024  # what is left of a body, when a pipe is worth its price


class Source(Protocol):
    """Where a reader takes its bytes from: a connection."""

    limits: HttpLimits

    @property
    def stream(self) -> Stream:
        """Where they come from."""

    @property
    def buffered(self) -> bytes:
        """Bytes that came and were not used."""

    def take(self, max_bytes: int, timeout_s: float | None) -> bytes:
        """Buffered bytes, or the next to come; b"" at the end of the stream."""

    def push_back(self, data: bytes) -> None:
        """Give back what was taken too much."""


class Pace:
    """Ends a body whose sender keeps us waiting: too long at once, or too slow on average."""

    def __init__(self, source: Source, idle_s: float, *, least: bool) -> None:
        self._source = source
        self.idle_s = idle_s
        self._least = source.limits.body_rate_bytes_s if least else 0
        self._waited_s = 0.0
        self._came = 0

    def take(self, max_bytes: int) -> bytes:
        """As the source's. :raises StreamTimeout: nothing came in time, or too little."""
        since = time.monotonic()
        data = self._source.take(max_bytes, self.idle_s)
        self._came += len(data)
        self._note(since)
        return data

    def _note(self, since: float) -> None:
        self._waited_s += time.monotonic() - since
        if self._waited_s > self._source.limits.body_grace_s and self._came < self._least * self._waited_s:
            raise StreamTimeout("the body comes too slowly")

    def socket(self) -> SocketStream | None:
        """The source's kernel socket, when all else that came was taken."""
        stream = self._source.stream
        return stream if isinstance(stream, SocketStream) and not self._source.buffered else None

    def wait(self, sock: SocketStream) -> None:
        """Until bytes are there. :raises StreamTimeout: as `take`."""
        since = time.monotonic()
        if not sock.wait_readable(self.idle_s):
            raise StreamTimeout(f"the body stopped for {self.idle_s:g} s")
        self._note(since)

    def count(self, moved: int) -> None:
        """Note bytes that came without `take`."""
        self._came += moved


class BodyReader(ABC):
    """A body as it comes. Switches greenlets."""

    trailers: Fields = ()  # after the end, those that may stand there
    done = False
    in_kernel = False  # whether `wait` and `fill` can be called: much is left, of a length known, on a kernel socket

    @abstractmethod
    def read(self, max_bytes: int = 65536) -> bytes:
        """Some bytes, b"" at the end.

        :raises StreamError: it was cut short, or does not come in time.
        :raises MessageError: it is malformed, or larger than allowed.
        """

    def wait(self) -> bool:
        """Wait for bytes to `fill` a pipe with; whether there will be any. :raises StreamError: none in time."""
        return False

    def rest(self, shortcut: Shortcut) -> bool:  # noqa: ARG002
        """Let bytes go past us, where their writer is in this process; whether some did. As `wait`."""
        return False

    def fill(self, pipe: Pipe) -> int:  # noqa: ARG002
        """As `read`, into an empty pipe: how many bytes, 0 when none are here now. Never switches."""
        return 0


class NoBody(BodyReader):
    """Nothing follows the head."""

    done = True

    def read(self, max_bytes: int = 65536) -> bytes:  # noqa: ARG002
        """Nothing."""
        return b""


class LengthReader(BodyReader):
    """As many bytes as Content-Length said."""

    def __init__(self, pace: Pace, length: int) -> None:
        self._pace = pace
        self._left = length
        self._alone = False  # its writer, if it is in this process, does not write by pipe
        self.done = not length

    def read(self, max_bytes: int = 65536) -> bytes:
        """As the base says."""
        if self.done:
            return b""
        data = self._pace.take(min(max_bytes, self._left))
        if not data:
            raise StreamError(f"the body ended {self._left} bytes short")
        self._left -= len(data)
        self.done = not self._left
        return data

    @property
    def in_kernel(self) -> bool:  # type: ignore[override]
        """As the base says."""
        return self._left >= _LONG and self._pace.socket() is not None

    def wait(self) -> bool:
        """As the base says."""
        sock = self._pace.socket()
        if sock is None or self.done:
            return False
        self._pace.wait(sock)
        return True

    def rest(self, shortcut: Shortcut) -> bool:
        """As the base says."""
        sock = self._pace.socket()
        if self._alone or not isinstance(sock, TwinStream):
            return False
        moved = sock.take_shortcut(shortcut, self._left, self._pace.idle_s)
        if moved is None:
            return False
        self._note(moved)
        self._alone = not self.done
        return True

    def fill(self, pipe: Pipe) -> int:
        """As the base says."""
        sock = self._pace.socket()
        if sock is None or self.done:
            return 0
        count = sock.splice_some(pipe, min(PIPE_BYTES, self._left))
        if count is None:
            return 0
        if not count:
            raise StreamError(f"the body ended {self._left} bytes short")
        self._note(count)
        return count

    def _note(self, moved: int) -> None:
        self._pace.count(moved)
        self._left -= moved
        self.done = not self._left


class ChunkedReader(BodyReader):
    """Chunks, until the last one."""

    def __init__(self, pace: Pace, source: Source) -> None:
        self._pace = pace
        self._source = source
        self._decoder = ChunkDecoder(source.limits)

    def read(self, max_bytes: int = 65536) -> bytes:
        """As the base says."""
        payload = b""
        while not payload and not self.done:
            data = self._pace.take(max_bytes)
            if not data:
                raise StreamError("the body ended before its last chunk")
            payload, used = self._decoder.feed(data)
            self._source.push_back(data[used:])
            self.done = self._decoder.done
        if self.done:
            self.trailers = self._decoder.trailers
        return payload


class UntilCloseReader(BodyReader):
    """Everything until the end of the stream."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def read(self, max_bytes: int = 65536) -> bytes:
        """As the base says."""
        data = b"" if self.done else self._pace.take(max_bytes)
        self.done = not data
        return data


class LimitedReader(BodyReader):
    """Another reader, with a limit on what it gives."""

    def __init__(self, reader: BodyReader, max_bytes: int) -> None:
        self._reader = reader
        self._left = max_bytes

    def read(self, max_bytes: int = 65536) -> bytes:
        """As the base says."""
        data = self._reader.read(max_bytes)
        self._left -= len(data)
        if self._left < 0:
            raise too_large()
        self.done, self.trailers = self._reader.done, self._reader.trailers
        return data


def too_large() -> MessageError:
    """The error for a body over its limit."""
    return MessageError(413, "the body is too large")


def make_reader(source: Source, framing: Framing, idle_s: float, *, least: bool) -> BodyReader:
    """The reader for a body of this framing; `least`: its sender must keep up the least rate."""
    pace = Pace(source, idle_s, least=least)
    if framing.kind == "length":
        return LengthReader(pace, framing.length)
    if framing.kind == "chunked":
        return ChunkedReader(pace, source)
    if framing.kind == "until_close":
        return UntilCloseReader(pace)
    return NoBody()


class Target(Protocol):
    """Where a writer puts its bytes: a connection."""

    @property
    def stream(self) -> Stream:
        """Where they go."""

    def send(self, data: bytes) -> None:
        """Hand them over, within the limit for stalled peers."""

    def send_pipe(self, pipe: Pipe, count: int) -> None:
        """The same with those that a pipe holds, to a kernel socket."""


class BodyWriter:
    """A body as it goes. A head given to it travels with the first bytes. Switches greenlets."""

    def __init__(self, target: Target, framing: Framing, head: bytes = b"") -> None:
        self._target = target
        self._framing = framing
        self._head = head
        self._left = framing.length

    def write(self, data: bytes) -> None:
        """Send `data` in the body's framing. :raises ValueError: more than was announced."""
        if self._framing.kind == "none" or not data:
            return
        if self._framing.kind == "chunked":
            data = encode_chunk(data)
        elif self._framing.kind == "length":
            self._left -= len(data)
            if self._left < 0:
                raise ValueError("the body is longer than announced")
        self._send(data)

    def flush(self) -> None:
        """Send the head now, when it still waits."""
        if self._head:
            self._send(b"")

    def finish(self, trailers: Fields = ()) -> None:
        """Send what ends the body. :raises ValueError: less came than was announced."""
        if self._framing.kind == "length" and self._left:
            raise ValueError("the body is shorter than announced")
        if self._framing.kind == "chunked":
            self._send(encode_last_chunk(trailers))
        self.flush()

    @property
    def in_kernel(self) -> bool:
        """Whether `drain` can be called: the body goes as it is, to a kernel socket."""
        return self._framing.kind == "length" and not self._head and isinstance(self._target.stream, SocketStream)

    def drain(self, pipe: Pipe, count: int) -> None:
        """As `write`, with the `count` bytes that a pipe holds."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the body is longer than announced")
        self._target.send_pipe(pipe, count)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        self._target.send(head + data if head else data)
