from __future__ import annotations

import h11
import httptools
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead
from zrokd.net.http1.framing import CHUNKED, NONE, UNTIL_CLOSE, Framing, request_framing, response_framing
from zrokd.net.http1.head import (
    encode_fields,
    encode_request,
    encode_response,
    judge_response,
    parse_request,
    parse_response,
    parse_trailers,
)
from zrokd.net.http1.limits import HttpLimits


def head(line: bytes = b"GET / HTTP/1.1", *fields: bytes) -> bytes:
    return b"\r\n".join([line, *(fields or (b"Host: a.example",)), b"", b""])


def status_of(data: bytes, parse=parse_request) -> int:
    with pytest.raises(MessageError) as caught:
        parse(data)
    return caught.value.status


def test_a_plain_request_is_read_as_it_was_sent():
    parsed = parse_request(
        head(b"GET /a?b HTTP/1.1", b"Host: A.example:80", b"X-One:  spaced \t", b"x-two:", b"X-Three:a b")
    )
    assert parsed == RequestHead(
        b"GET", b"/a?b", 1,
        ((b"Host", b"A.example:80"), (b"X-One", b"spaced"), (b"x-two", b""), (b"X-Three", b"a b")),
    )  # fmt: skip


@pytest.mark.parametrize("method", [b"GET", b"PROPFIND", b"M-SEARCH", b"x!#$%&'*+-.^_`|~9"])
def test_every_token_is_a_method(method):
    assert parse_request(head(method + b" / HTTP/1.1")).method == method


@pytest.mark.parametrize(("version", "minor"), [(b"1.0", 0), (b"1.1", 1), (b"1.2", 1), (b"1.9", 1)])
def test_later_minor_versions_count_as_1_1(version, minor):
    assert parse_request(head(b"GET / HTTP/" + version)).minor == minor


def test_http_1_0_needs_no_host_but_never_two():
    assert parse_request(b"GET / HTTP/1.0\r\n\r\n").fields == ()
    assert status_of(head(b"GET / HTTP/1.0", b"Host: a", b"Host: a")) == 400


@pytest.mark.parametrize(
    ("line", "target", "host"),
    [
        (b"GET http://b.example/x?y HTTP/1.1", b"/x?y", b"b.example"),
        (b"GET HTTPS://b.example:8443 HTTP/1.1", b"/", b"b.example:8443"),
        (b"GET http://b.example?q HTTP/1.1", b"/?q", b"b.example"),
        (b"OPTIONS http://b.example HTTP/1.1", b"*", b"b.example"),
        (b"GET http://b.example/http://c/ HTTP/1.1", b"/http://c/", b"b.example"),
    ],
)
def test_the_authority_of_an_absolute_target_replaces_host(line, target, host):
    parsed = parse_request(head(line, b"X: 1", b"Host: a.example"))
    assert parsed.target == target
    assert parsed.fields == ((b"Host", host), (b"X", b"1"))


@pytest.mark.parametrize("target", [b"/a/../b", b"/%2e%2e", b"/%00", b"/%0d%0a", b"//x", b"/;a", b'/"|{}<>\\^`'])
def test_a_path_passes_unchanged(target):
    assert parse_request(head(b"GET " + target + b" HTTP/1.1")).target == target


def test_asterisk_is_for_options():
    assert parse_request(head(b"OPTIONS * HTTP/1.1")).target == b"*"
    assert status_of(head(b"GET * HTTP/1.1")) == 400


@pytest.mark.parametrize("host", [b"a", b"A.b-c_d.example", b"[::1]", b"[::1]:80", b"127.0.0.1:8080", b"a.", b"a:"])
def test_host_names_and_addresses_are_hosts(host):
    assert parse_request(head(b"GET / HTTP/1.1", b"Host: " + host)).get(b"host") == host


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"a, b", b"a,b", b"u@h", b"h/x", b"h:99999x", b"h:123456", b"[::1", b"h\xe9", b"h?x", b"h%41"],
)  # fmt: skip
def test_other_values_are_no_hosts(host):
    assert status_of(head(b"GET / HTTP/1.1", b"Host: " + host)) == 400


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(b"GET /" + b"a" * 8192 + b" HTTP/1.1"), 414),
        (head(b"G" * 9000 + b" / HTTP/1.1"), 400),
        (head(b"GET / HTTP/1.1", b"Host: a", b"X: " + b"a" * 32768), 431),
        (head(b"GET / HTTP/1.1", b"Host: a", *[b"X: 1"] * 100), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 400),
        (b"", 400),
    ],
)
def test_each_limit_has_its_status(data, status):
    assert status_of(data) == status


