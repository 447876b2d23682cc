from __future__ import annotations

import hashlib
import os
import time

import gevent
import pytest

from zrokd.errors import MessageError, StreamError
from zrokd.net.http1.forward import Forwarded
from zrokd.net.http1.limits import HttpLimits

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi"


def post(body: bytes = b"", extra: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST /x HTTP/%s\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n%s" % (version, len(body), extra, body)


def read_all(stream) -> bytes:
    got = b""
    try:
        while piece := stream.recv(65536, 5):
            got += piece
    except StreamError:
        got += b"<broken>"
    return got


def read_until(stream, mark: bytes) -> bytes:
    got = b""
    while mark not in got:
        piece = stream.recv(65536, 5)
        assert piece, got
        got += piece
    return got


def exchange(proxy, request: bytes, answer: bytes, end: bool = False, **limits):
    """Send a request, answer it, and give what the client saw, what the backend saw, and the result."""
    p = proxy(HttpLimits(**{"linger_s": 0.05, **limits}))
    p.client.send(request)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(answer)
    if end:
        p.backend.stream.send_eof()
    p.client.send_eof()
    got = read_all(p.client)
    return got, bytes(p.backend.seen), p.results[0] if p.results else p.result()


# -- the way up ---


def test_a_plain_exchange_passes_and_both_ends_can_be_used_again(proxy):
    got, seen, result = exchange(proxy, GET, OK)
    assert got == OK
    assert seen == GET
    assert result == Forwarded(status=200, rx=0, tx=2, reusable_client=True, reusable_upstream=True)


def test_many_exchanges_use_the_same_two_connections(proxy):
    p = proxy()
    for number in range(5):
        p.client.send(post(b"%d" % number))
        assert p.backend.read_until(b"\r\n\r\n%d" % number)
        p.backend.seen.clear()
        p.backend.stream.send(OK)
        assert read_until(p.client, b"hi")
    assert [result.rx for result in p.results] == [1] * 5


def test_hop_by_hop_fields_stay_behind_in_both_directions(proxy):
    got, seen, _ = exchange(
        proxy,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\n"
        b"B: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: 9\r\nC: d\r\nContent-Length: 0\r\n\r\n",
    )
    assert seen == b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"
    assert got.startswith(b"HTTP/1.1 200 OK\r\nC: d\r\nContent-Length: 0\r\nDate: ")


@pytest.mark.parametrize(
    ("request_bytes", "up"),
    [
        (post(b"abc"), b"\r\nContent-Length: 3\r\n\r\nabc"),
        (post(b""), b"\r\nContent-Length: 0\r\n\r\n"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: v\r\nTE: b\r\n\r\n",
            b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n",
        ),
    ],
)
def test_a_body_goes_up_in_its_own_framing(proxy, request_bytes, up):
    p = proxy()
    p.client.send(request_bytes)
    seen = p.backend.read_until(up[-5:])
    while not seen.endswith(up):
        p.backend.seen += p.backend.stream.recv(1000, 5)
        seen = bytes(p.backend.seen)
    p.backend.stream.send(OK)
    assert read_until(p.client, b"hi")


def test_an_old_client_is_spoken_for_as_a_new_one(proxy):
    got, seen, result = exchange(proxy, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", OK)
    assert seen.startswith(b"GET / HTTP/1.1\r\n")
    assert b"Connection: close" in got
    assert not result.reusable_client
    assert result.reusable_upstream


@pytest.mark.parametrize("size", [100, 5 << 20])
def test_bodies_pass_unchanged_both_ways_at_once(proxy, spawn, size):
    p = proxy(kind="tcp")
    body = os.urandom(1 << 16) * (size >> 16) or os.urandom(size)

    def echo() -> None:
        seen = p.backend.read_until(b"\r\n\r\n")
        p.backend.stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), 5)
        rest = seen.partition(b"\r\n\r\n")[2]
        left = len(body)
        while True:
            p.backend.stream.send(rest, 5)
            left -= len(rest)
            if not left:
                return
            rest = p.backend.stream.recv(65536, 5)

    spawn(echo)
    spawn(p.client.send, post(body), 5)
    got = read_until(p.client, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
    while len(got) < len(body):
        got += p.client.recv(1 << 18, 5)
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
    p.client.send_eof()
    result = p.result()
    assert (result.rx, result.tx, result.reusable_upstream) == (len(body), len(body), True)


def test_a_body_streams_before_it_is_whole(proxy):
    p = proxy()
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert p.backend.read_until(b"3\r\nabc\r\n").endswith(b"3\r\nabc\r\n")
    p.client.send(b"2\r\nde\r\n")
    assert p.backend.read_until(b"2\r\nde\r\n")


# -- the way down ---


@pytest.mark.parametrize(
    ("version", "answer", "head", "body", "end"),
    [
        (b"1.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: v\r\nCookie: x\r\n\r\n",
         b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\nT: v\r\n\r\n", False),
        (b"1.0", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
         b"Connection: close", b"abc", False),
        (b"1.1", b"HTTP/1.1 200 OK\r\n\r\nabc", b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n", True),
        (b"1.0", b"HTTP/1.0 200 OK\r\n\r\nabc", b"Connection: close", b"abc", True),
        (b"1.1", b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"Content-Length: 3", b"abc", False),
        (b"1.1", b"HTTP/1.1 204 No\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         b"HTTP/1.1 204", b"", False),
        (b"1.1", b"HTTP/1.1 304 Not\r\nContent-Length: 3\r\n\r\n", b"Content-Length: 3", b"", False),
    ],
)  # fmt: skip
def test_an_answer_is_framed_anew_for_its_client(proxy, version, answer, head, body, end):
    got, _, result = exchange(proxy, GET.replace(b"1.1", version), answer, end)
    got_head, _, got_body = got.partition(b"\r\n\r\n")
    assert head in got_head
    assert got_body == body
    assert got_head.count(b"Content-Length") + got_head.count(b"Transfer-Encoding") <= 1
    assert result.outcome == "ok"
    assert result.reusable_upstream is (not end and b"HTTP/1.0" not in answer)


def test_a_head_request_has_no_body_whatever_the_length_says(proxy):
    got, _, result = exchange(proxy, GET.replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    assert b"Content-Length: 99" in got
    assert got.endswith(b"\r\n\r\n")
    assert result.reusable_upstream


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
        (b"GET", b"HTTP/1.1 204 No\r\n\r\nbody"),
        (b"GET", b"HTTP/1.1 304 Not\r\n\r\nbody"),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\n\r\nbody"),
    ],
)
def test_bytes_after_an_answer_are_never_used(proxy, method, answer):
    got, _, result = exchange(proxy, GET.replace(b"GET", method), answer)
    assert b"body" not in got
    assert not result.reusable_upstream
    assert result.reusable_client


def test_events_arrive_as_they_are_sent(proxy):
    p = proxy()
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    assert read_until(p.client, b"\r\n\r\n")
    for number in range(3):
        p.backend.stream.send(b"data: %d\n\n" % number)
        assert b"data: %d\n\n" % number in p.client.recv(1000, 5)


def test_an_upload_goes_on_while_its_answer_runs_already(proxy):
    p = proxy()
    p.client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nq0\r\n")
    assert p.backend.read_until(b"q0\r\n")
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    read_until(p.client, b"\r\n\r\n")
    for number in range(1, 4):
        p.backend.stream.send(b"2\r\na%d\r\n" % number)
        assert read_until(p.client, b"a%d\r\n" % number)
        p.client.send(b"2\r\nq%d\r\n" % number)
        assert p.backend.read_until(b"q%d\r\n" % number)
    p.client.send(b"0\r\n\r\n")
    assert p.backend.read_until(b"\r\n0\r\n\r\n")
    p.backend.stream.send(b"0\r\n\r\n")
    assert read_until(p.client, b"0\r\n\r\n")


def test_grpc_web_passes_message_by_message_with_its_trailers_in_the_body_and_behind_it(proxy):
    p = proxy()
    ask, told = b"\0\0\0\0\x03ask", b"\0\0\0\0\x05reply"
    p.client.send(post(ask, b"Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\nTE: trailers\r\n"))
    seen = p.backend.read_until(ask)
    assert b"Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n" in seen
    p.backend.stream.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    read_until(p.client, b"\r\n\r\n")
    for _ in range(3):
        p.backend.stream.send(b"a\r\n" + told + b"\r\n")
        assert told in read_until(p.client, told + b"\r\n")
    last = b"\x80\0\0\0\x10grpc-status: 0\r\n"
    p.backend.stream.send(b"%x\r\n%b\r\n0\r\ngrpc-status: 0\r\n\r\n" % (len(last), last))
    assert read_until(p.client, b"\r\n\r\n").endswith(last + b"\r\n0\r\ngrpc-status: 0\r\n\r\n")


def test_edit_changes_the_final_head_and_nothing_can_break_framing(proxy):
    p = proxy(edit=lambda head: head.with_field(b"Content-Length", b"99").with_field(b"X", b"y"))
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(OK)
    got = read_until(p.client, b"hi")
    assert b"X: y\r\n" in got
    assert b"Content-Length: 2\r\n" in got


def test_bytes_are_told_as_they_pass(proxy):
    counted = []
    p = proxy(on_bytes=lambda rx, tx: counted.append((rx, tx)))
    p.client.send(post(b"abc"))
    p.backend.read_until(b"abc")
    p.backend.stream.send(OK)
    read_until(p.client, b"hi")
    assert counted == [(3, 0), (0, 2)]


# -- interim answers, expectations, early answers ---


@pytest.mark.parametrize(("version", "passed"), [(b"1.1", True), (b"1.0", False)])
def test_interim_answers_pass_to_who_knows_them(proxy, version, passed):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 5\r\n\r\n"
    got, _, result = exchange(proxy, GET.replace(b"1.1", version), interim + OK)
    assert (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" in got) is passed
    assert got.endswith(b"hi")
    assert result.status == 200


def test_endless_interim_answers_are_502(proxy):
    _, _, result = exchange(proxy, GET, b"HTTP/1.1 103 X\r\n\r\n" * 50)
    assert (result.status, result.answer, result.retryable) == (0, 502, False)


def test_the_upstream_decides_whether_the_body_comes(proxy):
    p = proxy()
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
    assert b"Expect: 100-continue\r\n" in p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert p.client.recv(1000, 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    p.client.send(b"abc")
    assert p.backend.read_until(b"abc")
    p.backend.stream.send(OK)
    assert read_until(p.client, b"hi")
    assert p.results[0].reusable_client


def test_an_upstream_that_does_not_want_the_body_ends_the_connection(proxy):
    p = proxy(HttpLimits(linger_s=0.05))
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
    assert b"Connection: close" in read_all(p.client)
    result = p.result()
    assert (result.status, result.reusable_client, result.reusable_upstream) == (417, False, False)


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", False),
        (post(b"abc", b"Expect: 100-continue\r\n", b"1.0"), False),
    ],
)
def test_an_expectation_without_meaning_is_dropped(proxy, request_bytes, expected):
    _, seen, result = exchange(proxy, request_bytes, OK)
    assert (b"Expect" in seen) is expected
    assert result.status == 200


@pytest.mark.parametrize("value", [b"y 100-continue", b"magic"])
def test_an_unknown_expectation_is_417_and_the_upstream_hears_nothing(proxy, value):
    p = proxy(HttpLimits(linger_s=0.05))
    p.client.send(post(b"abc", b"Expect: %s\r\n" % value))
    assert read_all(p.client).startswith(b"HTTP/1.1 417 ")
    assert isinstance(p.result(), MessageError)
    assert p.backend.stream.recv(1, 5) == b""


def test_an_early_answer_is_read_whole_while_the_client_still_sends(proxy, spawn):
    p = proxy(HttpLimits(linger_s=2.0), kind="tcp")
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n")

    def flood() -> None:
        with pytest.raises(StreamError):
            while True:
                p.client.send(bytes(65536), 5)

    spawn(flood)
    p.backend.read_until(b"\r\n\r\n")
    since = time.monotonic()
    p.backend.stream.send(b"HTTP/1.1 413 Large\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, 5)
    got = read_until(p.client, b"x" * 100)
    while len(got.partition(b"\r\n\r\n")[2]) < 100_000:
        got += p.client.recv(65536, 5)
    assert time.monotonic() - since < 1.0
    assert b"Connection: close" in got
    result = p.result()
    assert (result.status, result.reusable_client, result.reusable_upstream) == (413, False, False)


def test_a_client_that_still_sends_after_an_early_answer_is_not_reset(proxy):
    p = proxy(HttpLimits(linger_s=5.0), kind="tcp")
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(OK)
    assert read_all(p.client).endswith(b"hi")
    for _ in range(3):
        p.client.send(bytes(50_000), 5)
        gevent.sleep(0.01)
    assert not p.greenlet.dead
    p.client.close()
    assert not p.result().reusable_client


# -- upgrades ---

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
UPGRADE += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" + ACCEPT + b"\r\n"


def test_a_websocket_becomes_a_tunnel_and_nothing_is_lost_at_the_seam(proxy):
    p = proxy()
    p.client.send(UPGRADE)
    seen = p.backend.read_until(b"\r\n\r\n")
    assert seen.endswith(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    p.backend.stream.send(SWITCH + b"server early ")
    got = read_until(p.client, b"server early ")
    assert got.startswith(b"HTTP/1.1 101 Switching Protocols\r\n" + ACCEPT + b"Connection: Upgrade\r\n")
    p.client.send(b"client late")
    assert p.backend.read_until(b"client late")
    p.backend.stream.send(b"down")
    assert p.client.recv(100, 5) == b"down"
    p.client.send_eof()
    p.backend.stream.send(b" after half-close")
    assert read_until(p.client, b"half-close")
    p.backend.stream.send_eof()
    result = p.result()
    assert (result.status, result.upgraded, result.outcome, result.rx, result.tx) == (101, True, "ok", 11, 34)


@pytest.mark.parametrize("own", [b"Cookie: a=b", b"Authorization: Basic YTpi", b"Cookie: a\r\nAuthorization: b"])
@pytest.mark.parametrize("before", [b"Upgrade: ", b"\r\n\r\n"])
def test_who_has_cookies_or_credentials_gets_a_websocket_too(proxy, own, before):
    p = proxy()
    at = UPGRADE.index(before) + 2 * before.startswith(b"\r")
    p.client.send(UPGRADE[:at] + own + b"\r\n" + UPGRADE[at:])
    seen = p.backend.read_until(b"\r\n\r\n")
    assert seen.count(b"Upgrade: websocket\r\n") == seen.count(own.partition(b"\r")[0]) == 1
    p.backend.stream.send(SWITCH)
    assert read_until(p.client, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    p.client.send_eof()
    p.backend.stream.send_eof()
    assert p.result().upgraded


def test_the_client_of_a_websocket_is_told_that_this_server_goes_away_and_may_still_say_goodbye(proxy):
    p = proxy()
    p.client.send(UPGRADE)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(SWITCH + b"\x81\x02hi")
    read_until(p.client, b"hi")
    p.connections[0].farewell()
    assert read_until(p.client, b"\x03\xe9") == b"\x88\x02\x03\xe9"
    p.client.send(b"\x88\x82\0\0\0\0\x03\xe9")
    assert p.backend.read_until(b"\x88\x82\0\0\0\0\x03\xe9")
    p.backend.stream.close()
    assert p.client.recv(10, 5) == b""
    p.client.close()
    assert p.result().status == 101


@pytest.mark.parametrize(
    ("version", "framing", "end"),
    [
        (b"1.1", b"", b"\r\n0\r\n\r\n"),
        (b"1.1", b"Transfer-Encoding: chunked\r\n", b"\r\n0\r\n\r\n"),
        (b"1.0", b"", b"\n\n"),
    ],
)
def test_an_event_stream_that_we_end_ends_in_good_order(proxy, version, framing, end):
    p = proxy()
    p.client.send(GET.replace(b"1.1", version))
    p.backend.read_until(b"\r\n\r\n")
    event = b"data: 1\n\n"
    body = b"9\r\n" + event + b"\r\n" if framing else event
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n" + body)
    read_until(p.client, b"data: 1\n\n" + (b"\r\n" if version == b"1.1" else b""))
    p.connections[0].farewell()
    rest = read_all(p.client)
    assert rest == (b"0\r\n\r\n" if version == b"1.1" else b"")
    assert p.result().outcome == "ended: this server goes away"
    assert end


def test_what_is_no_event_stream_is_not_ended_by_us(proxy):
    p = proxy()
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf")
    read_until(p.client, b"half")
    assert p.connections[0].farewell is None


def test_after_an_event_stream_nothing_is_left_to_end(proxy):
    p = proxy()
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(OK.replace(b"Date", b"Content-Type: text/event-stream\r\nDate"))
    assert read_until(p.client, b"hi")
    assert p.connections[0].farewell is None


def test_a_switch_loses_what_would_frame_a_body(proxy):
    p = proxy()
    p.client.send(UPGRADE)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(SWITCH.replace(ACCEPT, ACCEPT + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"))
    got = read_until(p.client, b"\r\n\r\n")
    assert b"Content-Length" not in got
    assert b"Transfer-Encoding" not in got


def test_a_refused_websocket_is_an_ordinary_exchange(proxy):
    p = proxy()
    p.client.send(UPGRADE)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(OK.replace(b"200 OK", b"403 No"))
    assert b"HTTP/1.1 403 No" in read_until(p.client, b"hi")
    p.client.send(GET)
    p.backend.seen.clear()
    assert p.backend.read_until(b"\r\n\r\n") == GET


@pytest.mark.parametrize(
    "request_bytes",
    [
        UPGRADE.replace(b"websocket", b"h2c"),
        UPGRADE.replace(b"GET", b"PUT"),
        UPGRADE.replace(b"1.1", b"1.0"),
        UPGRADE.replace(b"Sec-WebSocket-Version: 13", b"Content-Length: 0"),
    ],
)
def test_other_upgrades_are_served_as_plain_requests(proxy, request_bytes):
    _, seen, result = exchange(proxy, request_bytes, OK)
    assert b"Upgrade" not in seen
    assert b"Connection" not in seen
    assert result.status == 200


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (GET, SWITCH),
        (GET, SWITCH.replace(b"websocket", b"h2c")),
        (UPGRADE, SWITCH.replace(b"websocket", b"h2c")),
        (UPGRADE, SWITCH.replace(ACCEPT, b"")),
        (UPGRADE, SWITCH.replace(ACCEPT, b"Sec-WebSocket-Accept: AAAA\r\n")),
        (UPGRADE, SWITCH.replace(ACCEPT, ACCEPT * 2)),
        (UPGRADE, SWITCH.replace(b"Connection: upgrade\r\n", b"")),
    ],
)
def test_switching_unasked_or_to_something_else_is_502(proxy, request_bytes, answer):
    _, _, result = exchange(proxy, request_bytes, answer)
    assert (result.status, result.answer) == (0, 502)


# -- what goes wrong upstream ---


@pytest.mark.parametrize(("request_bytes", "retryable"), [(GET, True), (post(b"abc"), False)])
def test_an_upstream_that_dies_before_its_answer_is_502(proxy, request_bytes, retryable):
    p = proxy(HttpLimits(linger_s=0.05))
    p.client.send(request_bytes)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.close()
    assert read_all(p.client).startswith(b"HTTP/1.1 502 ")
    result = p.result()
    assert (result.status, result.answer, result.retryable) == (0, 502, retryable)
    assert not result.reusable_client


def test_an_upstream_that_was_dead_already_is_502_and_worth_another_try(proxy):
    p = proxy(HttpLimits(linger_s=0.05))
    p.backend.stream.close()
    p.client.send(GET)
    assert read_all(p.client).startswith(b"HTTP/1.1 502 ")
    assert p.result().retryable


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200", b"HTTP/1.1 103 X\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5"])
def test_an_upstream_that_dies_within_its_head_is_502_and_not_tried_again(proxy, begin):
    _, _, result = exchange(proxy, GET, begin, end=True)
    assert (result.status, result.answer, result.retryable) == (0, 502, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxx\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_cut_short_is_never_taken_for_whole(proxy, answer, version):
    p = proxy(kind="tcp")
    p.client.send(GET.replace(b"1.1", version))
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(answer)
    p.backend.stream.send_eof()
    got = read_all(p.client)
    assert got.endswith(b"<broken>"), got
    assert b"0\r\n\r\n" not in got
    result = p.result()
    assert result.status == 200
    assert result.outcome.startswith("upstream: ")
    assert (result.reusable_client, result.reusable_upstream) == (False, False)


def test_a_reset_within_a_body_without_length_is_no_end(proxy):
    p = proxy(kind="tcp")
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    read_until(p.client, b"half")
    p.backend.stream.abort()
    assert read_all(p.client).endswith(b"<broken>")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"nonsense\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 0\r\n\r\n"],
)  # fmt: skip
def test_a_malformed_answer_is_502(proxy, answer):
    got, _, result = exchange(proxy, GET, answer)
    assert got.startswith(b"HTTP/1.1 502 ")
    assert (result.status, result.answer) == (0, 502)


def test_an_upstream_that_keeps_silent_is_504(proxy):
    p = proxy(HttpLimits(first_byte_s=0.05, linger_s=0.05))
    p.client.send(GET)
    assert read_all(p.client).startswith(b"HTTP/1.1 504 ")
    assert p.result().answer == 504


def test_the_limit_for_the_answer_begins_when_the_request_is_whole(proxy):
    p = proxy(HttpLimits(first_byte_s=0.15))
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n")
    for _ in range(30):
        gevent.sleep(0.01)
        p.client.send(b"x")
    p.backend.read_until(b"x" * 30)
    p.backend.stream.send(OK)
    assert read_until(p.client, b"hi").startswith(b"HTTP/1.1 200 OK")


def test_an_upstream_that_stops_within_its_answer_breaks_it(proxy):
    p = proxy(HttpLimits(response_idle_s=0.05), kind="tcp")
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    assert read_all(p.client).endswith(b"<broken>")
    assert "sent nothing" in p.result().outcome


# -- what goes wrong with the client ---


@pytest.mark.parametrize(("then", "answer"), [(b"xx\r\n", 400), (b"", 408), (b"1;" + b"a" * 2000 + b"\r\n", 400)])
def test_a_bad_upload_reaches_the_upstream_cut_short(proxy, then, answer):
    p = proxy(HttpLimits(body_idle_s=0.05, linger_s=0.05), kind="tcp")
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    p.backend.read_until(b"abc\r\n")
    p.client.send(then)
    assert read_all(p.client).startswith(b"HTTP/1.1 %d " % answer)
    assert b"0\r\n\r\n" not in read_all(p.backend.stream)
    result = p.result()
    assert (result.status, result.answer) == (0, answer)
    assert result.outcome.startswith("client: ")


def test_a_client_that_vanishes_within_its_upload_cuts_it_short(proxy):
    p = proxy(kind="tcp")
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    p.backend.read_until(b"abc")
    p.client.abort()
    assert read_all(p.backend.stream).endswith(b"<broken>")
    result = p.result()
    assert (result.status, result.answer) == (0, 0)


def test_an_upload_over_its_limit_is_413(proxy):
    p = proxy(HttpLimits(body_bytes=5, linger_s=0.05), kind="tcp")
    p.client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n")
    assert read_all(p.client).startswith(b"HTTP/1.1 413 ")
    assert b"0\r\n\r\n" not in read_all(p.backend.stream)


def test_a_client_that_vanishes_within_its_answer_frees_the_upstream(proxy, spawn):
    p = proxy(kind="tcp")
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    p.backend.stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    read_until(p.client, b"\r\n\r\n")
    p.client.abort()
    with pytest.raises(StreamError):
        while True:
            p.backend.stream.send(bytes(65536), 5)
            gevent.sleep(0)
    result = p.result()
    assert result.outcome.startswith("client: ")
    assert not result.reusable_upstream


def test_a_client_that_takes_nothing_is_let_go_and_memory_stays_bounded(proxy, spawn):
    p = proxy(HttpLimits(write_stall_s=0.1))
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    sent = 0

    def flood() -> None:
        nonlocal sent
        p.backend.stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with pytest.raises(StreamError):
            while True:
                p.backend.stream.send(bytes(16384), 5)
                sent += 16384

    flooding = spawn(flood)
    result = p.result()
    flooding.get(timeout=5)
    assert "took nothing" in result.outcome
    assert sent < 4 << 20
