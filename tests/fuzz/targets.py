"""What is fuzzed. A target takes any bytes, may refuse them in the one way its parser has, and fails in no other."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

from zrokd_plugins.filter_forwarded import ForwardedFilter, ForwardedSettings

from tests.unit.net.http1.rows import BODIES, GOOD, HEADS, NEXT
from tests.unit.proxy.raw import Frontend, h11_requests
from tests.unit.proxy.test_strict_property import _FORWARDED, by_h11, check
from zrokd.errors import Invalid, MessageError
from zrokd.model.http import RequestHead, Route
from zrokd.model.naming import canonical_host
from zrokd.net.http1.chunked import ChunkDecoder, encode_chunk, encode_last_chunk
from zrokd.net.http1.frames import FrameFinder
from zrokd.net.http1.head import encode_request, encode_response, judge_request, judge_response, parse_trailers
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.proxy_protocol import HeaderReader, encode

LIMITS = HttpLimits()
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n"
_ROUTE = Route(host="a", token="t")
_FILTERS = [ForwardedFilter(ForwardedSettings(trusted_proxies=trusted), None) for trusted in ([], ["10.0.0.0/8"])]


def request_head(data: bytes) -> None:
    """A head is refused, or sent on as what we, and h11, read."""
    with contextlib.suppress(MessageError):
        head, framing = judge_request(data, LIMITS)
        sent = encode_request(head)
        read_again, framed_again = judge_request(sent, LIMITS)
        assert (_meaning(read_again), framed_again) == (_meaning(head), framing)
        if framing.kind == "none":
            (read,) = h11_requests(sent)
            assert (read.method, read.target) == (head.method, head.target)


def _meaning(head: RequestHead) -> tuple[object, ...]:
    """All of it but the order of fields of different names, which means nothing. Source: RFC 9110 §5.3."""
    fields = sorted(head.fields, key=lambda field: field[0].lower())
    return head.method, head.target, head.minor, head.secure, fields


def answer_head(data: bytes) -> None:
    """An answer's head is refused by 502, or sent on as what we read."""
    try:
        head, _ = judge_response(data, LIMITS)
    except MessageError as error:
        assert error.status == 502
        return
    assert judge_response(encode_response(head), LIMITS)[0].fields == head.fields


def chunks(data: bytes) -> None:
    """A chunked body is the same however it is cut, and what we write of it is read as it."""
    whole = _decoded([data])
    assert _decoded([data[:1], data[1 : len(data) // 2 + 1], data[len(data) // 2 + 1 :]]) == whole
    if whole is not None and whole[2]:
        payload, trailers, _ = whole
        again = encode_chunk(payload) + encode_last_chunk(trailers)
        assert _decoded([again]) == whole


def _decoded(pieces: list[bytes]) -> tuple[bytes, object, bool] | None:
    decoder, payload = ChunkDecoder(LIMITS), b""
    try:
        for piece in pieces:
            found, used = decoder.feed(piece)
            assert used == len(piece) or decoder.done
            payload += found
    except MessageError:
        return None
    return payload, decoder.trailers, decoder.done


def trailers(data: bytes) -> None:
    """Trailers are refused, or fields that no line break hides in."""
    with contextlib.suppress(MessageError):
        for name, value in parse_trailers(data, LIMITS.fields):
            assert name
            assert not re.search(rb"[\r\n\0]", name + value)


def host(data: bytes) -> None:
    """A host has one canonical form; of one that passes, it has no port, no dot at its end and no capitals."""
    found = canonical_host(data.decode("latin-1"))
    assert canonical_host(found) == found
    assert found == found.lower()
    with contextlib.suppress(MessageError):
        head, _ = judge_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % data, LIMITS)
        routed = canonical_host((head.get(b"host") or b"").decode("latin-1"))
        assert re.fullmatch(r"[a-z0-9._~-]*|\[[0-9a-f:.]+\]", routed), routed


def cookie(data: bytes) -> None:
    """A cookie passes as it is, or the request is refused."""
    frontend = Frontend()
    frontend.visit(HEAD % (b"Cookie: " + data))
    for request in (found for stream in frontend.streams for found in by_h11(stream.seen)):
        assert b"\r" not in data or request.all(b"cookie") != [data]
        assert all(value in data for value in request.all(b"cookie"))


def forwarded(data: bytes) -> None:
    """Whatever is claimed, one Forwarded field comes of it that can be read."""
    for each in _FILTERS:
        for name in (b"X-Forwarded-For", b"Forwarded", b"X-Forwarded-Host"):
            with contextlib.suppress(MessageError):
                head, _ = judge_request(HEAD % (name + b": " + data), LIMITS)
                _check_told(each.on_request(head, _ROUTE, "10.0.0.1:99"))


def _check_told(head: RequestHead) -> None:
    (told,) = head.all(b"forwarded")
    assert _FORWARDED.fullmatch(told), told
    judge_request(encode_request(head), HttpLimits(head_bytes=1 << 20))


def proxy_protocol(data: bytes) -> None:
    """A PROXY header is refused, or names somebody whom we would name in the same way."""
    with contextlib.suppress(Invalid):
        source = _read(data)
        if source is not None:
            for version in ("v1", "v2"):
                assert _read(encode(version, source, None)) == source


def _read(data: bytes):
    reader, at = HeaderReader(), 0
    while reader.wants and at < len(data):
        piece = data[at : at + reader.wants]
        reader.feed(piece)
        at += len(piece)
    return None if reader.wants else reader.source


def frames(data: bytes) -> None:
    """The frames of a websocket end in the same places however the bytes come."""
    whole, bits = FrameFinder(), FrameFinder()
    whole.feed(data)
    for at in range(len(data)):
        bits.feed(data[at : at + 1])
    assert (whole.between, whole.closed) == (bits.between, bits.closed)


def exchange(data: bytes) -> None:
    """What passes a frontend is what h11 and llhttp read, message by message. The first byte says where it is cut."""
    if data:
        check(data[1:], [data[0] * 7, data[0] * 13], more=bool(data[0] & 1))


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        request_head, answer_head, chunks, trailers, host, cookie, forwarded, proxy_protocol, frames, exchange,
    )
}  # fmt: skip


def seeds(name: str) -> Iterator[bytes]:
    """What a target begins with, beside what was kept of earlier runs."""
    rows = [row[1] for row in [*HEADS, *BODIES, *GOOD] if len(row[1]) < 2000]
    bodies = [data.partition(b"\r\n\r\n")[2] for data in rows if b"chunked" in data]
    yield from {
        "request_head": rows,
        "exchange": [b"\x05" + row for row in rows] + [b"\x00" + NEXT + NEXT],
        "answer_head": [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"HTTP/1.0 304 \r\nA: b\r\n\r\n"],
        "chunks": [*bodies, b'3;a="b"\r\nabc\r\n0\r\nT: v\r\n\r\n'],
        "trailers": [b"\r\n", b"T: v\r\nContent-Length: 3\r\n\r\n"],
        "host": [b"A.Example.:8080", b"[::1]:80", b"xn--bcher-kva.example", "bücher.example".encode("latin-1")],
        "cookie": [b"a=b; c=d", b'a="x y"', b"a=\xff"],
        "forwarded": [b"6.6.6.6, [::1]:80, 10.0.0.1", b'for="[2001:db8::1]";host="a\\"b"'],
        "proxy_protocol": [
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
        ],
        "frames": [b"\x81\x02hi\x88\x02\x03\xe9", b"\x82\xfe\x00\x7e" + bytes(130)],
    }[name]
