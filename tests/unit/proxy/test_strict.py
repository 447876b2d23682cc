"""Requests that a frontend must refuse, or must read in exactly one way: what the share behind it sees of them.

Refused means: one answer that closes, the connection ends, and the share sees no byte. A body that turns out bad is
seen cut short, never whole. Each is sent whole, cut at every byte, and both again behind a good request.
"""

from __future__ import annotations

import contextlib
import re

import h11
import pytest
from zrokd_plugins.filter_interstitial import InterstitialFilter, InterstitialSettings

from tests.unit.net.http1.rows import (
    BODIES,
    GOOD,
    HEADS,
    NEXT,
    H,
    boundaries,
    every_cut,
    field,
    get,
    grouped,
    last,
    post,
)
from tests.unit.proxy.raw import Frontend, statuses
from zrokd.net.http1.limits import HttpLimits

FIRST = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
WS = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

# What only a frontend knows to refuse.
OURS = [
    ("Q20", b"GET / HTTP/1.0\r\n\r\n", {400}),
    ("Q20", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {400}),
    *(
        ("Q43", field(b"Connection: " + value + b"\r\n"), {400})
        for value in (
            b"Host",
            b"close, content-length",
            b"Transfer-Encoding",
            b"keep-alive\r\nConnection: HOST",
            b",host,",
        )
    ),
    ("Q45", field(b"Via: " + b", ".join([b"1.1 zrokd"] * 10) + b"\r\n"), {508}),
    ("Q45", field(b"Via: 1.1 zrokd\r\n" * 10), {508}),
    ("Q47", field(WS.replace(b": 13", b": 999")), {426}),
    ("Q47", field(WS.replace(b": 13", b": 13, 8")), {426}),
    ("Q47", field(WS.replace(b"Sec-WebSocket-Version: 13\r\n", b"")), {426}),
    ("Q47", field(WS + b"Sec-WebSocket-Version: 8\r\n"), {426}),
    ("Q47", field(WS.replace(b"dGhl", b"dGhlIA==")), {400}),
    ("Q47", field(WS.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"bad")), {400}),
    ("Q47", field(WS.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"")), {400}),
    ("Q47", field(WS + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), {400}),
    *(
        ("Q48", post(b"Content-Length: 3\r\n" + expect), {417})
        for expect in (
            b"Expect: y 100-continue\r\n",
            b"Expect: foo\r\n",
            b"Expect:\r\n",
            b"Expect: 100-continue, foo\r\n",
            b"Expect: 100-continue\r\nExpect: foo\r\n",
            b"Expect: 100-continue;q=1\r\n",
        )
    ),
]


def check_refused(frontend: Frontend, sent: bytes, allowed: set[int], answered: int) -> None:
    assert statuses(sent)[:-1] == [200] * answered, sent
    assert statuses(sent)[-1] in allowed, sent
    assert sent.count(b"Connection: close\r\n") == 1, sent
    assert frontend.whole == answered
    assert b"/next" not in frontend.seen


@pytest.mark.parametrize("group", grouped([*HEADS, *OURS]))
def test_a_head_in_doubt_is_refused_and_the_share_sees_no_byte_of_it(group):
    for pieces, allowed in every_cut(group):
        frontend = Frontend()
        visitor = frontend.visit(*pieces[:-1], pieces[-1] + NEXT)
        check_refused(frontend, visitor.sent, allowed, 0)
        assert frontend.seen == b""


@pytest.mark.parametrize("group", grouped([*HEADS, *OURS]))
def test_a_head_in_doubt_behind_a_good_request_is_refused_after_its_answer(group):
    for pieces, allowed in every_cut(group):
        frontend = Frontend()
        visitor = frontend.visit(FIRST + pieces[0], *pieces[1:], NEXT)
        check_refused(frontend, visitor.sent, allowed, 1)
        assert [request.target for request in frontend.requests()] == [b"/first"]


@pytest.mark.parametrize("group", grouped(BODIES))
@pytest.mark.parametrize("before", [b"", FIRST])
@pytest.mark.slow
def test_a_body_in_doubt_is_seen_cut_short_and_never_whole(group, before):
    for pieces in (pieces for data in group for pieces in boundaries(data)):
        frontend = Frontend()
        visitor = frontend.visit(before + pieces[0], *pieces[1:], NEXT)
        check_refused(frontend, visitor.sent, {400, 431}, int(bool(before)))
        broken = frontend.streams[-1]
        assert broken.aborted
        assert b"\r\n0\r\n" not in broken.seen


