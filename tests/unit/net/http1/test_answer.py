from __future__ import annotations

import email.utils
import time

import pytest

from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.answer import answer, dress, framing_for, reason, refuse
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import CHUNKED, NONE, UNTIL_CLOSE, Framing
from zrokd.net.http1.limits import HttpLimits

FIVE = Framing("length", 5)


@pytest.fixture
def connection(make_pair):
    far, near = make_pair()
    made = HttpConnection(near, HttpLimits(linger_s=0.01))
    return far, made


@pytest.mark.parametrize(
    ("framing", "minor", "want"),
    [
        (NONE, 1, NONE), (FIVE, 0, FIVE), (CHUNKED, 1, CHUNKED), (CHUNKED, 0, UNTIL_CLOSE),
        (UNTIL_CLOSE, 1, CHUNKED), (UNTIL_CLOSE, 0, UNTIL_CLOSE),
    ],
)  # fmt: skip
def test_old_clients_get_no_chunks(framing, minor, want):
    assert framing_for(framing, minor) == want


@pytest.mark.parametrize(
    ("status", "fields", "framing", "keep_alive", "minor", "want"),
    [
        (200, (), FIVE, True, 1, {b"Content-Length": b"5"}),
        (200, ((b"content-length", b"9"),), FIVE, True, 1, {b"Content-Length": b"5"}),
        (200, ((b"Content-Length", b"9"),), CHUNKED, True, 1, {b"Transfer-Encoding": b"chunked"}),
        (200, ((b"Transfer-Encoding", b"chunked"),), UNTIL_CLOSE, False, 0, {b"Connection": b"close"}),
        (200, ((b"Content-Length", b"9"),), NONE, True, 1, {b"Content-Length": b"9"}),
        (304, ((b"Content-Length", b"9"),), NONE, True, 1, {b"Content-Length": b"9"}),
        (204, ((b"Content-Length", b"9"),), NONE, True, 1, {}),
        (200, ((b"Connection", b"x"),), FIVE, True, 0, {b"Connection": b"keep-alive", b"Content-Length": b"5"}),
    ],
)
def test_an_answer_gets_the_fields_of_this_hop(status, fields, framing, keep_alive, minor, want):
    head = dress(ResponseHead(status, b"", fields), framing, keep_alive=keep_alive, minor=minor)
    assert {name: value for name, value in head.fields if name != b"Date"} == want


def test_a_date_is_added_where_there_is_none():
    made = dress(ResponseHead(200, b"", ()), FIVE, keep_alive=True, minor=1).get(b"Date")
    assert made is not None
    assert abs(email.utils.parsedate_to_datetime(made.decode()).timestamp() - time.time()) < 3
    kept = dress(ResponseHead(200, b"", ((b"date", b"then"),)), FIVE, keep_alive=True, minor=1)
    assert [value for name, value in kept.fields if name.lower() == b"date"] == [b"then"]


def test_usual_statuses_have_a_reason():
    assert (reason(404), reason(599)) == (b"Not Found", b"")


@pytest.mark.parametrize(("method", "body"), [(b"GET", b"gone"), (b"HEAD", b"")])
def test_an_answer_of_ours_is_whole(connection, method, body):
    far, near = connection
    request = RequestHead(method, b"/", 1, ())
    assert answer(near, 404, ((b"X", b"y"),), b"gone", request=request, keep_alive=True) is True
    got = far.recv(65536, 5)
    assert got.startswith(b"HTTP/1.1 404 Not Found\r\nX: y\r\nContent-Length: 4\r\nDate: ")
    assert got.partition(b"\r\n\r\n")[2] == body


def test_an_answer_without_body_says_no_length(connection):
    far, near = connection
    answer(near, 204, request=RequestHead(b"GET", b"/", 1, ()), keep_alive=True)
    assert b"Content-Length" not in far.recv(65536, 5)


def test_a_connection_that_will_not_go_on_says_so(connection):
    far, near = connection
    near.keep_alive = False
    assert answer(near, 200, keep_alive=True) is False
    got = far.recv(65536, 5)
    assert b"Connection: close" in got
    assert far.recv(1, 5) == b"", "our direction is over"


def test_a_refusal_is_plain_text_and_the_end(connection):
    far, near = connection
    refuse(near, 431, "too much")
    got = far.recv(65536, 5)
    assert got.startswith(b"HTTP/1.1 431 ")
    assert got.endswith(b"\r\n\r\ntoo much\n")


def test_refusing_somebody_who_is_gone_is_quiet(connection):
    _far, near = connection
    near.stream.close()
    refuse(near, 400, "too late")


@pytest.mark.parametrize(
    ("status", "fields", "line"),
    [
        (405, (), b"Allow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n"),
        (405, ((b"allow", b"GET"),), b"allow: GET\r\n"),
        (426, (), b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
    ],
)
def test_a_status_comes_with_what_it_must_say(connection, status, fields, line):
    far, ours = connection
    answer(ours, status, fields)
    got = far.recv(65536, 5)
    assert line in got
    assert got.lower().count(line.partition(b":")[0].lower() + b":") == 1