def test_the_limits_themselves_are_allowed():
    line = b"GET /" + b"a" * (8192 - 16) + b" HTTP/1.1"
    assert len(line) + 2 == 8192
    parse_request(head(line))
    parse_request(head(b"GET / HTTP/1.1", b"Host: a", *[b"X: 1"] * 99))
    exact = head(b"GET / HTTP/1.1", b"Host: a", b"X: ")
    parse_request(exact.replace(b"X: ", b"X: " + b"a" * (32768 - len(exact))))


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ResponseHead(200, b"OK", ())),
        (b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n", ResponseHead(404, b"Not Found", ((b"A", b"b"),), 0)),
        (b"HTTP/1.1 204 \r\n\r\n", ResponseHead(204, b"", ())),
        (b"HTTP/1.1 204\r\n\r\n", ResponseHead(204, b"", ())),
        (b"HTTP/1.1 200 Gr\xfc\xdfe\r\n\r\n", ResponseHead(200, b"Gr\xfc\xdfe", ())),
    ],
)
def test_answers_are_read_as_they_were_sent(data, want):
    assert parse_response(data) == want


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 65536 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"\r\n",
    ],
)
def test_answers_are_held_to_the_same_rules(data):
    assert status_of(data, parse_response) == 502


@pytest.mark.parametrize("status", [100, 103, 204])
def test_an_answer_that_has_no_body_may_say_what_it_likes_about_it(status):
    data = b"HTTP/1.1 %d X\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    assert parse_response(data).status == status


@pytest.mark.parametrize("value", [b"a\r\nB: c", b"a\nb", b"a\rb", b"a\0b"])
def test_a_field_made_here_cannot_forge_another(value):
    for field in ((b"A", value), (value, b"A")):
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            encode_fields((field,))


def test_trailers_are_fields():
    assert parse_trailers(b"A: b\r\nC: d\r\n\r\n", 100) == ((b"A", b"b"), (b"C", b"d"))
    assert parse_trailers(b"\r\n", 100) == ()
    assert status_of(b"GET / HTTP/1.1\r\n\r\n", lambda data: parse_trailers(data, 100)) == 400
    assert status_of(b"A: b\r\n" * 3 + b"\r\n", lambda data: parse_trailers(data, 2)) == 431


# -- any bytes: a value or MessageError ---

NASTY = [
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"\x0b",
    b"\x7f",
    b"\xa0",
    b"\xff",
    b",",
    b";",
    b"\r\n ",
    b"#",
    b"@",
]
NASTY += [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"HTTP/1.0", b"0", b"+", b"_"]


@st.composite
def damaged(draw, whole: st.SearchStrategy[bytes]) -> bytes:
    """A valid head with up to three places changed."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 3))
        data = data[:at] + draw(st.sampled_from([b"", *NASTY])) + data[at + cut :]
    return data


TOKENS = st.text("abcXYZ019-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=12).map(
    lambda raw: raw.translate(None, bytes([*range(9), *range(10, 32), 127])).strip(b" \t")
)
KNOWN_METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND", b"MKCOL", b"M-SEARCH"]
FRAMINGS = st.sampled_from(
    [b"", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:CHUNKED\r\n"]
)


@st.composite
def requests(draw, methods=KNOWN_METHODS) -> bytes:
    target = draw(st.sampled_from([b"/", b"/a?b=c", b"/%20/..", b"http://b.example/x", b"*", b"//", b"/a|b"]))
    fields = draw(st.lists(st.tuples(TOKENS, VALUES), max_size=4))
    lines = b"".join(b"%s: %s\r\n" % field for field in fields)
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    method = draw(st.sampled_from(methods))
    return b"%s %s HTTP/%s\r\nHost: a.example\r\n%s%s\r\n" % (method, target, version, lines, draw(FRAMINGS))


@given(st.one_of(st.binary(max_size=200), damaged(requests())))
@settings(max_examples=500)
def test_any_bytes_give_a_request_or_a_refusal(data):
    try:
        parsed = parse_request(data)
    except MessageError as error:
        assert 400 <= error.status <= 505
    else:
        again = parse_request(encode_request(parsed))
        assert again == parsed, "what we send on is read as what we read"


@given(st.one_of(st.binary(max_size=200), damaged(st.just(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\n"))))
@settings(max_examples=500)
def test_any_bytes_give_an_answer_or_a_refusal(data):
    try:
        parsed = parse_response(data)
    except MessageError as error:
        assert error.status == 502
    else:
        assert parse_response(encode_response(parsed)).fields == parsed.fields


# -- what we accept, others read as the same message ---


class Seen:
    """Callbacks of httptools."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.messages = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


def accepted(data: bytes) -> RequestHead:
    try:
        parsed = parse_request(data)
    except MessageError:
        assume(False)
        raise
    return parsed


