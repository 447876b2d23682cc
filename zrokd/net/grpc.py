"""Unary gRPC calls on a stream, HTTP/2 in clear. Source: gRPC's PROTOCOL-HTTP2.md; HTTP/2 itself is the library h2's.

A call in flight is one greenlet's; a server answers the calls of one stream one after the other.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from urllib.parse import quote, unquote

import h2.events as happened
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from zrokd.contracts.overlay import Stream
from zrokd.errors import CallFailed, StreamError, StreamTimeout

MOST_BYTES = 1 << 20  # of a message
_MOST_CALLS = 8  # that one peer may have begun
_MOST_HEAD_BYTES = 1 << 14
_CHUNK = 1 << 16
_TYPE = "application/grpc"
_PRINTABLE = " !\"#$&'()*+,-./:;<=>?@[]^_`{|}~"
_PREFIX = struct.Struct(">BI")  # whether it is compressed, and its length

Handle = Callable[[str, bytes], bytes]
Fields = list[tuple[str, str]]


class Code(IntEnum):
    """What gRPC calls outcomes."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


def call(stream: Stream, method: str, message: bytes, *, timeout_s: float) -> bytes:
    """What `method` (such as /Agent/Status) answers. The stream is used up; the caller closes it. Switches greenlets.

    :raises CallFailed: the other end refuses. :raises StreamError: the stream broke, or does not speak gRPC.
    :raises StreamTimeout: the answer is not whole after `timeout_s` seconds.
    """
    line = _Line(stream, is_client=True)
    line.until = time.monotonic() + timeout_s
    answer = _Message()
    with _spoken(stream):
        line.begin()
        line.send_head(1, _asked(method, timeout_s))
        line.send_message(1, message)
        while not answer.ended:
            answer.take(line.next_event())
    return answer.result()


def serve(stream: Stream, handle: Handle, *, idle_s: float) -> None:
    """Answer calls until the peer ends the stream, or is silent for `idle_s` seconds. Switches greenlets.

    `handle(method, message)` gives the answer, or raises CallFailed with what the caller is told.
    :raises StreamError: the stream broke, or does not speak gRPC.
    """
    line, calls = _Line(stream, is_client=False), dict[int, _Message]()
    with _spoken(stream):
        line.begin()
        while True:
            line.until = time.monotonic() + idle_s
            event = line.next_event(end_is_fine=True)
            if event is None or isinstance(event, happened.ConnectionTerminated):
                return
            _hear(line, calls, event, handle)


def _hear(line: _Line, calls: dict[int, _Message], event: happened.Event, handle: Handle) -> None:
    number = getattr(event, "stream_id", None)
    if isinstance(event, happened.RequestReceived) and number is not None:
        calls[number] = _Message()
    if number not in calls:
        return
    asked = calls[number]
    asked.take(event)
    if asked.ended:
        del calls[number]
    if asked.ended and not asked.broken:
        _answer(line, number, asked, handle)


def _answer(line: _Line, number: int, asked: _Message, handle: Handle) -> None:
    fields = asked.fields
    if fields.get(":method") != "POST" or not fields.get("content-type", "").startswith(_TYPE):
        line.send_head(number, [(":status", "415")], is_end=True)
        return
    kind: Fields = [(":status", "200"), ("content-type", _TYPE)]
    try:
        answer = handle(fields.get(":path", ""), asked.content())
    except CallFailed as error:
        told = quote(str(error), safe=_PRINTABLE)
        line.send_head(number, [*kind, ("grpc-status", str(int(error.code))), ("grpc-message", told)], is_end=True)
    else:
        line.send_head(number, kind)
        line.send_message(number, answer, is_end=False)
        line.send_head(number, [("grpc-status", "0")], is_end=True)


def _asked(method: str, timeout_s: float) -> Fields:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "agent"),
        ("te", "trailers"),
        ("content-type", _TYPE),
        ("user-agent", "zrokd"),
        ("grpc-timeout", f"{int(timeout_s * 1000)}m"),
    ]


@contextmanager
def _spoken(stream: Stream) -> Iterator[None]:
    """:raises StreamError: inside; what is said there is no HTTP/2."""
    try:
        yield
    except ProtocolError as error:
        raise StreamError(f"{stream.peer or 'the peer'} does not speak gRPC: {error}") from error


