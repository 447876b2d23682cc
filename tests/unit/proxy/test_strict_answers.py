"""Answers of a share that is hostile or broken: what a visitor sees of them, and that nobody else ever sees a byte."""

from __future__ import annotations

import re

import gevent
import pytest

from tests.unit.net.http1.rows import H, boundaries, field, get, grouped, post
from tests.unit.proxy.raw import LOG, OK, Frontend, Script, statuses
from tests.unit.proxy.test_strict import SWITCH, WS
from zrokd.net.http1.limits import HttpLimits
from zrokd.proxy.rules import Rules

GET = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
SECOND = b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
NOW = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnow"
L = b"Content-Length: 2\r\n"
T = b"Transfer-Encoding: chunked\r\n"


def answer(fields: bytes = L, body: bytes = b"ok", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + body


# id, what the share answers; the visitor gets 502 and the stream is never used again
BROKEN = [
    ("R04", answer(L + T)),
    ("R04", answer(T + L, b"2\r\nok\r\n0\r\n\r\n")),
    ("R04", answer(L + L)),
    ("R04", answer(L + b"Content-Length: 3\r\n")),
    *(
        ("R04", answer(b"Content-Length: " + value + b"\r\n"))
        for value in (b"-2", b"+2", b"0x2", b"2, 2", b"", b"2 2", b"9" * 19)
    ),
    *(
        ("R04", answer(b"Transfer-Encoding: " + value + b"\r\n"))
        for value in (
            b"gzip",
            b"chunked, gzip",
            b"gzip, chunked",
            b"identity",
            b"",
            b"\x0bchunked",
            b"chunked, chunked",
        )
    ),
    ("R04", answer(T, b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.0 200 OK")),
    ("R04", answer(L + b"X: a\x00b\r\n")),
    ("R04", answer(L + b"X: a\rb\r\n")),
    ("R04", answer(L + b"X: a\nSet-Cookie: b\r\n")),
    ("R04", answer(L + b"X: a\x0bb\r\n")),
    ("R04", answer(L + b"X: a\r\n b\r\n")),
    ("R04", answer(L + b"X : a\r\n")),
    ("R04", answer(L + b" X: a\r\n")),
    ("R04", answer(L + b"nothing\r\n")),
    ("R04", answer(L + b": a\r\n")),
    ("R04", answer(L + b"X: " + b"a" * 66_000 + b"\r\n")),
    ("R04", answer(L + b"X: a\r\n" * 200)),
    *(
        ("R04", answer(line=line))
        for line in (
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 099 OK",
            b"HTTP/1.1 000 OK",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1\t200 OK",
            b"HTTP/2 200 OK",
            b"HTTP/2.0 200 OK",
            b"HTTP/1 200 OK",
            b"http/1.1 200 OK",
            b"ICY 200 OK",
            b"HTTP/1.1200 OK",
            b"HTTP/1.1 2x0 OK",
            b"HTTP/1.1 200 O\rK",
            b"HTTP/1.1 200 O\x00K",
            b"",
            b" HTTP/1.1 200 OK",
            b"\x16\x03\x01",
        )
    ),
    ("R04", b"hello\r\n\r\n"),
    ("R04", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    ("R04", answer(L + b"Connection: Content-Length\r\n")),
    ("R04", answer(T + b"Connection: transfer-encoding\r\n", b"2\r\nok\r\n0\r\n\r\n")),
    ("R01", b"!"),
    ("R01", b"HTTP/1.1 200 OK\r\nContent-Le!"),
    ("R06", b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("R06", b"HTTP/1.1 101 S\r\n\r\n" + OK),
    ("R06", b"HTTP/1.1 100 C\r\n\r\n" * 50 + OK),
    ("R06", b"HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\nok" + OK),
    ("R06", b"HTTP/1.1 103 E\r\nX: a\x00\r\n\r\n" + OK),
    ("R06", b"HTTP/1.1 100 C\r\nConnection: Host\r\n\r\n" + OK),
]


@pytest.mark.parametrize(("name", "told"), [pytest.param(*row, id=f"{row[0]}-{n}") for n, row in enumerate(BROKEN)])
def test_an_answer_in_doubt_is_502_and_its_stream_is_used_no_more(name, told):
    frontend = Frontend(answers=[told, NOW])
    visitor = frontend.visit(b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    assert [status for status in statuses(visitor.sent) if status >= 200] == [502]
    assert b"Connection: close" in visitor.sent
    assert frontend.whole == 1, "a POST is never sent twice"
    other = frontend.visit(GET)
    assert other.sent.endswith(b"now")
    assert len(frontend.streams) == 2


TORN = [
    answer(body=b"o!"),
    answer(T, b"2\r\nok\r\n!"),
    answer(T, b"2\r\nok\r\n0\r\n!"),
    answer(T, b"2\r\nokXX"),
    answer(T, b"2\nok\r\n0\r\n\r\n"),
    answer(T, b"ok\r\n"),
    answer(T, b"2;\x00\r\nok\r\n0\r\n\r\n"),
    answer(T, b"2\r\nok\r\n0\r\nnothing\r\n\r\n"),
    answer(T, b"1;" + b"a" * 1100 + b"\r\nx\r\n0\r\n\r\n"),
    answer(T, b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 4000 + b"\r\n"),
]


@pytest.mark.parametrize("told", TORN)
def test_a_body_that_breaks_off_never_looks_whole(told):
    frontend = Frontend(answers=[told, NOW])
    visitor = frontend.visit(GET + SECOND)
    assert visitor.aborted
    assert b"\r\n0\r\n" not in visitor.sent
    assert b"/2" not in frontend.seen
    assert frontend.exchanges[0].outcome != "ok"
    assert frontend.visit(GET).sent.endswith(b"now")


SURPLUS = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


TALKATIVE = [
    (GET, OK + SURPLUS),
    (GET, OK + b"x"),
    (GET, OK + b"\r\n"),
    (GET.replace(b"GET", b"HEAD"), OK),
    (GET.replace(b"GET", b"HEAD"), OK + SURPLUS),
    (GET.replace(b"GET", b"HEAD"), answer(T, b"2\r\nok\r\n0\r\n\r\n")),
    (GET, answer(line=b"HTTP/1.1 204 No Content")),
    (GET, answer(T, b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 204 No Content")),
    (GET, answer(line=b"HTTP/1.1 304 Not Modified")),
    (GET, answer(L, SURPLUS, b"HTTP/1.1 304 Not Modified")),
    (GET, answer(T, b"2\r\nok\r\n0\r\n\r\n" + SURPLUS)),
    (GET, b"HTTP/1.1 100 C\r\n\r\n" + OK + SURPLUS),
    (GET, answer(L + b"Connection: close\r\n")),
    (GET, answer(line=b"HTTP/1.0 200 OK")),
]


@pytest.mark.parametrize(("asked", "told"), TALKATIVE)
def test_what_a_share_says_too_much_reaches_nobody(asked, told):
    frontend = Frontend(answers=[told, NOW])
    first = frontend.visit(asked)
    assert b"poison" not in first.sent
    head, _, body = first.sent.rpartition(b"\r\n\r\n")
    bodiless = b" 204 " in head or b" 304 " in head or asked.startswith(b"HEAD")
    assert body.rstrip(b"\r\n0") == b"" if bodiless else b"ok" in body + head
    second = frontend.visit(SECOND)
    assert second.sent.endswith(b"\r\n\r\nnow")
    assert len(frontend.streams) == 2, "the stream was given up"
    assert frontend.streams[0].closed


def test_a_stream_at_rest_that_says_something_is_given_up():
    frontend = Frontend(answers=[OK, NOW])
    frontend.visit(GET)
    frontend.streams[0]._out = SURPLUS
    assert frontend.visit(SECOND).sent.endswith(b"now")
    assert len(frontend.streams) == 2


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize(("second", "status"), [(OK, b"200"), (b"!", b"502")])
def test_a_used_stream_that_died_is_replaced_once_when_nothing_can_happen_twice(method, second, status):
    frontend = Frontend(answers=[OK, b"!", second])
    frontend.visit(GET)
    assert frontend.visit(GET.replace(b"GET", method)).sent[9:12] == status
    assert (frontend.whole, len(frontend.streams)) == (3, 2)


@pytest.mark.parametrize(
    "data",
    [
        post(b"Content-Length: 1\r\n", b"x"),
        post(b"", b""),
        get(b"PATCH / HTTP/1.1", H),
        get(b"PUT / HTTP/1.1", H + b"Content-Length: 1\r\n") + b"x",
    ],
)
def test_what_might_happen_twice_is_not_sent_twice(data):
    frontend = Frontend(answers=[OK, b"!", OK])
    frontend.visit(GET)
    assert statuses(frontend.visit(data).sent) == [502]
    assert frontend.whole == 2


# -- what is taken away, and added ---


BODILESS = [
    (b"HTTP/1.1 204 No Content", L),
    (b"HTTP/1.1 204 No Content", T),
    (b"HTTP/1.1 204 No Content", b"Content-Length: x\r\n"),
    (b"HTTP/1.1 204 No Content", L + T),
]


@pytest.mark.parametrize(("line", "fields"), BODILESS)
def test_an_answer_without_a_body_says_nothing_of_one(line, fields):
    visitor = Frontend(answers=[answer(fields, b"", line)]).visit(GET)
    assert b"ontent-Length" not in visitor.sent
    assert b"ransfer-Encoding" not in visitor.sent


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_interim_answers_pass_without_framing_and_not_to_http_1_0():
    visitor = Frontend(answers=[b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY + OK]).visit(GET)
    assert statuses(visitor.sent) == [100, 103, 200]
    assert visitor.sent.count(b"Content-Length") == 1
    assert b"Link: </x>" in visitor.sent
    old = Frontend(answers=[EARLY + OK]).visit(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert statuses(old.sent) == [200]


HOPS = (
    L + b"Connection: Set-Cookie, X-Hop\r\nSet-Cookie: a=b\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nServer: s\r\n"
    b"Proxy-Authenticate: Basic\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\n"
)


def test_fields_of_the_hop_and_nominated_ones_go_and_a_date_comes():
    sent = Frontend(answers=[answer(HOPS)]).visit(GET).sent
    for gone in (b"Set-Cookie", b"X-Hop", b"Keep-Alive", b"Proxy-", b"Upgrade", b"TE:", b"Connection"):
        assert gone not in sent, gone
    assert sent.count(b"\r\nDate: ") == 1
    assert b"Server: s\r\n" in sent, "the share's own; we add none"


def test_a_date_of_the_share_stays():
    sent = Frontend(answers=[answer(L + b"Date: yesterday\r\n")]).visit(GET).sent
    assert sent.count(b"Date: ") == 1
    assert b"Date: yesterday\r\n" in sent


def test_trailers_of_an_answer_pass_but_not_those_that_others_would_act_on():
    trailers = b"grpc-status: 0\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\nSet_Cookie: a=b\r\nLocation: /x\r\n"
    sent = Frontend(answers=[answer(T, b"2\r\nok\r\n0\r\n" + trailers + b"\r\n")]).visit(GET).sent
    assert sent.endswith(b"\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n")


class Injecting:
    """A gate or filter with a mistake: what it adds comes from elsewhere."""

    name, before_gate = "injecting", False

    def on_request(self, head, route, peer):
        return head

    def on_response(self, head, route):
        return head.with_field(b"X-User", b"a\r\nSet-Cookie: evil=1")


def test_a_field_of_ours_never_becomes_two():
    frontend = Frontend()
    rules = frontend.pipeline.rules
    frontend.pipeline.rules = Rules(rules.route, rules.gates, (*rules.filters, Injecting()), LOG)
    visitor = frontend.visit(GET)
    assert statuses(visitor.sent) == [500]
    assert b"evil" not in visitor.sent
    assert frontend.streams[0].aborted


# -- when one side does not wait for the other ---


class Stalled(Script):
    """A visitor who sends some of a body, and then neither more nor the end."""

    def recv(self, max_bytes, timeout_s=None):
        if self._pieces:
            return super().recv(max_bytes)
        while not self.closed and not self.ended:
            gevent.sleep(0)
        return b""


def test_an_answer_before_the_end_of_the_upload_is_delivered_whole_and_closes():
    frontend = Frontend()
    visitor = Stalled((b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", b"x" * 1000))
    early = answer(L + b"X: early\r\n")

    def dialled(token, _terminator):
        stream = type(frontend)._dial(frontend, token)
        stream._out = early
        return stream

    frontend.pipeline.pool._dial = dialled
    frontend.pipeline(visitor)
    assert statuses(visitor.sent) == [200]
    assert b"Connection: close" in visitor.sent
    assert frontend.streams[0].aborted, "half a request is on it"


def test_a_handshake_that_is_refused_leaves_the_connection_in_order():
    ws = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    ws += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    frontend = Frontend(answers=[answer(line=b"HTTP/1.1 403 No"), NOW])
    visitor = frontend.visit(field(ws), SECOND)
    assert statuses(visitor.sent) == [403, 200]
    assert [request.target for request in frontend.requests()] == [b"/", b"/2"]


def test_limits_of_answers_are_kept():
    limits = HttpLimits(linger_s=0.0, response_head_bytes=200, response_fields=3, interim_answers=1)
    for told in (
        answer(L + b"X: " + b"a" * 200 + b"\r\n"),
        answer(L + b"X: y\r\n" * 3),
        b"HTTP/1.1 100 C\r\n\r\n" * 2 + OK,
    ):
        visitor = Frontend(limits=limits, answers=[told]).visit(GET)
        assert statuses(visitor.sent)[-1] == 502


# -- however it comes ---

POST = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
EVENTS = b"Content-Type: text/event-stream\r\n"
# id, what is asked, what the share answers; what the visitor is to see of each when it comes whole is judged above
GIVEN = [
    *((name, POST, told) for name, told in BROKEN),
    *(("R02", GET, told) for told in TORN),
    *(("R05", asked, told) for asked, told in TALKATIVE),
    ("R06", GET, EARLY + OK),
    ("R06", GET, b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY + OK),
    *(("R07", GET, answer(fields, b"", line)) for line, fields in BODILESS),
    ("R10", GET, answer(HOPS)),
    ("R10", GET, answer(L + b"Date: yesterday\r\n")),
    *(
        ("R11", GET, answer(EVENTS + how, body))
        for how, body in (
            (T, b"6\r\n: hi\n\n\r\n0\r\n\r\n"),
            (b"Connection: close\r\n", b": hi\n\n: ho\n\n!"),
            (b"Content-Length: 6\r\n", b": hi\n\n"),
        )
    ),
    *(("R12", field(WS), SWITCH + frames) for frames in (b"", b"\x81\x02hi", b"\x81\x02hi\x88\x02\x03\xe8")),
    ("R12", field(WS), SWITCH.replace(b"s3pP", b"xxxx")),
    ("R12", field(WS), answer(line=b"HTTP/1.1 426 Upgrade Required")),
]


@pytest.mark.parametrize("group", grouped(GIVEN))
@pytest.mark.parametrize("before", [b"", GET], ids=["first", "behind another"])
@pytest.mark.slow
def test_however_an_answer_is_cut_the_visitor_sees_the_same(group, before):
    for asked, told in group:
        whole = seen_of(before, asked, told, ())
        for pieces in boundaries(told)[1:]:
            assert seen_of(before, asked, told, tuple(map(len, pieces))) == whole, (told, pieces)


def seen_of(before: bytes, asked: bytes, told: bytes, cuts: tuple[int, ...]) -> tuple[bytes, int, int]:
    """What a visitor gets unless it breaks off, without dates and chunks' sizes; how often the share is asked."""
    frontend = Frontend(answers=[OK, told, NOW] if before else [told, NOW], cuts=(len(OK), *cuts) if before else cuts)
    visitor = frontend.visit(before + asked)
    if visitor.aborted:
        assert b"\r\n0\r\n" not in visitor.sent
        return b"broken", frontend.whole, len(frontend.streams)
    sent = re.sub(rb"\r\nDate: [^\r]*|\r\n[0-9a-f]+(?=\r\n)", b"", visitor.sent)
    return sent.replace(b"\r\n", b""), frontend.whole, len(frontend.streams)
