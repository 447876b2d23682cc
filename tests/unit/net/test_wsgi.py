from __future__ import annotations

import logging
import sys
import weakref
from wsgiref.validate import validator

import gevent
import pytest
from gevent.event import Event

from zrokd.errors import StreamError
from zrokd.model.http import LATER
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.wsgi import WsgiHandler

LOG = logging.getLogger("test.wsgi")


@pytest.fixture
def ask(make_pair, spawn):
    """Sends raw bytes to an application; gives head and body of everything that came back."""

    def run(app, data: bytes, **limits) -> tuple[bytes, bytes]:
        client, server = make_pair()
        handler = WsgiHandler(app, HttpLimits(**{"body_bytes": 65536, **limits}), log=LOG)

        def serve() -> None:
            try:
                handler(server)
            except StreamError:
                pass
            finally:
                server.close()

        spawn(serve)
        client.send(data)
        client.send_eof()
        got = b""
        try:
            while piece := client.recv(65536, 5):
                got += piece
        except StreamError:
            got += b"<broken>"
        head, _, body = got.partition(b"\r\n\r\n")
        return head, body

    return run


def request(method: bytes = b"GET", target: bytes = b"/", extra: bytes = b"", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%s %s HTTP/1.1\r\nHost: a.example:81\r\nConnection: close\r\n%s%s\r\n%s" % (
        method, target, length, extra, body,
    )  # fmt: skip


def simple(body: bytes = b"hello", status: str = "200 OK", headers=(("Content-Type", "text/plain"),)):
    def app(environ, start_response):
        start_response(status, list(headers))
        return [body]

    return app


def test_a_list_of_pieces_is_sent_with_its_length(ask):
    head, body = ask(simple(), request())
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 5" in head
    assert body == b"hello"


@pytest.mark.parametrize(
    ("method", "target", "extra", "body"),
    [
        (b"GET", b"/a%20b/%C3%A9?q=1&r=%20", b"X-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\n", b""),
        (b"POST", b"/", b"Content-Type: text/x\r\n", b"payload"),
        (b"HEAD", b"/", b"", b""),
    ],
)
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_the_servers_half_of_the_standard_is_kept(ask, method, target, extra, body):
    seen = {}

    def app(environ, start_response):
        seen.update(environ, body=environ["wsgi.input"].read(100))
        environ["wsgi.errors"].flush()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"ok"]

    head, answer = ask(validator(app), request(method, target, extra, body))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    assert b"Content-Length: 2" in head
    assert answer == (b"" if method == b"HEAD" else b"ok")
    assert (seen["body"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == (body, "a.example", "81")


def test_the_environment_says_what_was_asked(ask):
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        return simple()(environ, start_response)

    ask(app, request(b"PUT", b"/a%20b?q=%20", b"X-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Type: t\r\n"))
    assert seen["PATH_INFO"] == "/a b"
    assert seen["QUERY_STRING"] == "q=%20"
    assert seen["HTTP_X_A"] == "1, 2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["CONTENT_TYPE"] == "t"
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["REQUEST_METHOD"] == "PUT"
    assert "CONTENT_LENGTH" not in seen


def test_a_name_with_an_underscore_cannot_pass_for_another(ask):
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        return simple()(environ, start_response)

    ask(app, request(extra=b"X_Token: forged\r\nX-Token: real\r\n"))
    assert seen["HTTP_X_TOKEN"] == "real"


def test_a_body_over_the_limit_is_413_before_the_application_runs(ask):
    called = []
    head, _ = ask(lambda *a: called.append(a), request(b"POST", body=b"x" * 11), body_bytes=10)
    assert head.startswith(b"HTTP/1.1 413 ")
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n"
    head, _ = ask(lambda *a: called.append(a), chunked, body_bytes=10)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert not called


def test_a_chunked_body_reaches_the_application_whole(ask):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [environ["CONTENT_LENGTH"].encode(), b":", environ["wsgi.input"].read()]

    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert ask(app, chunked)[1] == b"5:abcde"


def test_an_iterable_without_length_goes_chunked_and_is_closed(ask):
    closed = []

    class Pieces:
        def __iter__(self):
            yield b""
            yield b"one"
            yield b"two"

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Pieces()

    head, body = ask(app, request())
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert closed == [True]


def test_an_iterable_with_length_is_sent_as_it_is(ask):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "6")])
        yield b"one"
        yield b"two"

    head, body = ask(app, request())
    assert b"Content-Length: 6" in head
    assert body == b"onetwo"


def test_an_iterable_shorter_than_it_said_is_never_taken_for_whole(ask, caplog):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "6")])
        yield b"one"

    _head, body = ask(app, request())
    assert len(body.removesuffix(b"<broken>")) < 6
    assert "shorter than announced" in caplog.text


