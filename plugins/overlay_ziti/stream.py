"""A stream over a channel: end-to-end encrypted, with flow control of its own."""

from __future__ import annotations

import time
from collections import deque

from zrokd.contracts import Stream
from zrokd.errors import StreamClosed, StreamError, StreamTimeout

from .channel import Channel
from .crypto import Opener, Sealer
from .flow import FIN, Flags, FlowLimits
from .frames import Frame, Key, Kind, pack, u32
from .opened import Opened
from .pieces import Pieces
from .receiver import Receiver
from .sender import Segment, Sender
from .wake import Wake

_PAYLOAD = 32 * 1024 - 64  # with what is around it, a payload fits two TLS records
_LINGER_S = 10.0  # after a close, while nothing is heard of the peer
_LINGER_MOST_S = 60.0  # however much is heard of it: it may live and never read
_BREAK_S = 2.0  # for the peer to take note that the stream was given up
LOST = "the peer cannot be reached any more"
_BROKEN = Flags.END | Flags.BROKEN


class ZitiStream(Stream):
    """One circuit. Made open; whoever made it calls `begin` once the peer knows of it."""

    _waits = Flags.WAITS

    def __init__(
        self,
        channel: Channel,
        opened: Opened,
        limits: FlowLimits,
        peer: str = "",
    ) -> None:
        self.peer = peer
        self.app_data = b""  # what the dialler said beside the service
        self._channel, self._limits, self._flow = channel, limits, opened.flow
        self.id = self._id = opened.connection
        self._circuit, self.hosting = opened.circuit, opened.hosting
        self._sealer = Sealer(opened.keys.tx) if opened.keys else None
        self._opener = Opener(opened.keys.rx) if opened.keys else None
        ends = {"circuit": opened.circuit, "connection": opened.connection, "hosting": opened.hosting}
        self._sender = Sender(**ends, limits=limits)  # type: ignore[arg-type]
        self._receiver = Receiver(**ends, limits=limits)  # type: ignore[arg-type]
        self._started = False  # the peer may be sent to
        self._chunks: deque[tuple[bytes, int]] = deque()  # what was opened, and its size as it came
        self._offset = 0  # read of the first chunk
        self._pieces: Pieces | None = None
        self._eof_in = self._eof_out = False
        self._closed = False  # by us
        self._failure = ""
        self._number = 0  # of data messages, in plain mode
        self._ended_at = 0.0
        self._end_flags = Flags.END
        self._greeting = self._waits if opened.hosting else Flags.NONE
        self._readable, self._writable = Wake(), Wake()
        channel.add(opened.connection, self)
        if opened.flow:
            channel.add_circuit(opened.circuit, self)

    def begin(self) -> None:
        """Say the first words: as dialler at once, as host when the dialler's first payload has come."""
        if self._flow and not self.hosting:
            self._push(b"", Flags.START)
        if not self._flow or not self.hosting:
            self._start()

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        if self._sealer is not None:
            self._push(self._sealer.header)
        if self._eof_out:
            self._push(b"", Flags.EOF)
        if self._ended_at:
            self._push(b"", self._end_flags)
        self._writable.ring()

    # -- reading ---

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """Up to `max_bytes` bytes; b"" at the end."""
        if not self._wait_chunk(timeout_s):
            return b""
        chunk, size = self._chunks[0]
        offset = self._offset
        data = chunk if not offset and len(chunk) <= max_bytes else chunk[offset : offset + max_bytes]
        self._taken(offset + len(data), len(chunk), size)
        return data

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As `recv`, into `buffer`."""
        if not self._wait_chunk(timeout_s):
            return 0
        chunk, size = self._chunks[0]
        count = min(len(buffer), len(chunk) - self._offset)
        buffer[:count] = memoryview(chunk)[self._offset : self._offset + count]
        self._taken(self._offset + count, len(chunk), size)
        return count

    def _taken(self, offset: int, length: int, size: int) -> None:
        if offset < length:
            self._offset = offset
            return
        self._offset = 0
        self._chunks.popleft()
        self._receiver.read(size)
        if self._flow and self._receiver.has_ack:
            self._channel.post_ack(self)

    def _wait_chunk(self, timeout_s: float | None) -> bool:
        while not self._chunks:
            if self._closed:
                raise StreamClosed("the stream was closed")
            if self._eof_in:
                return False
            if self._failure:
                raise StreamError(self._failure)
            if not self._readable.wait(timeout_s) and not self._chunks and not self._ended:
                raise StreamTimeout(f"nothing came within {timeout_s:g} s")
        if self._closed:
            raise StreamClosed("the stream was closed")
        return True

    @property
    def _ended(self) -> bool:
        return self._closed or self._eof_in or bool(self._failure)

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """Whether bytes, the end or an error came within the limit."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._chunks and not self._ended:
            left_s = None if until is None else until - time.monotonic()
            if not self._readable.wait(left_s) and left_s is not None and left_s <= 0:
                break
        return bool(self._chunks) or self._ended

    def is_idle(self) -> bool:
        """Whether it can be used again."""
        return not (self._chunks or self._ended or self._eof_out)

    # -- writing ---

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """Hand over all of `data`."""
        if len(data) <= _PAYLOAD:
            self._send(bytes(data), timeout_s)
            return
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PAYLOAD):
            self._send(bytes(view[start : start + _PAYLOAD]), timeout_s)

    def _send(self, data: bytes, timeout_s: float | None) -> None:
        self._wait_room(timeout_s)
        if data:
            self._push(self._sealer.seal(data) if self._sealer is not None else data)

    def _wait_room(self, timeout_s: float | None) -> None:
        while True:
            if self._closed or self._eof_out:
                raise StreamClosed("the stream was closed")
            if self._failure:
                raise StreamError(self._failure)
            if not (self._started and (not self._flow or self._sender.may_send)):
                waited = self._writable.wait(timeout_s)
            elif not self._channel.has_room:
                waited = self._channel.wait_room(timeout_s)
            else:
                return
            if not waited:
                raise StreamTimeout(f"the peer took nothing within {timeout_s:g} s")

    def _push(self, body: bytes, flags: int = 0) -> None:
        if self._flow:
            segment = self._sender.push(body, flags | self._greeting, time.monotonic())
            self._greeting = Flags.NONE
            self._channel.post_segment(segment, self)
        else:
            self._number += 1
            fields = [(Key.CONN, u32(self._id)), (Key.SEQ, u32(self._number))]
            if flags:
                fields.append((Key.FLAGS, u32(FIN)))
            self._channel.post(Kind.DATA, pack(fields), body)

    def send_eof(self) -> None:
        """End our direction."""
        if self._eof_out or self._closed or self._failure:
            return
        self._eof_out = True
        if self._started:
            self._push(b"", Flags.EOF)

    # -- what comes ---

    def on_payload(self, frame: Frame) -> None:
        """A payload of our circuit."""
        if self._failure:
            return
        receiver, flags = self._receiver, frame.number(Key.XFLAGS)
        if Key.XDATA_FLAGS in frame.headers and frame.number(Key.XDATA_FLAGS) & FIN:
            flags |= Flags.EOF
        try:
            ready = receiver.payload(frame.number(Key.XSEQ), flags, frame.body, frame.number(Key.STAMP))
            if flags & Flags.BROKEN:
                self._broken_off()
                return
            for flags, body in ready:
                self._accept(flags, body)
        except StreamError as error:
            self._break(str(error))
            return
        if receiver.has_ack:
            self._channel.post_ack(self)

    def _accept(self, flags: int, body: bytes, size: int = 0) -> None:
        """A payload in order; `size` is what it counted as it came, where that is not its length."""
        if flags & Flags.CHUNK:
            self._pieces = self._pieces or Pieces()
            if self._pieces.add(flags, body):
                self._accept(*self._pieces.take())
            return
        if flags & Flags.START:
            self._start()
        elif body:
            data = self._opener.open(body) if self._opener is not None else body
            if data and not self._closed:
                self._chunks.append((data, size or len(body)))
                self._readable.ring()
            else:
                self._receiver.read(size or len(body))
        if flags & Flags.END:
            self._peer_ended()
        if flags & (Flags.END | Flags.EOF):
            self._eof_in = True
            self._readable.ring()

    def _broken_off(self) -> None:
        """The peer gave up; what it sent before may never come."""
        if ack := self.take_ack():
            self._channel.post(Kind.ACK, *ack)
        self._fail("the peer broke the stream off")

    def _peer_ended(self) -> None:
        self._eof_in = True
        self._failure = self._failure or "the peer closed the stream"
        self._writable.ring()
        if self._closed:
            self._forget()

    def on_ack(self, frame: Frame) -> None:
        """An acknowledgement of our circuit."""
        sender = self._sender
        sender.ack(frame.body, frame.number(Key.HELD), frame.number(Key.STAMP), time.monotonic())
        if sender.may_send:
            self._writable.ring()
        if self._ended_at and sender.settled:
            self._forget()

    def on_frame(self, frame: Frame) -> None:
        """A message about our connection: data in plain mode, or its end."""
        if frame.kind == Kind.DATA:
            self._on_data(frame)
        elif frame.kind in {Kind.CLOSED, Kind.CIRCUIT_CLOSE}:
            reason = frame.body.decode("utf-8", "replace") if frame.kind == Kind.CLOSED else ""
            self._fail(f"the network closed the stream: {reason}" if reason else "the network closed the stream")

    def _on_data(self, frame: Frame) -> None:
        self._receiver.held_bytes += len(frame.body)
        if self._receiver.held_bytes > self._limits.hard_cap:
            self._break("more came than anybody reads, over a router without flow control")
            return
        try:
            self._accept(Flags.EOF if frame.number(Key.FLAGS) & FIN else Flags.NONE, frame.body)
        except StreamError as error:
            self._break(str(error))

    def on_lost(self, reason: str) -> None:
        """The channel is gone."""
        self._fail(reason)

    def take_ack(self) -> tuple[bytes, bytes] | None:
        """The acknowledgement that is due."""
        ack = self._receiver.take_ack()
        return None if ack is None else (ack.headers, ack.body)

    def due(self, now: float) -> list[Segment] | None:
        """What to send again."""
        sender = self._sender
        if self._ended_at and self._has_lingered(now):
            self._forget()
        elif reason := self._why_hopeless(now):
            self._break(reason)
        elif not sender.settled or self._ended_at or self._receiver.full:
            return sender.due(now)
        return None

    def _has_lingered(self, now: float) -> bool:
        since = self._ended_at
        if self._end_flags & Flags.BROKEN:
            return now - since > _BREAK_S
        return now - max(since, self._sender.heard_at) > _LINGER_S or now - since > _LINGER_MOST_S

    def _why_hopeless(self, now: float) -> str:
        """Why it is to be given up; "" while there is hope."""
        return LOST if self._sender.is_lost(now) else ""

    # -- the end ---

    def close(self) -> None:
        """End both directions. What was sent is still delivered."""
        if self._closed:
            return
        self._closed = True
        self._drop_chunks()
        self._wake_all()
        if self._failure:
            self._forget()
            return
        self._ended_at = time.monotonic()
        if not self._flow:
            self._push(b"", Flags.EOF)
            self._forget()
        elif self._started:
            self._push(b"", Flags.END)
        else:
            self._channel.watch(self)  # the end goes out when the dialler's first payload has come

    def abort(self) -> None:
        """End both directions; the peer sees a broken stream."""
        was_closed, self._closed = self._closed, True
        self._drop_chunks()
        self._wake_all()
        if was_closed or self._failure:
            self._forget()
        else:
            self._give_up()

    def _give_up(self) -> None:
        if not self._flow:
            self._forget()
            return
        self._end_flags = _BROKEN
        self._ended_at = time.monotonic()
        self._sender.abandon()
        if self._started:
            self._push(b"", _BROKEN)
        else:
            self._channel.watch(self)

    def _drop_chunks(self) -> None:
        size = sum(size for _, size in self._chunks)
        self._chunks.clear()
        self._receiver.read(size)
        if self._flow and self._receiver.has_ack:
            self._channel.post_ack(self)

    def _break(self, reason: str) -> None:
        """We give the stream up."""
        self._failure = self._failure or reason
        self._wake_all()
        if self._id and not self._ended_at:
            self._give_up()
        else:
            self._forget()

    def _fail(self, reason: str) -> None:
        if not self._failure:
            self._failure = reason
        self._wake_all()
        if self._closed:
            self._forget()

    def _wake_all(self) -> None:
        self._readable.ring()
        self._writable.ring()

    def _forget(self) -> None:
        if self._id:
            if ack := self.take_ack():
                self._channel.post(Kind.ACK, *ack)
            if self._flow:
                self._channel.close_circuit(self._circuit)
            else:
                self._channel.post(Kind.CLOSED, pack([(Key.CONN, u32(self._id))]))
            self._channel.remove(self._id, self._circuit)
            self._id = 0
