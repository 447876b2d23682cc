from __future__ import annotations

import gevent
import pytest

from zrokd.errors import MessageError, StreamError, StreamTimeout
from zrokd.net.http1 import connection as connections
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import CHUNKED, Framing, response_framing
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.replay import ReplayStream

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def status_of(connection: HttpConnection) -> int:
    with pytest.raises(MessageError) as caught:
        connection.read_request()
    return caught.value.status


def send_in_vain(stream) -> None:
    with pytest.raises(StreamError):
        stream.send(bytes(64 << 20))


@pytest.fixture
def connect(make_pair):
    def make(**limits):
        far, near = make_pair()
        return far, HttpConnection(near, HttpLimits(**limits))

    return make


def test_requests_are_read_one_after_the_other(connect):
    far, connection = connect()
    far.send(GET + b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + GET.replace(b"/ ", b"/3 "))
    far.send_eof()
    assert connection.read_request().target == b"/"
    assert connection.read_request().target == b"/2"
    assert connection.request_reader().read() == b"abc"
    assert connection.read_request().target == b"/3"
    assert connection.read_request() is None
    assert connection.requests == 3


@pytest.mark.parametrize("data", [GET, b"\r\n" + GET])
def test_a_request_is_read_however_it_is_cut(connect, data):
    for at in range(1, len(data)):
        far, connection = connect()
        reading = gevent.Greenlet.spawn(connection.read_request)
        far.send(data[:at])
        gevent.sleep(0)
        gevent.sleep(0)
        far.send(data[at:] + b"rest")
        assert reading.get(timeout=5).target == b"/"
        far.close()
        connection.stream.close()


def test_bytes_one_by_one_make_a_request(connect, spawn):
    far, connection = connect()
    reading = spawn(connection.read_request)
    for at in range(len(GET)):
        far.send(GET[at : at + 1])
        gevent.sleep(0)
    assert reading.get(timeout=5).target == b"/"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a", 400),
        (b"GET / HTTP/1.1\r\nHost: a\nX", 400),
        (b"GET /\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\r\n\r\n" + GET, 400),
        (b"\x16\x03\x01\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /" + b"a" * 8200, 414),
        (b"x" * 8200, 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 33000, 431),
    ],
)
def test_what_cannot_become_a_request_is_refused_before_its_end(connect, data, status):
    far, connection = connect()
    far.send(data)
    with pytest.raises(MessageError) as caught:
        connection.read_request()
    assert caught.value.status == status


def test_a_line_without_cr_is_found_across_pieces(connect, spawn):
    far, connection = connect()
    reading = spawn(status_of, connection)
    for piece in (b"GET / HTTP/1.1\r", b"\n", b"Host: a", b"\n"):
        far.send(piece)
        gevent.sleep(0.001)
    assert reading.get(timeout=5) == 400


@pytest.mark.parametrize("requests", [0, 1])
def test_a_client_that_asks_nothing_is_let_go(connect, requests):
    far, connection = connect(head_s=0.02, keep_alive_s=0.02)
    if requests:
        far.send(GET)
        assert connection.read_request()
    assert connection.read_request() is None


@pytest.mark.parametrize("end", ["close", "drain"])
def test_an_idle_connection_that_ends_has_no_request(make_pair, spawn, end):
    far, near = make_pair("tcp")
    connection = HttpConnection(near, HttpLimits())
    reading = spawn(connection.read_request)
    gevent.sleep(0.01)
    assert connection.idle
    far.abort() if end == "close" else near.close()
    assert reading.get(timeout=5) is None


def test_a_head_that_does_not_come_in_time_is_408_whatever_drips(connect, spawn):
    far, connection = connect(head_s=0.1)
    reading = spawn(status_of, connection)
    dripping = 0
    while not reading.dead:
        far.send(GET[dripping % 5 : dripping % 5 + 1] if dripping > 20 else b"G")
        dripping += 1
        gevent.sleep(0.01)
    assert reading.get() == 408


def test_a_head_cut_short_is_400(connect):
    far, connection = connect()
    far.send(GET[:-3])
    far.send_eof()
    with pytest.raises(MessageError) as caught:
        connection.read_request()
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("fields", "version", "want"),
    [(b"", b"1.1", True), (b"Connection: close\r\n", b"1.1", False), (b"", b"1.0", False)],
)
def test_the_head_says_whether_the_connection_goes_on(connect, fields, version, want):
    far, connection = connect()
    far.send(b"GET / HTTP/%s\r\nHost: a\r\n%s\r\n" % (version, fields))
    connection.read_request()
    assert connection.keep_alive is want


def test_what_a_request_said_is_given_up_when_no_other_follows_soon(connect, monkeypatch):
    monkeypatch.setattr(connections, "_SOON_S", 0.005)
    far, connection = connect(keep_alive_s=0.01)
    far.send(GET * 3)
    _, second, third = [connection.read_request() for _ in range(3)]
    assert second.block is third.block
    assert connection.read_request() is None
    far.send(GET)
    assert connection.read_request() == third
    far.send(GET)
    assert connection.read_request().block is not third.block