def test_write_comes_before_what_is_returned(ask):
    def app(environ, start_response):
        start_response("200 OK", [])(b"first ")
        return [b"second"]

    assert ask(app, request())[1] == b"first second"


def test_the_iterable_is_closed_when_it_fails(ask, caplog):
    closed = []

    class Failing:
        def __iter__(self):
            raise KeyError("secret")

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Failing()

    head, body = ask(app, request())
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in body
    assert closed == [True]
    assert "KeyError" in caplog.text


def test_exc_info_replaces_an_answer_that_was_not_sent(ask):
    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise KeyError("x")
        except KeyError:
            start_response("503 Down", [], sys.exc_info())
        return [b"down"]

    head, body = ask(app, request())
    assert head.startswith(b"HTTP/1.1 503 ")
    assert body == b"down"


def test_exc_info_after_bytes_went_out_breaks_the_answer(ask, caplog):
    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"first"
        try:
            raise KeyError("late")
        except KeyError:
            start_response("500 Late", [], sys.exc_info())

    _head, body = ask(app, request())
    assert b"0\r\n\r\n" not in body
    assert "late" in caplog.text


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (lambda environ, start: [b"x"], "did not call start_response"),
        (lambda environ, start: [start("200 OK", []), start("200 OK", [])], "called twice"),
        (simple(headers=[("X-A", "1\r\nX-B: 2")]), "CR, LF or NUL"),
    ],
)
def test_a_wrong_application_gives_500_and_a_reason_in_the_log(ask, caplog, app, reason):
    head, _ = ask(app, request())
    assert head.startswith(b"HTTP/1.1 500 ")
    assert reason in caplog.text


def test_what_the_application_complains_about_goes_to_the_log_by_lines(ask, caplog):
    def app(environ, start_response):
        errors = environ["wsgi.errors"]
        errors.write("one\ntw")
        errors.writelines(["o\n", "rest"])
        errors.flush()
        return simple()(environ, start_response)

    ask(app, request())
    assert [record.getMessage() for record in caplog.records] == [f"application: {w}" for w in ("one", "two", "rest")]


def test_an_answer_without_a_body_has_none(ask):
    head, body = ask(simple(b"", "204 No Content", ()), request())
    assert head.startswith(b"HTTP/1.1 204 ")
    assert b"Content-Length" not in head
    assert body == b""


def test_a_server_without_a_body_limit_is_a_mistake():
    with pytest.raises(ValueError, match="body_bytes"):
        WsgiHandler(simple(), HttpLimits())


def test_drain_closes_idle_connections(make_pair, spawn):
    client, server = make_pair()
    handler = WsgiHandler(simple())
    serving = spawn(handler, server)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.recv(65536, 5).startswith(b"HTTP/1.1 200")
    gevent.sleep(0)
    handler.drain()
    serving.get(timeout=5)
    assert client.recv(1, 5) == b""


class Waiting:
    """An application that answers once its word has come, and what it holds of a request meanwhile."""

    def __init__(self) -> None:
        self.word, self.calls, self.closed = Event(), 0, 0
        self.held: weakref.WeakSet[Held] = weakref.WeakSet()

    def __call__(self, environ, start_response):
        self.calls += 1
        mine = environ["held"] = Held()
        self.held.add(mine)
        start_response("200 OK", [("Content-Type", "text/plain")])
        if LATER in environ:
            environ[LATER](self.word.wait)
            return Pieces(self, b"nothing yet")
        return Pieces(self, b"at last")


class Held(dict):
    __hash__ = object.__hash__


class Pieces(list):
    def __init__(self, app: Waiting, piece: bytes) -> None:
        super().__init__([piece])
        self._app = app

    def close(self) -> None:
        self._app.closed += 1


def test_an_application_that_has_nothing_to_tell_yet_is_asked_again_and_holds_nothing_meanwhile(ask, spawn):
    app = Waiting()
    asking = spawn(ask, app, request())
    while not app.calls:
        gevent.sleep(0.001)
    gevent.sleep(0)
    assert (app.calls, app.closed, len(app.held)) == (1, 1, 0) and not asking.ready()
    app.word.set()
    head, body = asking.get(timeout=5)
    assert (head[:15], body) == (b"HTTP/1.1 200 OK", b"at last")
    assert (app.calls, app.closed) == (2, 2)


def test_a_wait_that_fails_is_500(ask, caplog):
    def app(environ, start_response):
        environ[LATER](lambda: 1 / 0)
        return []

    head, _ = ask(app, request())
    assert head.startswith(b"HTTP/1.1 500 ") and "ZeroDivisionError" in caplog.text
