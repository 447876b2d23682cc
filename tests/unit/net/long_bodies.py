"""What tests of long bodies send, and how they read it."""

from __future__ import annotations

from zrokd.contracts import Stream

MIB = 1 << 20
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nhi"


def head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: %d\r\n\r\n" % length


def post(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


def take(stream: Stream, count: int) -> bytes:
    """Exactly so many bytes."""
    got = bytearray()
    while len(got) < count:
        piece = stream.recv(min(count - len(got), 65536), 5)
        assert piece, f"ended after {len(got)} of {count} bytes"
        got += piece
    return bytes(got)
