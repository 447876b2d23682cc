"""Which requests are sent a second time, and which streams serve a second request."""

import gevent
import pytest

from zrokd.proxy.exchange import may_retry

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD_ONLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def heard(stream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(65536, 5)
        if not more:
            return b""
        data += more
    return data


@pytest.mark.parametrize(
    ("method", "reused", "untouched", "again"),
    [
        (b"GET", True, True, True),
        (b"HEAD", True, True, True),
        (b"OPTIONS", True, True, True),
        (b"PUT", True, True, True),
        (b"DELETE", True, True, True),
        (b"POST", True, True, False),
        (b"PATCH", True, True, False),
        (b"PROPPATCH", True, True, False),
        (b"get", True, True, False),
        (b"GET", False, True, False),
        (b"GET", True, False, False),
        (b"GET", False, False, False),
    ],
)
def test_only_what_may_be_repeated_is_sent_again_and_only_when_the_stream_was_reused(method, reused, untouched, again):
    assert may_retry(method, reused=reused, untouched=untouched) is again


class Flaky:
    """A share whose first stream answers once and then fails the second request in some way; the others work."""

    def __init__(self, fail) -> None:
        self.fail, self.requests, self.streams = fail, [], 0

    def __call__(self, stream) -> None:
        self.streams += 1
        first = self.streams == 1
        while head := heard(stream):
            self.requests.append(head.split(b" ", 1)[0].decode())
            if first and len(self.requests) == 2:
                self.fail(stream)
                stream.close()
                return
            stream.send(HEAD_ONLY if head.startswith(b"HEAD ") else ANSWER)


def nothing(_stream) -> None:
    """It ends without a byte."""


def some_bytes(stream) -> None:
    stream.send(b"HTTP/1.1 200")


def head_only(stream) -> None:
    stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")


CASES = [
    # method, what the share does with the second request, has a body, status the visitor gets, requests the share got
    ("GET", nothing, False, 200, 3),
    ("HEAD", nothing, False, 200, 3),
    ("DELETE", nothing, False, 200, 3),
    ("POST", nothing, False, 502, 2),
    ("PATCH", nothing, False, 502, 2),
    ("PUT", nothing, True, 502, 2),
    ("POST", nothing, True, 502, 2),
    ("GET", some_bytes, False, 502, 2),
]


@pytest.mark.parametrize(("method", "fail", "has_body", "expected", "requests"), CASES)
def test_a_pooled_stream_that_ended_just_now_costs_a_visitor_nothing_when_that_is_safe(
    rig, method, fail, has_body, expected, requests
):
    share = rig.shares["tok-a"] = Flaky(fail)
    visitor = rig.visit()
    assert status(visitor.ask()) == 200
    answer = visitor.ask("a.zone", "/", method, body=b"x" * 10 if has_body else b"")
    assert status(answer) == expected
    assert len(share.requests) == requests, share.requests


def test_a_fresh_stream_that_ends_is_not_tried_again(rig):
    share = rig.shares["tok-a"] = lambda stream: (heard(stream), stream.close())
    assert status(rig.visit().ask()) == 502
    assert rig.dials == ["tok-a"]
    assert share is not None


def test_it_is_tried_again_once_and_not_more(rig):
    streams = []

    def share(stream):
        streams.append(stream)
        heard(stream)
        if len(streams) == 1:
            stream.send(ANSWER)
            heard(stream)
        stream.close()

    rig.shares["tok-a"] = share
    visitor = rig.visit()
    assert status(visitor.ask()) == 200
    assert status(visitor.ask()) == 502
    assert len(streams) == 2


def test_it_is_tried_again_on_a_new_stream_because_the_others_may_have_ended_too(rig):
    served, both = [], gevent.event.Event()

    def share(stream):
        heard(stream)
        served.append(stream)
        if len(served) <= 2:  # two at once, and neither answers a second request
            if len(served) == 2:
                both.set()
            both.wait(5)
            stream.send(ANSWER)
            heard(stream)
        else:
            stream.send(ANSWER)
        stream.close()

    rig.shares["tok-a"] = share
    visitors = [rig.visit(), rig.visit()]
    for visitor in visitors:
        visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    assert [status(visitor.answer()) for visitor in visitors] == [200, 200]
    assert rig.pipeline.pool.idle == 2
    assert status(visitors[0].ask()) == 200
    assert len(rig.dials) == 3


def test_an_answer_cut_short_is_never_made_whole_by_a_second_try(rig):
    share = rig.shares["tok-a"] = Flaky(head_only)
    visitor = rig.visit()
    assert status(visitor.ask()) == 200
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    assert not visitor.rest().endswith(b"ok")
    assert len(share.requests) == 2


# -- contamination: a stream with anything left over never serves a second request ---

LEFT_OVERS = {
    "bytes after the answer": ANSWER + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "a body where none may be": b"HTTP/1.1 204 No Content\r\n\r\nevil",
    "an answer that says close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "an answer of HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", LEFT_OVERS)
def test_a_stream_that_is_not_clean_is_not_used_again(rig, name):
    def share(stream):
        while heard(stream):
            stream.send(LEFT_OVERS[name])

    rig.shares["tok-a"] = share
    for _ in range(3):
        visitor = rig.visit()
        answer = visitor.ask()
        assert b"evil" not in answer
        assert status(answer) in (200, 204)
    assert len(rig.dials) == 3
    assert rig.pipeline.pool.idle == 0


def test_a_stream_whose_request_was_cut_short_is_not_used_again(rig):
    bodies = []

    def share(stream):
        head = heard(stream)
        if head.startswith(b"POST"):
            bodies.append(head.partition(b"\r\n\r\n")[2])
            while data := stream.recv(65536, 5):
                bodies.append(data)
        else:
            stream.send(ANSWER)
        stream.close()

    rig.shares["tok-a"] = share
    leaver = rig.visit()
    leaver.send(b"POST / HTTP/1.1\r\nHost: a.zone\r\nContent-Length: 100\r\n\r\nonly this")
    with gevent.Timeout(5):
        while not bodies:
            gevent.sleep(0.001)
    leaver.stream.close()
    rig.ended()
    assert b"".join(bodies) == b"only this"
    assert status(rig.visit().ask()) == 200
    assert len(rig.dials) == 2


def test_a_stream_whose_answer_came_before_the_request_was_sent_is_not_used_again(rig):
    def early(stream):
        heard(stream)
        stream.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        while stream.recv(65536, 5):
            pass
        stream.close()

    rig.shares["tok-a"] = early
    visitor = rig.visit()
    visitor.send(b"POST / HTTP/1.1\r\nHost: a.zone\r\nContent-Length: 1000000\r\n\r\nbegin")
    assert b" 413 " in visitor.until(b"\r\n\r\n")
    visitor.stream.close()
    rig.ended()
    assert (rig.pipeline.pool.idle, rig.pipeline.pool.lent) == (0, 0)


def test_a_request_refused_before_anything_was_sent_leaves_the_stream_in_the_pool(rig):
    visitor = rig.visit()
    assert status(visitor.ask()) == 200
    assert status(visitor.ask("a.zone", "/", "GET", "Expect: miracles")) == 417
    assert status(rig.visit().ask()) == 200
    assert rig.dials == ["tok-a"]


def test_it_is_told_how_long_the_stream_and_the_answer_took(rig):
    visitor = rig.visit()
    visitor.ask()
    visitor.ask("nobody.zone")
    answered, page = rig.told.exchanges
    assert 0 <= answered.dial_s <= answered.first_byte_s <= answered.duration_s
    assert (page.status, page.dial_s, page.first_byte_s) == (404, None, None)