@pytest.mark.parametrize("group", grouped(GOOD))
def test_what_is_good_reaches_the_share_as_exactly_that(group):
    for pieces, want in every_cut(group):
        frontend = Frontend()
        visitor = frontend.visit(FIRST + pieces[0], *pieces[1:], NEXT)
        assert statuses(visitor.sent) == [200, 200, 200], pieces
        assert [request.short for request in frontend.requests()][1:] == [want, (b"GET", b"/next", b"a", b"")], pieces


def seen_by_share(data: bytes, **how) -> tuple[Frontend, list]:
    frontend = Frontend(**how)
    frontend.visit(data)
    return frontend, frontend.requests()


# -- limits ---


def test_a_body_over_the_limit_by_its_length_is_413_before_it_is_read():
    for before in (b"", FIRST):
        for pieces in boundaries(post(b"Content-Length: 11\r\n", b"")):
            frontend = Frontend(limits=HttpLimits(linger_s=0.0, body_bytes=10))
            visitor = frontend.visit(before + pieces[0], *pieces[1:], NEXT)
            check_refused(frontend, visitor.sent, {413}, int(bool(before)))
            assert frontend.whole == int(bool(before))


@pytest.mark.parametrize("chunk", [b"b\r\n01234567890\r\n", b"6\r\n012345\r\n" * 2, b"1\r\nx\r\n" * 11])
def test_a_body_over_the_limit_by_count_is_413_and_cut_short(chunk):
    for pieces in boundaries(post(b"Transfer-Encoding: chunked\r\n", chunk)):
        frontend = Frontend(limits=HttpLimits(linger_s=0.0, body_bytes=10))
        visitor = frontend.visit(*pieces, b"0\r\n\r\n" + NEXT)
        check_refused(frontend, visitor.sent, {413}, 0)
        assert frontend.streams[0].aborted


def test_a_body_of_just_the_limit_passes():
    for data in (post(b"Content-Length: 3\r\n"), last(b"\r\n")):
        frontend = Frontend(limits=HttpLimits(linger_s=0.0, body_bytes=3))
        assert statuses(frontend.visit(data).sent) == [200]
        assert frontend.requests()[0].body == b"abc"


@pytest.mark.parametrize("count", [3, 1000])
def test_requests_sent_ahead_are_answered_in_order(count):
    frontend = Frontend(
        limits=HttpLimits(linger_s=0.0, keep_alive_requests=10_000),
        answers=[OK_OF % number for number in range(count)] + [b""],
    )
    visitor = frontend.visit(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(count)))
    assert visitor.sent.count(b"HTTP/1.1 200") == count
    bodies = [int(part[:6]) for part in visitor.sent.split(b"\r\n\r\n")[1:]]
    assert bodies == list(range(count))
    assert [int(request.target[1:]) for request in frontend.requests()] == bodies


OK_OF = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n%06d"


# -- fields ---


HOPS = [
    b"Connection: X-Secret, Keep-Alive\r\nX-Secret: s\r\nKeep-Alive: timeout=5\r\n",
    b"Connection: x-SECRET\r\nConnection: ,, keep-alive\t,\r\nX-Secret: s\r\nKeep-Alive: s\r\n",
    b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic s\r\nTE: trailers, deflate\r\n",
    b"Proxy_Connection: s\r\nProxy_Authorization: s\r\nKeep_Alive: s\r\nHttp2_Settings: s\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"Connection: Upgrade\r\nUpgrade: foobar\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    b"Transfer_Encoding: chunked\r\nContent_Length: 9\r\n",
]


@pytest.mark.parametrize("fields", HOPS)
def test_what_belongs_to_the_hop_does_not_pass(fields):
    _, (request,) = seen_by_share(field(fields))
    names = {name.replace(b"_", b"-") for name, _ in request.fields}
    assert not names & {
        b"connection",
        b"x-secret",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"te",
        b"upgrade",
        b"http2-settings",
        b"transfer-encoding",
        b"content-length",
    }


def test_nominated_fields_go_before_our_own_are_added():
    nominated = b"X-Forwarded-For, Authorization, X-Proxy, Via, Forwarded, X-Forwarded-Host"
    _, (request,) = seen_by_share(field(b"Connection: " + nominated + b"\r\nAuthorization: Basic x\r\n"))
    assert request.all(b"authorization") == []
    assert request.all(b"x-forwarded-for") == [b"192.0.2.1"]
    assert request.all(b"x-forwarded-host") == [b"a"]
    assert request.all(b"via") == [b"1.1 zrokd"]
    assert request.all(b"x-proxy") == [b"zrok"]


