import contextlib
import logging

import gevent
import pytest

from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout, StreamError, UnknownService
from zrokd.model.http import Allow, Respond
from zrokd.model.share import Gating
from zrokd.net.http1.limits import HttpLimits
from zrokd.proxy.mapping import MappingTable
from zrokd.proxy.visitors import Visitors


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def heard(stream, until: bytes = b"\r\n\r\n") -> bytes:
    """What a share hears, up to a mark."""
    data = b""
    while until not in data:
        more = stream.recv(65536, 5)
        assert more, data
        data += more
    return data


def test_a_visitor_reaches_the_share_by_its_name(rig):
    answer = rig.visit().ask(path="/x?y=1")
    assert status(answer) == 200
    assert body(answer).startswith(b"GET /x?y=1\nHost: a.zone\n")
    assert b"X-Proxy: zrok\n" in body(answer)
    assert b"Via: 1.1 zrokd\n" in body(answer)


def test_requests_of_one_connection_and_of_others_share_one_dial(rig):
    first = rig.visit()
    for _ in range(5):
        assert status(first.ask()) == 200
    assert status(rig.visit().ask()) == 200
    assert rig.dials == ["tok-a"]


def test_two_at_once_need_two_dials(rig, speak):
    gate = gevent.event.Event()

    def slow(exchange):
        gate.wait(5)
        exchange.respond(200, (), b"ok")

    rig.shares["tok-a"] = speak(slow)
    visitors = [rig.visit(), rig.visit()]
    for visitor in visitors:
        visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    with gevent.Timeout(5):
        while len(rig.dials) < 2:
            gevent.sleep(0.001)
    gate.set()
    assert [status(visitor.answer()) for visitor in visitors] == [200, 200]
    assert rig.pipeline.pool.idle == 2


def test_names_lead_to_their_own_shares_on_one_connection(rig, speak):
    rig.shares["tok-b"] = speak(lambda exchange: exchange.respond(200, (), b"I am b"))
    visitor = rig.visit()
    assert body(visitor.ask("a.zone")).startswith(b"GET /")
    assert body(visitor.ask("b.zone")) == b"I am b"
    assert rig.dials == ["tok-a", "tok-b"]


def test_an_unknown_name_is_404_and_nobody_is_dialled(rig):
    visitor = rig.visit()
    answer = visitor.ask("nobody.zone")
    assert status(answer) == 404
    assert b"nobody.zone" not in body(answer)
    assert rig.dials == []
    assert status(visitor.ask("a.zone")) == 200, "the connection lives on"


def test_before_any_names_are_known_it_is_503(rig):
    rig.table = MappingTable()
    answer = rig.visit().ask()
    assert status(answer) == 503
    assert b"Retry-After" in answer


@pytest.mark.parametrize(
    ("error", "expected", "retry_after"),
    [
        (NoTerminator("x"), 502, False),
        (UnknownService("x"), 502, False),
        (OverlayError("x"), 503, True),
        (OverlayTimeout("x"), 503, True),
        (StreamError("x"), 502, False),
    ],
)
def test_a_share_that_cannot_be_dialled_is_told_at_once(rig, speak, error, expected, retry_after):
    rig.shares["tok-a"] = error
    rig.shares["tok-b"] = speak(lambda exchange: exchange.respond(200, (), b"ok"))
    visitor = rig.visit()
    answer = visitor.ask()
    assert status(answer) == expected
    assert (b"Retry-After" in answer) is retry_after
    assert rig.dials == ["tok-a"], "a failed dial is not tried again"
    assert status(visitor.ask("b.zone")) == 200, "the connection lives on"


def test_a_share_that_is_back_is_reached_without_waiting(rig, speak):
    rig.shares["tok-a"] = NoTerminator("x")
    visitor = rig.visit()
    assert status(visitor.ask()) == 502
    rig.shares["tok-a"] = speak(lambda exchange: exchange.respond(200, (), b"back"))
    assert body(visitor.ask()) == b"back"