def with_body(parsed: RequestHead) -> tuple[bytes, bytes]:
    """The request as we send it on, with a body of its framing; and that body."""
    framing = request_framing(parsed)
    if framing.kind == "length":
        body = b"b" * min(framing.length, 100000)
        assume(framing.length == len(body))
        return encode_request(parsed) + body, body
    if framing.kind == "chunked":
        return encode_request(parsed) + b"3\r\nabc\r\n0\r\n\r\n", b"abc"
    return encode_request(parsed), b""


@pytest.mark.slow
@given(damaged(requests()))
@settings(max_examples=500)
def test_httptools_reads_what_we_accept_as_the_same_message(data):
    """llhttp knows a list of methods and no HTTP/1.x past 1.1, and gives up after an upgrade: left out here."""
    parsed = accepted(data)
    assume(parsed.method in KNOWN_METHODS)
    assume(not parsed.get(b"Upgrade"))
    sent, body = with_body(parsed)
    seen = Seen()
    parser = httptools.HttpRequestParser(seen)
    parser.feed_data(sent)
    assert seen.messages == 1
    assert (parser.get_method(), seen.url, seen.body) == (parsed.method, parsed.target, body)
    assert tuple(seen.fields) == parsed.fields


def _as_h11(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = field[0].lower(), field[1]
    return name, value.lower() if name == b"transfer-encoding" else value


@pytest.mark.slow
@given(damaged(requests([*KNOWN_METHODS, b"LOCK", b"x-y"])))
@settings(max_examples=500)
def test_h11_reads_what_we_accept_as_the_same_message(data):
    """h11 is laxer in many ways (obs-fold, bare LF, Content-Length beside Transfer-Encoding), which we never accept to
    begin with. It gives names in lower case, and the value of Transfer-Encoding too."""
    parsed = accepted(data)
    sent, body = with_body(parsed)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(sent)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (parsed.method, parsed.target)
    assert [_as_h11(field) for field in parsed.fields] == list(event.headers)
    got = b""
    while isinstance(event := connection.next_event(), h11.Data):
        got += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert got == body
    assert not connection.trailing_data[0]


@given(damaged(st.just(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\nC:d\r\n\r\n")))
@settings(max_examples=300)
def test_httptools_reads_answers_that_we_accept_as_the_same(data):
    try:
        parsed = parse_response(data)
    except MessageError:
        return
    assume(parsed.status >= 200 and parsed.status not in (204, 304) and not parsed.get(b"Upgrade"))
    seen = Seen()
    parser = httptools.HttpResponseParser(seen)
    parser.feed_data(encode_response(parsed))
    assert parser.get_status_code() == parsed.status
    assert tuple(seen.fields) == parsed.fields


def test_hostile_heads_cost_linear_time():
    import time

    limits = HttpLimits(head_bytes=1 << 22)
    for filler in (b"a", b" ", b"\t ", b": ", b"a:"):
        took = []
        for size in (1 << 17, 1 << 19):
            data = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + filler * (size // len(filler)) + b"\x00\r\n\r\n"
            best = 9.0
            for _ in range(3):
                since = time.process_time()
                with pytest.raises(MessageError):
                    parse_request(data, limits)
                best = min(best, time.process_time() - since)
            took.append(best)
        assert took[1] < took[0] * 16 + 0.005, filler


@pytest.mark.parametrize(
    ("method", "line", "fields", "framing"),
    [
        (b"GET", b"200 OK", b"Content-Length: 5\r\n", Framing("length", 5)),
        (b"GET", b"200 OK", b"Transfer-Encoding: chunked\r\n", CHUNKED),
        (b"GET", b"200 OK", b"", UNTIL_CLOSE),
        (b"HEAD", b"200 OK", b"Content-Length: 5\r\n", NONE),
        (b"HEAD", b"200 OK", b"", NONE),
        (b"GET", b"304 Not Modified", b"Content-Length: 5\r\n", NONE),
        (b"GET", b"204 No Content", b"Transfer-Encoding: chunked\r\n", NONE),
        (b"GET", b"100 Continue", b"Content-Length: 5\r\n", NONE),
    ],
)  # fmt: skip
def test_an_answer_is_framed_as_its_request_and_status_say(method, line, fields, framing):
    data = b"HTTP/1.1 " + line + b"\r\n" + fields + b"\r\n"
    head, told = judge_response(data, HttpLimits(), method)
    assert told == framing == response_framing(head, method)


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("status", [b"200 OK", b"304 Not Modified"])
def test_a_length_that_is_none_is_refused_even_where_no_body_follows(method, status):
    with pytest.raises(MessageError) as refused:
        judge_response(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5, 5\r\n\r\n", HttpLimits(), method)
    assert refused.value.status == 502