def test_a_connection_serves_so_many_requests(connect):
    far, connection = connect(keep_alive_requests=2)
    far.send(GET * 2)
    connection.read_request()
    assert connection.keep_alive
    connection.read_request()
    assert not connection.keep_alive


def test_who_drains_has_the_last_word(connect):
    far, connection = connect()
    connection.keep_alive = False
    far.send(GET)
    connection.read_request()
    assert not connection.keep_alive


def test_who_was_promised_another_request_has_a_moment_for_it_when_a_drain_began(connect, monkeypatch):
    monkeypatch.setattr("zrokd.net.http1.connection._LAST_S", 0.01)
    far, connection = connect(keep_alive_s=60.0)
    far.send(GET)
    connection.read_request()
    connection.keep_alive = False
    far.send(GET)
    assert connection.read_request() is not None
    with gevent.Timeout(5):
        assert connection.read_request() is None


def test_a_body_over_its_limit_is_refused_before_it_is_read(connect):
    far, connection = connect(body_bytes=10)
    far.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
    connection.read_request()
    with pytest.raises(MessageError) as caught:
        connection.request_reader()
    assert caught.value.status == 413


def test_a_client_that_stops_within_a_body_is_not_waited_for(connect):
    far, connection = connect(body_idle_s=0.02)
    far.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nabc")
    connection.read_request()
    reader = connection.request_reader()
    assert reader.read() == b"abc"
    with pytest.raises(StreamTimeout):
        reader.read()


def test_answers_are_read_with_their_bodies(connect):
    far, connection = connect()
    far.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 X\r\n")
    assert connection.read_response(b"GET").status == 100
    head = connection.read_response(b"GET")
    assert connection.reader(response_framing(head, b"GET")).read() == b"abc"
    assert connection.buffered == b"HTTP/1.1 204 X\r\n"
    assert connection.keep_alive


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 65536])
def test_a_bad_answer_is_502_before_its_end(connect, data, spawn):
    far, connection = connect()
    spawn(far.send, data)
    with pytest.raises(MessageError) as caught:
        connection.read_response(b"GET")
    assert caught.value.status == 502


@pytest.mark.parametrize(("data", "text"), [(b"", "before a head"), (b"HTTP/1.1 2", "within a head")])
def test_an_upstream_that_ends_instead_of_answering_is_an_error(connect, data, text):
    far, connection = connect()
    far.send(data)
    far.send_eof()
    with pytest.raises(StreamError, match=text):
        connection.read_response(b"GET")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200"])
def test_an_upstream_that_does_not_answer_is_not_waited_for(connect, data):
    far, connection = connect(first_byte_s=0.02)
    far.send(data)
    with pytest.raises(StreamTimeout):
        connection.read_response(b"GET")
    far.send(b"x")
    with pytest.raises((StreamTimeout, MessageError)):
        connection.read_response(b"GET", 0.01)


def test_heads_and_bodies_are_sent(connect):
    far, connection = connect()
    connection.send_head(b"HEAD")
    connection.send_body(CHUNKED, [b"abc"])
    connection.send_body(Framing("length", 2), [b"d", b"e"])
    connection.writer(CHUNKED, b"HEAD2").finish()
    assert far.recv(100, 5) == b"HEAD3\r\nabc\r\n0\r\n\r\ndeHEAD20\r\n\r\n"


def test_lingering_waits_for_the_end_of_what_comes(make_pair, spawn):
    far, near = make_pair("tcp")
    connection = HttpConnection(near, HttpLimits())
    connection.send(b"answer")
    lingering = spawn(connection.linger)
    far.send(bytes(100_000), 5)
    assert far.recv(10, 5) == b"answer"
    assert far.recv(10, 5) == b""
    far.close()
    lingering.get(timeout=5)


@pytest.mark.parametrize("limits", [{"linger_s": 0.05}, {"linger_bytes": 200_000}])
def test_lingering_has_limits(connect, spawn, limits):
    far, connection = connect(**limits)
    spawn(send_in_vain, far)
    if "linger_s" in limits:
        far.recv(0, 5)
    connection.linger()
    assert not connection.keep_alive
    connection.stream.close()


def test_lingering_on_a_broken_stream_is_quiet(connect):
    _far, connection = connect()
    connection.stream.close()
    connection.linger()


def test_unread_bytes_and_the_end_are_noticed(connect):
    far, connection = connect()
    assert not connection.unread()
    far.send(b"x")
    assert connection.unread()


def test_detach_gives_the_bytes_read_too_early(connect):
    far, connection = connect()
    far.send(GET + b"\x81\x00frames")
    connection.read_request()
    stream = connection.detach()
    assert isinstance(stream, ReplayStream)
    assert stream.recv(100) == b"\x81\x00frames"
    assert connection.detach() is connection.stream
