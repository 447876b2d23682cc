from __future__ import annotations

import logging

import gevent
import pytest

from zrokd.errors import MessageError, StreamError
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import serve
from zrokd.net.http1.tracker import ConnectionTracker

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LOG = logging.getLogger("test.server")


@pytest.fixture
def start(make_pair, spawn):
    def make(handler, kind: str = "unix", tracker=None, **limits):
        far, near = make_pair(kind)

        def run() -> None:
            try:
                serve(near, handler, HttpLimits(**limits), log=LOG, tracker=tracker)
            except StreamError as error:
                LOG.info("stream: %s", error)
            finally:
                near.close()

        return far, spawn(run)

    return make


def read_all(stream) -> bytes:
    got = b""
    try:
        while piece := stream.recv(65536, 5):
            got += piece
    except StreamError:
        got += b"<broken>"
    return got


def hello(exchange) -> None:
    exchange.respond(200, ((b"Content-Type", b"text/plain"),), b"hello")


def test_requests_on_one_connection_are_answered_in_order(start):
    far, _ = start(lambda exchange: exchange.respond(200, (), exchange.head.target))
    far.send(GET.replace(b"/ ", b"/1 ") + GET.replace(b"/ ", b"/2 ") + LAST.replace(b"/ ", b"/3 "))
    got = read_all(far)
    assert [part.rpartition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200 OK")[1:]] == [b"/1", b"/2", b"/3"]
    assert got.count(b"Connection: close") == 1


def test_a_handler_reads_the_body(start):
    far, _ = start(lambda exchange: exchange.respond(200, (), exchange.read() + exchange.read()))
    far.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + LAST)
    got = read_all(far)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n\r\nabcHTTP/1.1" in got


def test_a_head_request_gets_the_head_alone(start):
    far, _ = start(hello)
    far.send(LAST.replace(b"GET", b"HEAD"))
    got = read_all(far)
    assert b"Content-Length: 5\r\n" in got
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "length", "head", "body"),
    [
        (b"1.1", None, b"Transfer-Encoding: chunked", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        (b"1.0", None, b"Connection: close", b"abc"),
        (b"1.1", 3, b"Content-Length: 3", b"abc"),
    ],
)
def test_an_iterable_body_is_framed_for_its_client(start, version, length, head, body):
    far, _ = start(lambda exchange: exchange.respond(200, (), iter([b"ab", b"", b"c"]), length))
    far.send(LAST.replace(b"1.1", version))
    got_head, _, got_body = read_all(far).partition(b"\r\n\r\n")
    assert head in got_head
    assert got_body == body


def test_an_old_client_that_asks_for_it_keeps_its_connection(start):
    far, _ = start(hello)
    for _ in range(2):
        far.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        got = far.recv(65536, 5)
        assert b"Connection: keep-alive" in got
        assert got.endswith(b"hello")


def test_a_failing_handler_gives_500_without_internals(start, caplog):
    def fail(exchange) -> None:
        raise KeyError("secret")

    far, _ = start(fail)
    far.send(GET + GET)
    got = read_all(far)
    assert got.count(b"HTTP/1.1") == 1
    assert got.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"secret" not in got
    assert "KeyError" in caplog.text


def test_a_handler_that_does_not_answer_is_a_failure(start, caplog):
    far, _ = start(lambda exchange: None)
    far.send(GET)
    assert read_all(far).startswith(b"HTTP/1.1 500 ")
    assert "did not answer" in caplog.text


def test_answering_twice_is_a_failure(start, caplog):
    def twice(exchange) -> None:
        hello(exchange)
        hello(exchange)

    far, _ = start(twice, "tcp")
    far.send(GET)
    read_all(far)
    assert "answered already" in caplog.text


def test_a_failure_within_an_answer_leaves_it_incomplete(start, caplog):
    def pieces():
        yield b"some"
        raise KeyError("midway")

    far, _ = start(lambda exchange: exchange.respond(200, (), pieces()), "tcp")
    far.send(GET)
    got = read_all(far)
    assert b"0\r\n\r\n" not in got
    assert "midway" in caplog.text


def test_a_handler_can_refuse_with_a_status(start):
    def refuse(exchange) -> None:
        raise MessageError(418, "no coffee here")

    far, _ = start(refuse)
    far.send(GET)
    got = read_all(far)
    assert got.startswith(b"HTTP/1.1 418 ")
    assert got.endswith(b"no coffee here\n")


def test_a_bad_body_gives_its_status_and_the_end(start):
    far, _ = start(lambda exchange: exchange.respond(200, (), exchange.read()))
    far.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n" + GET)
    got = read_all(far)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_client_that_waits_for_100_gets_it_when_the_body_is_wanted(start, spawn, version):
    far, _ = start(lambda exchange: exchange.respond(200, (), exchange.read()))
    far.send(b"POST / HTTP/%s\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n" % version)
    if version == b"1.1":
        assert far.recv(65536, 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    far.send(b"abc")
    assert far.recv(65536, 5).startswith(b"HTTP/1.1 200 OK")


def test_an_answer_before_the_body_ends_the_connection_and_is_read_whole(start, spawn):
    far, serving = start(hello, "tcp")
    far.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
    spawn(far.send, bytes(300_000), 5)
    got = read_all(far)
    assert b"Connection: close" in got
    assert got.endswith(b"hello")
    far.close()
    serving.get(timeout=5)


def test_a_small_unread_body_does_not_end_the_connection(start):
    far, _ = start(hello)
    far.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + LAST)
    assert read_all(far).count(b"HTTP/1.1 200 OK") == 2


def test_a_client_that_goes_away_midway_is_no_failure(start, caplog):
    def endless():
        while True:
            yield bytes(65536)

    far, serving = start(lambda exchange: exchange.respond(200, (), endless()), "tcp")
    far.send(GET)
    far.recv(1000, 5)
    far.abort()
    serving.get(timeout=5)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_drain_ends_idle_connections_and_busy_ones_after_their_answer(start):
    tracker = ConnectionTracker()
    go_on = gevent.event.Event()

    def slow(exchange) -> None:
        go_on.wait(5)
        hello(exchange)

    idle, idling = start(hello, tracker=tracker)
    busy, _ = start(slow, tracker=tracker)
    idle.send(GET)
    idle.recv(65536, 5)
    busy.send(GET)
    gevent.sleep(0.01)
    tracker.drain()
    idling.get(timeout=5)
    go_on.set()
    got = read_all(busy)
    assert b"Connection: close" in got
    assert got.endswith(b"hello")


def test_a_slow_head_is_408(start):
    far, _ = start(hello, head_s=0.03)
    far.send(GET[:10])
    assert read_all(far).startswith(b"HTTP/1.1 408 ")
