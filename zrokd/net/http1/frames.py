"""Where the frames of a websocket begin and end, so that a word of ours fits between. Source: RFC 6455 §5.2."""

from __future__ import annotations

from zrokd.contracts.overlay import Stream
from zrokd.errors import StreamError
from zrokd.net.http1.replay import PassingStream

GOING_AWAY = b"\x88\x02\x03\xe9"  # a close frame as servers send it, with code 1001
_CLOSE = 0x8
_MASK, _LENGTH, _SHORT = 0x80, 0x7F, 126
_LONGER = {126: 2, 127: 8}  # further bytes of the length
_SEND_S = 0.2


class FrameFinder:
    """Follows the bytes of one direction."""

    __slots__ = ("_head", "_left", "closed")

    def __init__(self) -> None:
        self._head = b""  # of a frame, as far as it came
        self._left = 0  # payload bytes to come
        self.closed = False  # a close frame went by

    @property
    def between(self) -> bool:
        """Whether the bytes so far end with a frame."""
        return not self._left and not self._head

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        offset, size = 0, len(data)
        if not self._left and not self._head and _is_short_message(data, size):
            return
        while offset < size:
            if self._left:
                step = min(self._left, size - offset)
                self._left -= step
            else:
                step = self._feed_head(data, offset)
            offset += step

    def _feed_head(self, data: bytes | bytearray | memoryview, offset: int) -> int:
        """How many bytes of a frame's head were taken; when it is whole, its payload is what is left."""
        before = len(self._head)
        self._head += bytes(data[offset : offset + 14 - before])
        if len(self._head) < 2:
            return len(self._head) - before
        longer = _LONGER.get(self._head[1] & _LENGTH, 0)
        size = 2 + longer + 4 * bool(self._head[1] & _MASK)
        if len(self._head) < size:
            return len(self._head) - before
        self.closed = self.closed or self._head[0] & 0xF == _CLOSE
        self._left = int.from_bytes(self._head[2 : 2 + longer]) if longer else self._head[1] & _LENGTH
        self._head = b""
        return size - before


def _is_short_message(data: bytes | bytearray | memoryview, size: int) -> bool:
    """Whether it is one whole frame of less than 126 bytes from a server, and no close, as most are."""
    return size >= 2 and data[1] == size - 2 < _SHORT and data[0] & 0xF != _CLOSE


class FramedStream(PassingStream):
    """The stream to a websocket's client. Everything passes; what is sent is watched for the ends of frames."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._frames, self._sending = FrameFinder(), False

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """As the contract says."""
        self._frames.feed(data)
        self._sending = True
        self._stream.send(data, timeout_s)
        self._sending = False

    def say_going_away(self) -> None:
        """Tell the client that this server goes away (1001), unless a frame is on its way. May switch greenlets."""
        if self._sending or self._frames.closed or not self._frames.between:
            return
        try:
            self.send(GOING_AWAY, _SEND_S)
        except StreamError:
            return  # it is over either way