def test_a_share_that_dies_before_it_answers_is_502(rig):
    rig.shares["tok-a"] = lambda stream: (heard(stream), stream.close())
    assert status(rig.visit().ask()) == 502
    assert rig.pipeline.pool.idle == 0


def test_a_share_that_says_nothing_is_504(rig):
    rig.limits = HttpLimits(first_byte_s=0.05)
    rig.shares["tok-a"] = lambda stream: stream.recv(1 << 16) and gevent.sleep(5)
    assert status(rig.visit().ask()) == 504


def test_a_share_that_dies_within_its_answer_never_looks_whole(rig):
    def half(stream):
        heard(stream)
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        stream.close()

    rig.shares["tok-a"] = half
    visitor = rig.visit()
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    try:
        got = visitor.rest()
    except StreamError:
        got = visitor.got
    assert len(body(got)) < 10
    rig.ended()
    assert rig.told.exchanges[0].outcome != "ok"


MALFORMED = {
    "nonsense": (b"nonsense\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: a.zone\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "fields without end": (b"GET / HTTP/1.1\r\nHost: a.zone\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    "another HTTP": (b"GET / HTTP/2.0\r\nHost: a.zone\r\n\r\n", 505),
    "connect": (b"CONNECT a.zone:80 HTTP/1.1\r\nHost: a.zone\r\n\r\n", 405),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_refused_with_a_page_and_the_connection_ends(rig, name):
    sent, expected = MALFORMED[name]
    visitor = rig.visit()
    visitor.send(sent)
    visitor.stream.send_eof()
    got = visitor.rest()
    assert status(got) == expected
    assert b"Connection: close" in got
    assert b"<!doctype html>" in got
    assert rig.dials == []
    rig.ended()


def test_a_good_request_before_a_bad_one_is_still_answered(rig):
    visitor = rig.visit()
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\nGET /\r\n\r\n")
    assert status(visitor.answer()) == 200
    visitor.stream.send_eof()
    assert status(visitor.rest()) == 400


def test_head_gets_no_body_from_a_page(rig):
    visitor = rig.visit()
    answer = visitor.ask("nobody.zone", "/", "HEAD")
    assert status(answer) == 404
    assert status(visitor.ask("a.zone")) == 200


def test_a_request_whose_body_nobody_read_ends_the_connection(rig):
    visitor = rig.visit()
    answer = visitor.ask("nobody.zone", "/", "POST", body=b"x" * 100)
    assert status(answer) == 404
    assert b"Connection: close" in answer


def test_a_body_goes_up_and_comes_back(rig):
    answer = rig.visit().ask("a.zone", "/", "POST", body=b"hello " * 50_000)
    assert body(answer).endswith(b"hello " * 50_000)


# -- gates and filters ---


class Gate:
    def __init__(self, verdict) -> None:
        self.verdict, self.asked = verdict, []

    def check(self, head, route):
        self.asked.append((head, route))
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


class Filter:
    name = "test"
    before_gate = False

    def __init__(self, request=None, response=None) -> None:
        self.request, self.response = request, response

    def on_request(self, head, route, peer):
        return self.request(head, peer) if self.request else head

    def on_response(self, head, route):
        return self.response(head) if self.response else head


def gated(rig, verdict) -> Gate:
    gate = rig.gates["door"] = Gate(verdict)
    rig.names({"a.zone": "tok-a"}, Gating(gate="door", config={"k": 1}))
    return gate


def test_a_gate_that_allows_says_who_it_is_and_keeps_the_credentials(rig):
    gate = gated(rig, Allow(((b"zrok-auth-user", b"ann"),), drop=(b"Authorization",)))
    got = body(rig.visit().ask("a.zone", "/", "GET", "Authorization: Basic x", "zrok-auth-user: forged"))
    assert b"zrok-auth-user: ann\n" in got
    assert b"forged" not in got
    assert b"Authorization" not in got
    assert dict(gate.asked[0][1].gate_config) == {"k": 1}


def test_a_gate_that_answers_itself_keeps_the_share_out_of_it(rig):
    gated(rig, Respond(401, b"who are you", ((b"WWW-Authenticate", b"Basic"),)))
    visitor = rig.visit()
    answer = visitor.ask()
    assert (status(answer), body(answer)) == (401, b"who are you")
    assert b"WWW-Authenticate: Basic" in answer
    assert rig.dials == []
    assert status(visitor.ask()) == 401, "the connection lives on"


@pytest.mark.parametrize("verdict", [ValueError("secret detail"), None, True, "allow"])
def test_a_gate_that_fails_denies(rig, caplog, verdict):
    gated(rig, verdict)
    answer = rig.visit().ask()
    assert status(answer) == 500
    assert b"secret detail" not in answer
    assert rig.dials == []
    assert "denied" in caplog.text


def test_a_gate_that_this_frontend_does_not_have_denies(rig, caplog):
    rig.names({"a.zone": "tok-a"}, Gating(gate="elsewhere"))
    assert status(rig.visit().ask()) == 503
    assert rig.dials == []
    assert "elsewhere" in caplog.text


def test_a_share_that_went_away_while_its_gate_was_asked_is_not_reached(rig):
    gate = gated(rig, Allow())
    gate.check = lambda head, route: (rig.names({"b.zone": "tok-b"}), Allow())[1]
    assert status(rig.visit().ask()) == 404
    assert rig.dials == []


def test_filters_see_requests_in_order_and_answers_in_reverse(rig):
    for name in (b"1", b"2"):
        rig.filters.append(
            Filter(
                lambda head, _peer, name=name: head.with_field(b"X-Seen", (head.get(b"x-seen") or b"") + name),
                lambda head, name=name: head.with_field(b"X-Back", (head.get(b"x-back") or b"") + name),
            )
        )
    answer = rig.visit().ask()
    assert b"X-Seen: 12\n" in body(answer)
    assert b"X-Back: 21\r\n" in answer


def test_a_filter_learns_the_visitors_address(rig):
    rig.filters.append(Filter(lambda head, peer: head.with_field(b"X-Peer", peer.encode())))
    assert b"X-Peer: 203.0.113.9:4711\n" in rig.visit("203.0.113.9:4711").ask()


def test_a_filter_may_answer_in_place_of_the_share(rig):
    rig.filters.append(Filter(lambda _head, _peer: Respond(451, b"no")))
    assert status(rig.visit().ask()) == 451
    assert rig.dials == []


def test_a_filter_that_fails_on_the_way_in_is_500_and_the_share_is_not_reached(rig, caplog):
    rig.filters.append(Filter(lambda _head, _peer: 1 // 0))
    assert status(rig.visit().ask()) == 500
    assert rig.dials == []
    assert "ZeroDivisionError" in caplog.text


def test_a_filter_that_fails_on_the_way_out_is_500_and_the_stream_is_not_used_again(rig, caplog):
    rig.filters.append(Filter(None, lambda _head: 1 // 0))
    visitor = rig.visit()
    assert status(visitor.ask()) == 500
    assert rig.pipeline.pool.idle == 0
    assert "ZeroDivisionError" in caplog.text


def test_new_rules_hold_for_the_next_request_of_an_open_connection(rig):
    visitor = rig.visit()
    assert status(visitor.ask()) == 200
    rig.filters.append(Filter(lambda _head, _peer: Respond(403, b"")))
    rig.pipeline.rules = rig.rules()
    assert status(visitor.ask()) == 403


# -- streams ---


def test_events_reach_the_visitor_as_they_are_sent(rig):
    sent = gevent.event.Event()

    def events(stream):
        heard(stream)
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        stream.send(b"9\r\ndata: 1\n\n\r\n")
        sent.wait(5)
        stream.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    rig.shares["tok-a"] = events
    visitor = rig.visit()
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    visitor.until(b"data: 1\n\n")
    sent.set()
    visitor.until(b"data: 2\n\n")
    visitor.until(b"0\r\n\r\n")


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a.zone\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def tunnel(stream):
    """A share that switches, echoes, and says goodbye when it hears the end."""
    head = heard(stream)
    assert b"Upgrade: websocket" in head, head
    stream.send(SWITCH + b"hi")
    while data := stream.recv(65536, 5):
        stream.send(data)
    with contextlib.suppress(StreamError):  # the other end may be gone altogether
        stream.send(b"bye")
    stream.close()


def test_a_websocket_passes_with_half_close_and_bytes_sent_along(rig):
    rig.shares["tok-a"] = tunnel
    visitor = rig.visit()
    visitor.send(UPGRADE)
    assert b"101" in visitor.until(b"\r\n\r\n")
    assert visitor.exactly(2) == b"hi"
    visitor.send(b"echo me")
    assert visitor.exactly(7) == b"echo me"
    visitor.stream.send_eof()
    assert visitor.rest() == b"bye"
    rig.ended()
    (told,) = rig.told.exchanges
    assert (told.status, told.rx_bytes, told.tx_bytes, told.outcome) == (101, 7, 12, "ok")
    assert rig.pipeline.pool.lent == 0


def test_a_websocket_is_no_request_that_keeps_others_out(rig, speak):
    rig.pool_limits = type(rig.pool_limits)(busy_each=1)
    rig.shares["tok-a"] = tunnel
    visitor = rig.visit()
    visitor.send(UPGRADE)
    visitor.until(b"\r\n\r\nhi")
    rig.shares["tok-a"] = speak(lambda exchange: exchange.respond(200, (), b"ok"))
    assert status(rig.visit().ask()) == 200


def test_the_visitors_of_a_share_that_goes_away_are_cut(rig):
    rig.shares["tok-a"] = tunnel
    visitor = rig.visit()
    visitor.send(UPGRADE)
    visitor.until(b"\r\n\r\nhi")
    rig.names({"b.zone": "tok-b"})
    assert visitor.rest() == b""
    rig.ended()


def test_a_download_of_a_share_that_goes_away_is_cut_and_never_looks_whole(rig):
    def endless(stream):
        heard(stream)
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin")
        stream.recv(1, 5)

    rig.shares["tok-a"] = endless
    visitor = rig.visit()
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    visitor.until(b"begin")
    rig.names({})
    try:
        assert visitor.rest() == b""
    except StreamError:
        assert visitor.got == b""
    rig.ended()
    assert status(rig.visit().ask()) == 404


# -- account ---


def test_each_request_is_told_once_with_its_bytes(rig):
    visitor = rig.visit("203.0.113.9:1")
    answer = visitor.ask("a.zone", "/p?q", "POST", body=b"12345")
    (told,) = rig.told.exchanges
    assert (told.share_token, told.role, told.peer, told.method) == ("tok-a", "frontend", "203.0.113.9:1", "POST")
    assert (told.target, told.status, told.outcome) == ("/p?q", 200, "ok")
    assert (told.rx_bytes, told.tx_bytes) == (5, len(body(answer)))
    assert told.duration_s >= 0
    (sample,) = rig.meter.take()
    assert (sample.share_token, sample.rx_bytes, sample.tx_bytes) == ("tok-a", 5, len(body(answer)))


def test_a_connection_is_told_once_with_all_its_bytes(rig):
    visitor = rig.visit()
    sizes = [len(body(visitor.ask("a.zone", "/", "POST", body=b"12"))) for _ in range(3)]
    visitor.stream.close()
    rig.ended()
    (told,) = rig.told.connections
    assert (told.share_token, told.rx_bytes, told.tx_bytes, told.outcome) == ("tok-a", 6, sum(sizes), "ok")


def test_pages_are_told_with_the_reason_and_count_for_no_share(rig):
    rig.shares["tok-a"] = NoTerminator("nobody binds tok-a")
    visitor = rig.visit()
    visitor.ask("nobody.zone")
    visitor.ask("a.zone")
    unknown, down = rig.told.exchanges
    assert (unknown.share_token, unknown.status) == ("", 404)
    assert (down.share_token, down.status, down.outcome) == ("tok-a", 502, "nobody binds tok-a")
    assert rig.meter.take() == []


def test_a_visitor_who_leaves_within_an_answer_is_told(rig):
    def endless(stream):
        heard(stream)
        stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                stream.send(b"400\r\n" + b"x" * 1024 + b"\r\n", 5)
        except StreamError:
            stream.close()

    rig.shares["tok-a"] = endless
    visitor = rig.visit()
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    visitor.until(b"xxx")
    visitor.stream.close()
    rig.ended()
    (told,) = rig.told.exchanges
    assert told.outcome.startswith("client:")
    assert (rig.pipeline.pool.idle, rig.pipeline.pool.lent) == (0, 0), "a stream with half an answer is not kept"


def test_a_target_is_told_without_control_bytes_and_cut(rig):
    rig.visit().ask("a.zone", "/" + "x" * 5000)
    assert len(rig.told.exchanges[0].target) == 2000


def test_a_visitor_who_says_nothing_is_told_too(rig):
    rig.visit().stream.close()
    rig.ended()
    assert rig.told.exchanges == []
    assert rig.told.connections[0].share_token == ""


# -- limits and end ---


def test_too_many_connections_of_one_address_are_refused(rig):
    rig.visitors = Visitors(1)
    first = rig.visit("192.0.2.1:1")
    assert status(first.ask()) == 200
    second = rig.visit("192.0.2.1:2")
    second.stream.send_eof()
    assert status(second.rest()) == 429
    rig.ended()
    assert "too many" in rig.told.connections[0].outcome
    assert status(first.ask()) == 200
    assert status(rig.visit("192.0.2.2:1").ask()) == 200


def test_a_drain_ends_idle_connections_at_once_and_busy_ones_with_their_answer(rig, speak):
    go, arrived = gevent.event.Event(), gevent.event.Event()

    def slow(exchange):
        arrived.set()
        go.wait(5)
        exchange.respond(200, (), b"done")

    idle = rig.visit()
    assert status(idle.ask()) == 200
    rig.pipeline.pool.forget(["tok-a"])
    rig.shares["tok-a"] = speak(slow)
    busy = rig.visit()
    busy.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    assert arrived.wait(5)
    rig.pipeline.drain()
    assert idle.rest() == b""
    go.set()
    answer = busy.answer()
    assert body(answer) == b"done"
    assert b"Connection: close" in answer
    assert busy.rest() == b""
    rig.ended(2)


def test_an_unforeseen_failure_is_logged_and_answered_without_detail(rig, caplog):
    caplog.set_level(logging.ERROR)
    rig.shares["tok-a"] = RuntimeError("a bug in the overlay")
    answer = rig.visit().ask()
    assert status(answer) == 500
    assert b"bug" not in answer
    assert "a bug in the overlay" in caplog.text


def test_a_frontend_that_leads_to_itself_ends_the_circle(rig):
    rig.shares["tok-a"] = lambda stream: rig.pipeline(stream)
    answer = rig.visit().ask()
    assert status(answer) == 508
    assert len(rig.dials) <= 11


# -- a crowd ---


def crowded(rig, most: int, **limits) -> None:
    rig.limits = HttpLimits(**limits)
    rig.pipeline._crowded = 0.8 * most


def test_who_comes_into_a_crowd_has_to_hurry_and_who_was_there_has_not(rig):
    crowded(rig, 5, head_s=5.0, head_crowded_s=0.05)
    rig.pipeline._relieved_s = float("inf")  # idle ones stay
    early = [rig.visit() for _ in range(4)]
    gevent.sleep(0)
    late = rig.visit()
    assert late.rest() == b"", "it said nothing in time"
    slow = rig.visit()
    slow.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n")
    assert status(slow.rest()) == 408
    assert [status(visitor.ask()) for visitor in early] == [200] * 4


def test_idle_connections_make_room_in_a_crowd_oldest_first_and_busy_ones_stay(rig, speak):
    crowded(rig, 5)
    go, arrived = gevent.event.Event(), gevent.event.Event()

    def slow(exchange):
        arrived.set()
        go.wait(5)
        exchange.respond(200, (), b"done")

    rig.shares["tok-b"] = speak(slow)
    busy = rig.visit()
    busy.send(b"GET / HTTP/1.1\r\nHost: b.zone\r\n\r\n")
    assert arrived.wait(5)
    idle = [rig.visit() for _ in range(3)]
    assert [status(visitor.ask()) for visitor in idle] == [200] * 3
    assert status(rig.visit().ask()) == 200
    assert idle[0].rest() == b""
    assert [status(visitor.ask()) for visitor in idle[1:]] == [200, 200]
    go.set()
    assert body(busy.answer()) == b"done"


def test_a_frontend_that_is_full_of_slow_heads_gets_rid_of_them_though_nobody_new_comes(rig):
    crowded(rig, 5)
    rig.pipeline._relieved_s = float("inf")
    visitors = [rig.visit() for _ in range(5)]
    for visitor in visitors:
        visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n")
    open_ones = rig.pipeline._tracker._open
    with gevent.Timeout(5):
        while not (len(open_ones) == 5 and all(each.reading_since_s for each in open_ones)):
            gevent.sleep(0.001)
    for each in open_ones:
        each.reading_since_s -= 2.0
    rig.pipeline._relieved_s = 0.0
    rig.pipeline.sweep()
    assert visitors[0].rest() == b""
    assert visitors[1].rest() == b""
    for visitor in visitors[2:]:
        visitor.send(b"\r\n")
        assert status(visitor.answer()) == 200


def test_being_refused_holds_no_room(rig):
    rig.visitors = Visitors(1)
    rig.limits = HttpLimits(linger_s=30.0)
    first = rig.visit("192.0.2.1:1")
    assert status(first.ask()) == 200
    refused = [rig.visit("192.0.2.1:2") for _ in range(20)]
    rig.ended(20)  # though none of them closes
    assert {status(visitor.rest()) for visitor in refused} == {429}


def test_requests_sent_ahead_do_not_keep_others_waiting(rig):
    seen = []
    rig.told.on_exchange = lambda summary: seen.append(summary.target)
    rig.limits = HttpLimits(pipelined=4)
    greedy, other = rig.visit(), rig.visit()
    greedy.send(b"GET /greedy HTTP/1.1\r\nHost: nobody.zone\r\n\r\n" * 40)
    other.send(b"GET /other HTTP/1.1\r\nHost: nobody.zone\r\n\r\n")
    assert [status(greedy.answer()) for _ in range(40)] == [404] * 40
    assert seen.index("/other") <= 5
    assert status(other.answer()) == 404


def test_a_failure_within_an_answer_is_never_answered_into_it(rig, caplog):
    def counting(_token, _rx, tx):
        if tx:
            raise RuntimeError("a bug")

    rig.pipeline._meter.add = counting
    visitor = rig.visit()
    visitor.send(b"GET / HTTP/1.1\r\nHost: a.zone\r\n\r\n")
    try:
        got = visitor.rest()
    except StreamError:
        got = visitor.got
    assert b"HTTP/1.1 500" not in got.partition(b"\r\n\r\n")[2]
    assert "nobody foresaw" in caplog.text
