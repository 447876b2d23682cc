"""Messages of a channel to a router: numbers, packing, and a reader that takes bytes as they come.

Source: openziti/channel `message.go`, openziti/sdk-golang `pb/edge_client_pb` and `xgress/messages.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from zrokd.errors import OverlayError

_MAGIC = b"\x03\x06\x09\x0c"
_HEAD = Struct("<4siiII")  # magic, kind, sequence, length of headers, length of body
_FIELD = Struct("<iI")  # key, length
_U16, _U32, _I32, _U64 = Struct("<H"), Struct("<I"), Struct("<i"), Struct("<Q")
_HEADERS_MAX = 64 * 1024
_BODY_MAX = 4 * 1024 * 1024


class FrameError(OverlayError):
    """The other end does not speak the channel's language."""


class Kind(IntEnum):
    """Content types."""

    HELLO = 0
    PING = 1
    RESULT = 2
    LATENCY = 3
    LATENCY_ANSWER = 4
    PAYLOAD = 1100
    ACK = 1101
    CONTROL = 1102
    CIRCUIT_CLOSE = 1103
    CONNECT = 60783
    CONNECTED = 60784
    CLOSED = 60785
    DATA = 60786
    DIAL = 60787
    DIAL_OK = 60788
    DIAL_FAILED = 60789
    BIND = 60790
    UNBIND = 60791
    UPDATE_BIND = 60794
    INSPECT = 60798
    BIND_OK = 60800


class Key(IntEnum):
    """Keys of headers. What stands in the header is little-endian."""

    REPLY = 1
    OK = 2
    GROUP_TYPE = 7
    GROUPED = 9
    GROUP_FIRST = 11
    REFLECTED_FIRST = 128
    REFLECTED_LAST = 255
    CONN = 1000
    SEQ = 1001
    TOKEN = 1002
    PUBLIC_KEY = 1003
    COST = 1004
    PRECEDENCE = 1005
    IDENTITY = 1006
    CALLER = 1008
    CRYPTO = 1009
    FLAGS = 1010
    APP_DATA = 1011
    ROUTER_IDS = 1012
    ERROR = 1014
    LISTENER = 1021
    BIND_OK = 1024
    CIRCUIT = 1026
    FLOW = 1028
    XDATA_FLAGS = 2016  # FLAGS of a data message, as a payload carries them
    XCIRCUIT = 2256
    XSEQ = 2257
    XFLAGS = 2258
    HELD = 2259
    STAMP = 2260


class Refusal(IntEnum):
    """What a router's refusal says in header ERROR."""

    INTERNAL = 1
    INVALID_API_SESSION = 2
    INVALID_SESSION = 3
    WRONG_SESSION_TYPE = 4
    INVALID_ROUTER = 5
    INVALID_SERVICE = 6
    INVALID_TERMINATOR = 8


def u16(value: int) -> bytes:
    """Unsigned, 2 bytes."""
    return _U16.pack(value)


def u32(value: int) -> bytes:
    """Unsigned, 4 bytes."""
    return _U32.pack(value)


def i32(value: int) -> bytes:
    """Signed, 4 bytes."""
    return _I32.pack(value)


def u64(value: int) -> bytes:
    """Unsigned, 8 bytes."""
    return _U64.pack(value)


def pack(fields: Iterable[tuple[int, bytes]]) -> bytes:
    """Headers as they go over the wire."""
    return b"".join([part for key, value in fields for part in (_FIELD.pack(key, len(value)), value)])


def encode(kind: int, sequence: int, headers: bytes, body: bytes = b"") -> bytes:
    """One message; `headers` are packed already."""
    return b"".join((_HEAD.pack(_MAGIC, kind, sequence, len(headers), len(body)), headers, body))


@dataclass(slots=True)
class Frame:
    """One message as it came."""

    kind: int
    sequence: int
    headers: dict[int, bytes]
    body: bytes = b""

    def number(self, key: int, default: int = 0) -> int:
        """A header as an unsigned number; `default` where there is none. Numbers are 1 to 8 bytes long."""
        value = self.headers.get(key)
        return default if value is None else int.from_bytes(value[:8], "little")

    def flag(self, key: int) -> bool:
        """Whether a header says yes."""
        return self.number(key) != 0

    def text(self, key: int) -> str:
        """A header as text; "" where there is none."""
        return self.headers.get(key, b"").decode("utf-8", "replace")

    @property
    def reply_to(self) -> int | None:
        """The sequence of the message that this one answers."""
        value = self.headers.get(Key.REPLY)
        return None if value is None or len(value) != 4 else _I32.unpack(value)[0]


class FrameReader:
    """Takes bytes in pieces of any size, gives whole messages. Holds no more than one message and a piece."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that `data` completes. :raises FrameError: this is no message; the channel cannot go on."""
        if self._buffer:
            data = self._buffer + data
        frames: list[Frame] = []
        place, size = 0, len(data)
        while size - place >= _HEAD.size:
            magic, kind, sequence, headers_size, body_size = _HEAD.unpack_from(data, place)
            if magic != _MAGIC or headers_size > _HEADERS_MAX or body_size > _BODY_MAX:
                raise FrameError("what came from the router is no message of a Ziti channel")
            fields_from = place + _HEAD.size
            body_from = fields_from + headers_size
            if body_from + body_size > size:
                break
            place = body_from + body_size
            headers = _unpack(data, fields_from, body_from)
            frames.append(Frame(kind, sequence, headers, data[body_from:place]))
        self._buffer = data[place:]
        return frames


def _unpack(data: bytes, place: int, end: int) -> dict[int, bytes]:
    headers: dict[int, bytes] = {}
    unpack = _FIELD.unpack_from
    while place < end:
        if end - place < _FIELD.size:
            raise FrameError("a message of the router has a broken header")
        key, size = unpack(data, place)
        place += _FIELD.size
        if size > end - place:
            raise FrameError("a message of the router has a header longer than all its headers")
        headers[key] = data[place : place + size]
        place += size
    return headers
