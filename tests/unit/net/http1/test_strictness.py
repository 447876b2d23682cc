"""The rules for hostile input, row by row: what must be refused is refused, however it is cut into pieces, and nobody
behind us ever sees a byte of it (a request whose body turns out bad is seen cut short, never whole)."""

from __future__ import annotations

import gevent
import pytest

from zrokd.errors import StreamError
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import serve
from zrokd.net.stream import pair

H = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + H
TE = b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
BODY = b"\r\n3\r\nabc\r\n0\r\n\r\n"


def get(line: bytes = b"GET / HTTP/1.1", fields: bytes = H) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def field(line: bytes) -> bytes:
    return get(fields=H + line)


def chunks(data: bytes) -> bytes:
    return POST + TE + b"\r\n" + data


# id, what is sent, statuses that refuse it
HEADS = [
    ("Q01", POST + b"Content-Length: 3\r\n" + TE + BODY, {400}),
    ("Q01", POST + TE + b"Content-Length: 3\r\n" + BODY, {400}),
    ("Q02", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", {400}),
    ("Q02", POST + b"Content-Length: 3, 4\r\n\r\nabcd", {400}),
    ("Q03", POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", {400}),
    ("Q03", POST + b"Content-Length: 3, 3\r\n\r\nabc", {400}),
    *(
        ("Q04", POST + b"Content-Length: " + value + b"\r\n\r\nabc", {400})
        for value in (b"+3", b"-3", b"0x3", b"1_0", b"3 3", b"", b"1" * 23, b"\xa03")
    ),
    *(
        ("Q05", POST + b"Transfer-Encoding: " + value + b"\r\n" + BODY, {400, 501})
        for value in (b"identity", b"xchunked", b"chunked, gzip", b"chunked;q=1", b"chunked, chunked",
                      b"\x0bchunked", b"\xa0chunked")
    ),
    ("Q05", POST + TE + TE + BODY, {400, 501}),
    ("Q06", POST + b"Transfer-Encoding: ,chunked\r\n" + BODY, {400, 501}),
    ("Q07", b"POST / HTTP/1.0\r\n" + H + TE + BODY + NEXT, {400}),
    ("Q08", POST + b"Transfer-Encoding : chunked\r\n" + BODY, {400}),
    ("Q08", field(b"X-A : b\r\n"), {400}),
    ("Q08", field(b"X-A\t: b\r\n"), {400}),
    ("Q09", field(b"X-A: b\r\n c\r\n"), {400}),
    ("Q09", POST + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n" + BODY, {400}),
    ("Q10", get(fields=b" " + H), {400}),
    ("Q10", get(fields=b"\tX: y\r\n" + H), {400}),
    ("Q11", field(b"nocolon\r\n"), {400}),
    ("Q11", field(b": empty\r\n"), {400}),
    ("Q12", field(b"X: a\x00b\r\n"), {400}),
    ("Q12", field(b"X: a\rb\r\n"), {400}),
    ("Q12", field(b"X\x00Y: a\r\n"), {400}),
    ("Q13", field(b"X: a\x01b\r\n"), {400}),
    ("Q13", field(b"X: a\x7fb\r\n"), {400}),
    ("Q13", field(b"X\xefY: a\r\n"), {400}),
    ("Q13", field(b"X(: a\r\n"), {400}),
    ("Q14", b"GET / HTTP/1.1\nHost: a\n\n", {400}),
    ("Q14", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", {400}),
    ("Q14", b"GET / HTTP/1.1\rHost: a\r\r", {400}),
    ("Q14", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", {400}),
    ("Q16", b"\r\n" * 5000 + get(), {400}),
    ("Q17", get(fields=b"X: y\r\n"), {400}),
    ("Q18", get(fields=H + H), {400}),
    ("Q18", get(fields=H + b"host: b\r\n"), {400}),
    ("Q18", get(fields=b"Host: a, b\r\n"), {400}),
    *(("Q19", get(fields=b"Host: " + value + b"\r\n"), {400}) for value in (b"a b", b"u@h", b"h/x", b"h:99999x")),
    ("Q20", get(fields=b"Host:\r\n"), {400}),
    ("Q22", get(b"GET http://u:p@a/ HTTP/1.1"), {400}),
    ("Q22", get(b"GET ftp://a/ HTTP/1.1"), {400}),
    ("Q23", get(b"GET a:80 HTTP/1.1"), {400}),
    ("Q23", get(b"GET * HTTP/1.1"), {400}),
    ("Q23", get(b"GET path HTTP/1.1"), {400}),
    ("Q24", get(b"CONNECT a:443 HTTP/1.1"), {405, 501}),
    ("Q24", get(b"CONNECT / HTTP/1.1"), {405, 501}),
    ("Q25", get(b"TRACE / HTTP/1.1"), {405}),
    *(
        ("Q26", get(line), {400})
        for line in (b"GET /# HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /a b HTTP/1.1",
                     b"GET\t/ HTTP/1.1", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET / HTTP/1.1 ")
    ),
    ("Q27", get(b"GE( / HTTP/1.1"), {400, 501}),
    ("Q27", get(b"G" * 9000 + b" / HTTP/1.1"), {400, 501}),
    ("Q29", b"GET /\r\n\r\n", {400, 505}),
    ("Q29", get(b"GET / HTTP/0.9"), {400, 505}),
    ("Q29", get(b"GET / HTTP/1.1x"), {400, 505}),
    ("Q29", get(b"GET / http/1.1"), {400, 505}),
    ("Q30", get(b"GET / HTTP/2.0"), {400, 505}),
    ("Q30", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ("Q39", field(b"X: " + b"a" * 65536 + b"\r\n"), {431}),
    ("Q39", field(b"X: y\r\n" * 200), {431}),
    ("Q39", field(b"X: y\r\n" * 5000), {431}),
    ("Q40", get(b"GET /" + b"a" * 16384 + b" HTTP/1.1"), {414}),
    ("Q40", get(b"GET /" + b"a" * 100_000 + b" HTTP/1.1"), {414}),
]  # fmt: skip

BODIES = [
    *(
        ("Q32", chunks(size + b"\r\nabc\r\n0\r\n\r\n"))
        for size in (b"0x3", b"+3", b"-3", b"0_3", b"", b" 3", b"00000000000000003")
    ),
    ("Q33", chunks(b"3 \r\nabc\r\n0\r\n\r\n")),
    ("Q33", chunks(b"3\nabc\r\n0\r\n\r\n")),
    ("Q33", chunks(b"3\r\nabc\n0\r\n\r\n")),
    ("Q33", chunks(b"3\r\nabc\r\n0\n\r\n")),
    ("Q33", chunks(b"3\r\nabc\r\n0\r\n\n")),
    ("Q34", chunks(b"3\r\nabcXX0\r\n\r\n")),
    ("Q34", chunks(b"3\r\nabc\rX0\r\n\r\n")),
    ("Q35", chunks(b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    ("Q35", chunks(b"3;a\nb\r\nabc\r\n0\r\n\r\n")),
    ("Q35", chunks(b"3;a\x00b\r\nabc\r\n0\r\n\r\n")),
    ("Q35", chunks(b"3;" + b"a" * 1100 + b"\r\nabc\r\n0\r\n\r\n")),
    ("Q35", chunks(b"".join(b"1;" + b"a" * 1000 + b"\r\nx\r\n" for _ in range(17)) + b"0\r\n\r\n")),
    ("Q37", chunks(b"3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n")),
    ("Q37", chunks(b"3\r\nabc\r\n0\r\nA: " + b"b" * 200_000 + b"\r\n\r\n")),
]

# id, what is sent, (method, target, host, body) as it must be understood
GOOD = [
    ("Q15", b"\r\n" + get(), (b"GET", b"/", b"a", b"")),
    ("Q21", get(b"GET http://b.example/x HTTP/1.1"), (b"GET", b"/x", b"b.example", b"")),
    ("Q28", get(b"PROPFIND / HTTP/1.1"), (b"PROPFIND", b"/", b"a", b"")),
    ("Q28", get(b"X-OWN / HTTP/1.1"), (b"X-OWN", b"/", b"a", b"")),
    ("Q31", get(b"GET / HTTP/1.2"), (b"GET", b"/", b"a", b"")),
    ("Q36", chunks(b'3;a=b;c="d"\r\nabc\r\n0\r\nT: v\r\n\r\n'), (b"POST", b"/", b"a", b"abc")),
    ("Q38", chunks(b"3\r\nabc\r\n0\r\nHost: b\r\nContent-Length: 9\r\n\r\n"), (b"POST", b"/", b"a", b"abc")),
    ("Q52", get(b"GET /a/../%2e%2e/%00//;%0d%0a HTTP/1.1"), (b"GET", b"/a/../%2e%2e/%00//;%0d%0a", b"a", b"")),
]


def named(rows):
    return [pytest.param(*row[1:], id=f"{row[0]}-{number}") for number, row in enumerate(rows)]


def boundaries(data: bytes) -> list[tuple[bytes, ...]]:
    """The data whole, and cut in two at every byte (long ones: near the ends)."""
    places = range(1, len(data)) if len(data) < 400 else [*range(1, 40), *range(len(data) - 40, len(data))]
    return [(data,), *((data[:at], data[at:]) for at in places)]


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
    for pieces in boundaries(data):
        understood: list = []
        got = talk((*pieces[:-1], pieces[-1] + NEXT), understood)
        assert got.count(b"HTTP/1.1 ") == 1, (pieces, got)
        assert int(got[9:12]) in statuses, (pieces, got)
        assert b"Connection: close" in got
        assert not understood


@pytest.mark.parametrize("data", named(BODIES))
def test_a_body_in_doubt_is_refused_however_it_is_cut(data):
    for pieces in boundaries(data):
        understood: list = []
        got = talk((*pieces[:-1], pieces[-1] + NEXT), understood)
        assert got.count(b"HTTP/1.1 ") == 1, (pieces, got)
        assert got[9:12] in (b"400", b"431"), (pieces, got)
        assert not understood


@pytest.mark.parametrize(("data", "want"), named(GOOD))
def test_what_is_good_is_understood_however_it_is_cut(data, want):
    for pieces in boundaries(data):
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