FORGED = [
    b"X-Forwarded-For",
    b"X-Forwarded-Host",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Port",
    b"X-Forwarded-Server",
    b"Forwarded",
    b"X-Real-IP",
    b"X-Proxy",
    b"zrok-auth-user",
    b"Zrok-Auth-Provider",
    b"zrok-auth-email",
    b"ZROK-AUTH-ANYTHING",
]


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("fold", [b"-", b"_"])
@pytest.mark.parametrize("where", ["head", "trailers"])
def test_what_a_visitor_says_in_our_name_does_not_pass(name, fold, where):
    name = name.replace(b"-", fold)
    line = name + b": for=6.6.6.6\r\n"
    frontend, (request,) = seen_by_share(field(line * 2) if where == "head" else last(line + b"Fine: yes\r\n\r\n"))
    assert b"6.6.6.6" not in frontend.seen
    assert b"_" not in name or request.all(name.lower()) == []
    assert where == "head" or b"0\r\nFine: yes\r\n\r\n" in frontend.seen


TRAILERS = [
    b"Content-Length: 6",
    b"Transfer-Encoding: x6",
    b"Host: six",
    b"Authorization: six",
    b"Cookie: six",
    b"Via: 1.1 six",
    b"Content_Length: 6",
    b"Transfer_Encoding: chunked6",
    b"Proxy-Authorization: six",
    b"Connection: six",
    b"Upgrade: six",
    b"TE: six",
    b"Expect: six",
    b"HTTP2-Settings: six",
    b"Keep-Alive: six",
    b"Trailer: six",
]


@pytest.mark.parametrize("line", TRAILERS)
def test_trailers_that_others_would_act_on_do_not_pass(line):
    frontend, (request,) = seen_by_share(last(line + b"\r\nFine: yes\r\n\r\n"))
    assert frontend.seen.endswith(b"\r\n0\r\nFine: yes\r\n\r\n")
    assert request.body == b"abc"


def test_a_trusted_proxy_is_believed_up_to_the_first_address_that_is_not_trusted():
    line = b"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 192.0.2.77\r\nX-Forwarded-Proto: https\r\n"
    _, (request,) = seen_by_share(field(line), trusted=["192.0.2.0/24"])
    assert request.all(b"x-real-ip") == [b"203.0.113.7"]
    assert request.all(b"x-forwarded-proto") == [b"https"]


@pytest.mark.parametrize("target", [b"/x", b"http://B.Example/x", b"http://b.example:80/x", b"https://b.EXAMPLE./x"])
def test_one_host_is_used_for_the_route_the_share_and_the_forwarded_fields(target):
    _, (request,) = seen_by_share(get(b"GET " + target + b" HTTP/1.1", b"Host: B.example\r\n"))
    (name,) = request.all(b"host")
    assert name.lower().startswith(b"b.example")
    assert request.all(b"x-forwarded-host") == [name]
    assert request.target == b"/x"


def test_a_host_of_the_absolute_form_that_is_unknown_is_404_whatever_host_says():
    frontend = Frontend()
    assert statuses(frontend.visit(get(b"GET http://elsewhere/ HTTP/1.1")).sent) == [404]
    assert frontend.seen == b""


SAME_HOST = [b"A", b"a.", b"a:80", b"A.:65535", b"a:", b"B.EXAMPLE.:0"]


@pytest.mark.parametrize("value", SAME_HOST)
def test_a_host_in_another_form_is_the_same_host(value):
    _, (request,) = seen_by_share(get(fields=b"Host: " + value + b"\r\n"))
    assert request.all(b"host") == [value]


@pytest.mark.parametrize(
    "value",
    [
        b"a..",
        b"a" * 300,
        b"xn--a-ecp.example",
        b"a.b.example",
        b"b.example.evil",
        b"127.0.0.1",
        b"[::1]",
        b"[::1]:80",
        b".",
        b"-",
        b"a.a",
    ],
)
def test_a_host_that_nobody_shares_is_404(value):
    frontend = Frontend()
    assert statuses(frontend.visit(get(fields=b"Host: " + value + b"\r\n")).sent) == [
        400 if b".." in value + b"." else 404
    ]
    assert frontend.seen == b""


# -- expectations, versions, websockets ---


UNEXPECTING = [
    field(b"Expect: 100-continue\r\n"),
    post(b"Content-Length: 0\r\nExpect: 100-continue\r\n", b""),
    b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
]


