"""The chunked coding, both ways. Source: RFC 9112 §7.1; whatever deviates by a byte is refused."""

from __future__ import annotations

import re

from zrokd.errors import MessageError
from zrokd.model.http import Fields
from zrokd.net.http1.head import encode_fields, parse_trailers
from zrokd.net.http1.limits import HttpLimits

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t !-~\x80-\xff])*"'
# No possessive group: before Python 3.11.5 one matches what it should not (cpython#106052). Here each piece tells
# by its first byte which one it is, so nothing is tried twice.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*)\r\n")
_SIZE_DIGITS = 16
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_FORBIDDEN_TRAILERS = frozenset(
    b"authorization connection content-encoding content-length content-range content-type cookie expect forwarded host "
    b"http2-settings keep-alive location max-forwards proxy-authenticate proxy-authorization proxy-connection range "
    b"set-cookie te trailer transfer-encoding upgrade via www-authenticate x-proxy x-real-ip".split()
)
_FORBIDDEN_PREFIXES = (b"x-forwarded-", b"zrok-auth-", b"sec-", b"proxy-", b"access-control-")


class ChunkDecoder:
    """Turns chunked bytes into payload, piece by piece. Holds a partial line, never payload."""

    def __init__(self, limits: HttpLimits) -> None:
        self.done = False
        self.trailers: Fields = ()
        self._limits = limits
        self._line = b""  # the beginning of a line whose end has not come
        self._left = 0  # of the current chunk
        self._extensions = 0
        self._trailers = b""
        self._expect = self._size_line

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """The payload in `data`, and how many of its bytes belong to this body. :raises MessageError: 400."""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
            elif (after := self._feed_whole(data, at, pieces)) > at:
                at = after
            else:
                at = self._feed_line(data, at)
        return b"".join(pieces), at

    def _feed_whole(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take chunks that are here from size to end, without extensions: many small ones must not cost much."""
        if self._line or self._expect != self._size_line:
            return at
        while match := _PLAIN_SIZE.match(data, at):
            begin = match.end()
            end = begin + int(match[1], 16)
            if end == begin or data[end : end + 2] != b"\r\n":
                break
            pieces.append(data[begin:end])
            at = end + 2
        return at

    def _feed_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        line = self._line + data[at : end or len(data)]
        if len(line) > self._line_limit():
            raise MessageError(400, "a chunk line is too long")
        if end:
            self._line = b""
            self._expect(line)
            return end
        self._line = line
        return len(data)

    def _line_limit(self) -> int:
        if self._expect == self._data_end:
            return 2
        if self._expect == self._size_line:
            return _SIZE_DIGITS + self._limits.chunk_extension_bytes + 2
        return self._limits.trailer_bytes - len(self._trailers)

    def _size_line(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise MessageError(400, "a chunk does not begin with its size")
        self._extensions += len(match[2])
        if self._extensions > self._limits.chunk_extensions_bytes:
            raise MessageError(400, "the chunk extensions are too long")
        self._left = int(match[1], 16)
        self._expect = self._data_end if self._left else self._trailer_line

    def _data_end(self, line: bytes) -> None:
        if line != b"\r\n":
            raise MessageError(400, "a chunk is longer than its size")
        self._expect = self._size_line

    def _trailer_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise MessageError(400, "a trailer line ends without CR")
        self._trailers += line
        if line == b"\r\n":
            fields = parse_trailers(self._trailers, self._limits.fields)
            self.trailers = tuple(field for field in fields if _may_trail(field[0].lower()))
            self.done = True


def _may_trail(name: bytes) -> bool:
    """Whether a field can stand after the body: not when routing, framing or authority depend on it.

    `_` counts as `-`, because many servers fold them. Source: RFC 9110 §6.5.1; zrok tells shares of visitors by
    X-Proxy and Zrok-Auth-*, and there are servers that merge trailers into the head.
    """
    folded = name.replace(b"_", b"-")
    return folded not in _FORBIDDEN_TRAILERS and not folded.startswith(_FORBIDDEN_PREFIXES)


def encode_chunk(data: bytes) -> bytes:
    """One chunk. Empty `data` would end the body and gives nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def encode_last_chunk(trailers: Fields = ()) -> bytes:
    """What ends the body."""
    return b"0\r\n" + encode_fields(trailers)
