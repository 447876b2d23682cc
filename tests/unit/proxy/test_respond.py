import pytest

from zrokd.model.http import Respond
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.stream import pair
from zrokd.proxy.respond import respond

TOLD = Respond(404, b"nothing", ((b"X-A", b"1"),))


@pytest.fixture
def ends():
    theirs, ours = pair()
    yield theirs, HttpConnection(ours, HttpLimits(linger_s=0.05))
    theirs.close()
    ours.close()


def asked(ends, data: bytes):
    theirs, connection = ends
    theirs.send(data)
    return connection.read_request()


CASES = [
    ("plain", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True, True),
    ("empty body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", True, True),
    ("body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", True, False),
    ("chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", True, False),
    ("wants to close", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", True, False),
    ("old", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", True, False),
    ("old, kept alive", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", True, True),
    ("the last one", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", False, False),
]


@pytest.mark.parametrize(("name", "data", "more", "kept"), CASES, ids=[case[0] for case in CASES])
def test_a_connection_is_kept_only_when_nothing_of_the_request_is_left(ends, name, data, more, kept):
    sent = asked(ends, data)
    done = respond(ends[1], sent, TOLD, more=more)
    got = ends[0].recv(65536, 5)
    assert got.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"\r\nX-A: 1\r\n" in got
    assert got.endswith(b"\r\n\r\nnothing")
    assert (b"Connection: close" in got) is not kept
    assert (done.status, done.tx, done.reusable_client, done.outcome) == (404, 7, kept, "ok")


def test_what_was_no_request_is_answered_and_the_connection_ends(ends):
    done = respond(ends[1], None, TOLD)
    assert b"Connection: close" in ends[0].recv(65536, 5)
    assert not done.reusable_client


def test_a_visitor_who_left_is_no_error(ends):
    sent = asked(ends, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    ends[0].close()
    done = respond(ends[1], sent, Respond(200, b"x" * 1_000_000))
    assert (done.status, done.tx, done.reusable_client) == (0, 0, False)
    assert done.outcome.startswith("client:")