class _Message:
    """One half of a call as it comes in."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}  # of the head, and of what stands after the message
        self.ended = False
        self.broken = ""  # why it did not come to its end
        self._data = bytearray()

    def take(self, event: happened.Event | None) -> None:
        """One thing that happened."""
        match event:
            case happened.RequestReceived() | happened.ResponseReceived() | happened.TrailersReceived():
                self.fields |= {_text(name): _text(value) for name, value in event.headers or ()}
            case happened.DataReceived():
                self._data += (event.data or b"")[: MOST_BYTES + _PREFIX.size + 1 - len(self._data)]
            case happened.StreamEnded():
                self.ended = True
            case happened.StreamReset() | happened.ConnectionTerminated():
                self.ended, self.broken = True, f"the call was cut off ({event.error_code})"

    def content(self) -> bytes:
        """The message. :raises CallFailed: it is none, or too long."""
        if len(self._data) > MOST_BYTES + _PREFIX.size:
            raise CallFailed(Code.RESOURCE_EXHAUSTED, f"a message may have {MOST_BYTES} bytes")
        if len(self._data) < _PREFIX.size:
            raise CallFailed(Code.INTERNAL, "a message is missing")
        compressed, length = _PREFIX.unpack_from(self._data)
        if compressed:
            raise CallFailed(Code.UNIMPLEMENTED, "compressed messages are not taken")
        if length != len(self._data) - _PREFIX.size:
            raise CallFailed(Code.INTERNAL, "a message is cut off, or there are several")
        return bytes(self._data[_PREFIX.size :])

    def result(self) -> bytes:
        """The message of an answer. :raises CallFailed: it is a refusal. :raises StreamError: it is no gRPC."""
        if self.broken:
            raise StreamError(self.broken)
        status = self.fields.get("grpc-status", "")
        if not (status.isascii() and status.isdigit()):
            raise StreamError(f"an answer without an outcome (HTTP status {self.fields.get(':status', 'missing')})")
        if int(status):
            raise CallFailed(int(status), unquote(self.fields.get("grpc-message", "")))
        return self.content()


class _Line:
    """HTTP/2 on a stream. Every wait ends at `until`, which is of time.monotonic()."""

    def __init__(self, stream: Stream, *, is_client: bool) -> None:
        self.until = 0.0
        self._stream = stream
        self._http = H2Connection(H2Configuration(client_side=is_client, header_encoding="utf-8"))
        self._http.local_settings = Settings(client=is_client, initial_values=_limits(is_client=is_client))
        self._events: deque[happened.Event] = deque()

    def begin(self) -> None:
        """Greet."""
        self._http.initiate_connection()

    def send_head(self, number: int, fields: Fields, *, is_end: bool = False) -> None:
        """The head of a call, or what stands after its message. A call that was given up is passed over."""
        if self._is_open(number):
            self._http.send_headers(number, fields, end_stream=is_end)
            self._flush()

    def send_message(self, number: int, message: bytes, *, is_end: bool = True) -> None:
        """The message of a call, as fast as the peer takes it."""
        rest = memoryview(_PREFIX.pack(0, len(message)) + message)
        while rest and self._is_open(number):
            room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
            if room:
                self._http.send_data(number, rest[:room].tobytes(), end_stream=is_end and room >= len(rest))
                rest = rest[room:]
                self._flush()
            elif not self._read():
                raise StreamError("the stream ended in the middle of a call")

    def next_event(self, *, end_is_fine: bool = False) -> happened.Event | None:
        """What happens next; None: the peer ended the stream, where that is fine. :raises StreamError: it did."""
        self._flush()
        while not self._events:
            if not self._read():
                if end_is_fine:
                    return None
                raise StreamError("the stream ended before the answer")
        return self._events.popleft()

    def _is_open(self, number: int) -> bool:
        cut = (happened.StreamReset, happened.ConnectionTerminated)
        return not any(isinstance(each, cut) and getattr(each, "stream_id", number) == number for each in self._events)

    def _read(self) -> bool:
        """Take in what came; whether something did."""
        data = self._stream.recv(_CHUNK, self._left_s())
        try:
            for event in self._http.receive_data(data) if data else ():
                self._events.append(event)
                if isinstance(event, happened.DataReceived) and event.stream_id:
                    self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        finally:
            self._flush()  # also why we hang up
        return bool(data)

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data:
            self._stream.send(data, self._left_s())

    def _left_s(self) -> float:
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise StreamTimeout("the call takes too long")
        return left_s


def _limits(*, is_client: bool) -> dict[SettingCodes, int]:
    """What we take. Source: RFC 9113 §6.5.2."""
    own = {
        SettingCodes.MAX_CONCURRENT_STREAMS: _MOST_CALLS,
        SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEAD_BYTES,
    }
    return own | ({SettingCodes.ENABLE_PUSH: 0} if is_client else {})


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