@pytest.mark.parametrize("data", UNEXPECTING)
def test_an_expectation_without_effect_does_not_pass(data):
    frontend = Frontend()
    visitor = frontend.visit(data)
    assert statuses(visitor.sent) == [200]
    assert frontend.requests()[0].all(b"expect") == []


def test_an_expectation_of_100_passes_and_its_answer_too():
    frontend = Frontend(answers=[b"HTTP/1.1 100 Continue\r\n\r\n" + OK_OF % 1])
    visitor = frontend.visit(post(b"Content-Length: 3\r\nExpect: 100-Continue\r\n"))
    assert frontend.requests()[0].all(b"expect") == [b"100-continue"]
    assert statuses(visitor.sent) == [100, 200]


def test_http_1_0_is_answered_once_or_kept_alive_when_asked_and_never_in_chunks():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: v\r\n\r\n"
    old = b"GET /1 HTTP/1.0\r\nHost: a\r\n\r\n"
    kept = old.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
    frontend = Frontend(answers=[OK_OF % 1, chunked, chunked])
    visitor = frontend.visit(kept + kept + old)
    first, rest = visitor.sent.split(b"000001", 1)
    assert b"Connection: keep-alive" in first
    assert rest.endswith(b"\r\n\r\nok")
    assert b"ransfer" not in rest
    assert frontend.whole == 2, "an answer that ends with the connection ends it"


SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def test_what_is_sent_behind_an_upgrade_is_a_request_and_no_tunnel():
    frontend = Frontend()
    visitor = frontend.visit(field(WS) + NEXT)
    assert statuses(visitor.sent) == [200, 200]
    first, second = frontend.requests()
    assert first.all(b"upgrade") == []
    assert second.target == b"/next"
    assert second.all(b"x-proxy") == [b"zrok"]


def test_bytes_that_came_before_the_switch_never_reach_the_share():
    frontend = Frontend(answers=[SWITCH])
    visitor = frontend.visit(field(WS), NEXT)
    assert 101 not in statuses(visitor.sent)
    assert statuses(visitor.sent) == [400]
    assert b"/next" not in frontend.seen
    assert frontend.streams[0].aborted


