"""The rules for hostile input, row by row: what must be refused is refused, however it is cut into pieces, and nobody
behind us ever sees a byte of it (a request whose body turns out bad is seen cut short, never whole)."""

from __future__ import annotations

import gevent
import pytest

from tests.unit.net.http1.rows import BODIES, GOOD, HEADS, NEXT, boundaries, named
from zrokd.errors import StreamError
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import serve
from zrokd.net.stream import pair

pytestmark = pytest.mark.slow  # the same rows run through the whole pipeline by default: proxy/test_strict.py


def talk(pieces: tuple[bytes, ...], understood: list) -> bytes:
    """Send pieces to a server that notes what it understood; what came back."""
    client, server = pair()

    def handle(exchange) -> None:
        body = b"".join(iter(exchange.read, b""))
        understood.append((exchange.head.method, exchange.head.target, exchange.head.get(b"Host"), body))
        exchange.respond(200)

    def run() -> None:
        try:
            serve(server, handle, HttpLimits(linger_s=0.0))
        except StreamError as error:
            understood.append(error)
        finally:
            server.close()

    greenlet = gevent.Greenlet.spawn(run)
    try:
        for piece in pieces:
            try:
                client.send(piece, 5)
            except StreamError:
                break  # refused before its end
            gevent.sleep(0)
            gevent.sleep(0)
        client.send_eof()
        got = b""
        while data := client.recv(65536, 5):
            got += data
    except StreamError:
        got += b"<broken>"
    finally:
        greenlet.join(5)
        client.close()
    assert greenlet.dead
    return got


@pytest.mark.parametrize(("data", "statuses"), named(HEADS))
def test_a_head_in_doubt_is_refused_however_it_is_cut(data, statuses):
    for pieces in boundaries(data)[:2]:
        understood: list = []
        got = talk((*pieces[:-1], pieces[-1] + NEXT), understood)
        assert got.count(b"HTTP/1.1 ") == 1, (pieces, got)
        assert int(got[9:12]) in statuses, (pieces, got)
        assert b"Connection: close" in got
        assert not understood


@pytest.mark.parametrize("data", named(BODIES))
def test_a_body_in_doubt_is_refused_however_it_is_cut(data):
    for pieces in boundaries(data)[:2]:
        understood: list = []
        got = talk((*pieces[:-1], pieces[-1] + NEXT), understood)
        assert got.count(b"HTTP/1.1 ") == 1, (pieces, got)
        assert got[9:12] in (b"400", b"431"), (pieces, got)
        assert not understood


@pytest.mark.parametrize(("data", "want"), named(GOOD))
def test_what_is_good_is_understood_however_it_is_cut(data, want):
    for pieces in boundaries(data)[:2]:
        understood: list = []
        got = talk((*pieces[:-1], pieces[-1] + NEXT), understood)
        assert understood == [want, (b"GET", b"/next", b"a", b"")], pieces
        assert got.count(b"HTTP/1.1 200 OK") == 2


def refusal(p, data: bytes) -> bytes:
    try:
        p.client.send(data, 5)
        p.client.send_eof()
    except StreamError:
        return b""
    got = b""
    try:
        while piece := p.client.recv(65536, 5):
            got += piece
    except StreamError:
        got += b"<broken>"
    return got


@pytest.mark.parametrize(("data", "statuses"), named(HEADS))
def test_the_upstream_sees_no_byte_of_a_refused_head(proxy, data, statuses):
    p = proxy(HttpLimits(linger_s=0.0))
    refusal(p, data + NEXT)
    p.greenlet.join(5)
    assert p.backend.stream.recv(65536, 5) == b""


@pytest.mark.parametrize("data", named(BODIES))
def test_the_upstream_never_takes_a_bad_body_for_whole(proxy, data):
    p = proxy(HttpLimits(linger_s=0.0), kind="tcp")
    refusal(p, data + NEXT)
    seen = b""
    with pytest.raises(StreamError):
        while piece := p.backend.stream.recv(65536, 5):
            seen += piece
    assert b"\r\n0\r\n" not in seen
    assert b"/next" not in seen
    assert not p.result().reusable_upstream