NO_UPGRADE = [
    post(WS + b"Content-Length: 0\r\n", b""),
    post(WS + b"Content-Length: 3\r\n"),
    post(WS + b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    get(b"POST / HTTP/1.1", H + WS),
    get(b"GET / HTTP/1.0", H + WS),
]


@pytest.mark.parametrize("data", NO_UPGRADE)
def test_an_upgrade_that_is_none_is_a_plain_request(data):
    frontend = Frontend(answers=[SWITCH])
    visitor = frontend.visit(data)
    assert frontend.requests()[0].all(b"upgrade") == []
    assert statuses(visitor.sent) == [502]


def test_a_refusal_says_nothing_of_what_was_sent():
    frontend = Frontend()
    for data in (
        b"GET /canary<x> HTTP/9.1\r\ncanary\r\n\r\n",
        field(b"canary: a\x00\r\n"),
        get(fields=b"Host: canary/\r\n"),
    ):
        assert b"canary" not in frontend.visit(data).sent.lower()


def test_what_h11_calls_a_request_is_what_the_share_sees_of_a_browser():
    browser = field(b"Cookie: a=b; c=d\r\nAccept: */*\r\nX_Mine: 1\r\nX-Empty:\r\nA: \xc3\xa9\r\nAccept: text/html\r\n")
    with contextlib.suppress(h11.RemoteProtocolError):
        _, (request,) = seen_by_share(browser)
    assert request.all(b"accept") == [b"*/*", b"text/html"]
    assert request.all(b"x_mine") == [b"1"]
    assert request.all(b"x-empty") == [b""]
    assert request.all(b"a") == [b"\xc3\xa9"]


# -- names and cookies ---

# id, what comes on a connection that TLS was made on for `a`; statuses that refuse it
ELSEWHERE = [
    *(
        ("Q53", get(b"GET " + target + b" HTTP/1.1", b"Host: " + value + b"\r\n"), {421})
        for target, value in (
            (b"/", b"c.example"),
            (b"/", b"C.Example.:443"),
            (b"http://c.example/", b"a"),
            (b"https://C.EXAMPLE:443/x", b"c.example"),
        )
    ),
    ("Q53", b"POST / HTTP/1.1\r\nHost: c.example\r\nContent-Length: 3\r\n\r\nabc", {421}),
]


@pytest.mark.parametrize("before", [b"", FIRST], ids=["first", "pipelined"])
def test_a_connection_that_was_made_for_one_share_asks_no_other(before):
    for pieces, allowed in every_cut([row[1:] for row in ELSEWHERE]):
        frontend = Frontend()
        sent = frontend.visit(before + pieces[0], *pieces[1:], NEXT, server_name="a").sent
        assert statuses(sent)[:-1] == [200] * bool(before), pieces
        assert statuses(sent)[-1] in allowed, pieces
        assert sent.endswith(b"\r\n\r\n") or b"Connection: close" in sent
        assert frontend.whole == bool(before), pieces


def test_a_connection_that_was_made_for_one_name_of_a_share_asks_for_its_others():
    frontend = Frontend()
    assert statuses(frontend.visit(host_of(b"B.example."), server_name="a").sent) == [200]
    assert frontend.whole == 1


def host_of(name: bytes) -> bytes:
    return get(fields=b"Host: " + name + b"\r\n")


# id, a field of cookies, what of it the share is to see
COOKIES = [
    ("Q55", b"zrok_interstitial=1", []),
    ("Q55", b"a=b; zrok_interstitial=1; c=d", [b"a=b; c=d"]),
    ("Q55", b"__Host-zrok_interstitial=1;a=b", [b"a=b"]),
    ("Q55", b"zrok_interstitial=1; zrok_interstitial=2; __Host-zrok_interstitial=3", []),
    ("Q55", b"xzrok_interstitial=1", [b"xzrok_interstitial=1"]),
    ("Q55", b"; ".join(b"c%d=%d" % (number, number) for number in range(64)), None),
]


@pytest.mark.parametrize(("name", "sent", "passed"), COOKIES)
def test_our_own_cookies_never_reach_a_share_however_they_come(name, sent, passed):
    passed = [sent] if passed is None else passed
    for pieces in boundaries(field(b"Cookie: " + sent + b"\r\n")):
        for before in (b"", FIRST):
            frontend = Frontend(filters=[InterstitialFilter(InterstitialSettings(), None)])
            assert statuses(frontend.visit(before + pieces[0], *pieces[1:]).sent)[-1] == 200, (name, pieces)
            assert frontend.requests()[-1].all(b"cookie") == passed, pieces


# -- however it comes ---

# id, what is sent; what the share is to see of each when it comes whole is judged above
TAKEN = [
    *(("Q42", field(fields)) for fields in HOPS[:4]),
    *(("Q43", field(b"Connection: " + name + b"\r\n" + name + b": x\r\n")) for name in FORGED[:4]),
    *(("Q44", field(name + b": 6.6.6.6\r\n")) for name in FORGED),
    *(("Q44", field(name.replace(b"-", b"_") + b": 6.6.6.6\r\n")) for name in FORGED),
    *(("Q46", field(fields)) for fields in HOPS[4:8]),
    *(("Q47", data) for data in [field(WS), *NO_UPGRADE]),
    *(("Q48", data) for data in UNEXPECTING[:2]),
    ("Q49", UNEXPECTING[2]),
    ("Q49", b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
    ("Q50", get() * 3),
    ("Q50", get() * 3 + b"garbage\r\n\r\n"),
    ("Q50", get() + post(b"Content-Length: 3\r\n") + last(b"\r\n") + get()),
    ("Q51", get(b"GET / HTTP/1.0", H + b"Connection: keep-alive\r\n") * 2),
    ("Q51", get(b"GET / HTTP/1.0") + get()),
    *(("Q54", get(fields=b"Host: " + value + b"\r\n")) for value in SAME_HOST),
]


@pytest.mark.parametrize("group", grouped([(name, data, b"") for name, data in TAKEN]))
@pytest.mark.parametrize("before", [b"", FIRST], ids=["first", "pipelined"])
@pytest.mark.slow
def test_however_it_is_cut_the_share_and_the_visitor_see_the_same(group, before):
    for data, _ in group:
        whole = Frontend()
        told = dateless(whole.visit(before + data).sent)
        for pieces in boundaries(data)[1:]:
            frontend = Frontend()
            visitor = frontend.visit(before + pieces[0], *pieces[1:])
            assert frontend.requests() == whole.requests(), pieces
            assert dateless(visitor.sent) == told, pieces


def dateless(sent: bytes) -> bytes:
    return re.sub(rb"\r\nDate: [^\r]*", b"", sent)
