"""Hostile bytes that nobody thought of: what we let through, other parsers read as the same messages, and no others."""

from __future__ import annotations

import functools
import ipaddress
import itertools
import re

import h11
import httptools
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.net.http1.rows import BODIES, GOOD, HEADS, NEXT, field
from tests.unit.proxy.raw import OK, Frontend, Request, h11_requests

SEEDS = [row[1] for row in [*HEADS, *BODIES, *GOOD] if len(row[1]) < 400]
SEEDS += [
    field(b"Cookie: a=b; c=d\r\nForwarded: for=6.6.6.6;host=x\r\nX-Forwarded-For: 6.6.6.6, [::1]:80\r\n"),
    field(b"Connection: Upgrade, X\r\nUpgrade: websocket\r\nExpect: 100-continue\r\nTE: trailers\r\nVia: 1.0 x\r\n"),
]
EVIL = [bytes([code]) for code in range(256)]
EVIL += b"\r\n|\r\n\r\n|0\r\n\r\n|chunked|Host: a\r\n|Content-Length: 3\r\n|Transfer-Encoding: chunked\r\n".split(b"|")
EVIL += b"HTTP/1.1|HTTP/1.0|GET / |http://b.example|Connection: close\r\n|\xc2\xa0|ffffffffffffffff".split(b"|")


@st.composite
def hostile(draw) -> bytes:
    """One or two messages of the tables, with some bytes put in, taken out or written over."""
    data = b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 0, 1, 2, 5]))
        data = data[:at] + draw(st.sampled_from([b"", *EVIL])) + data[at + gone :]
    return data


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


def by_h11(data: bytes) -> list[Request]:
    """The messages in `data`, up to the first that h11 does not take."""
    found: list[Request] = []
    while data:
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        data = data.removeprefix(b"\r\n")
        server.receive_data(data)
        made: Request | None = None
        try:
            while not isinstance(event := server.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Request):
                    made = Request(event.method, event.target, [tuple(map(bytes, each)) for each in event.headers])
                elif isinstance(event, h11.Data):
                    assert made
                    made.body += bytes(event.data)
                else:
                    return found
        except h11.RemoteProtocolError:
            return found
        assert made
        found.append(made)
        data = bytes(server.trailing_data[0])
    return found


class Llhttp:
    """The messages in `data`, up to the first that llhttp does not take."""

    def __init__(self, data: bytes) -> None:
        self.found: list[Request] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self._target, self._body = b"", b""
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return

    def on_message_begin(self) -> None:
        self._fields, self._target, self._body = [], b"", b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.found.append(Request(self._parser.get_method(), self._target, self._fields, self._body))


def same(ours: Request, theirs: Request) -> bool:
    """Whether what the share got is what another parser read, the absolute form taken apart."""
    absolute = re.match(rb"https?://([^/?]*)(.*)", theirs.target, re.IGNORECASE | re.DOTALL)
    host, target = (theirs.all(b"host")[0], theirs.target) if not absolute else absolute.groups()
    if absolute and not target.startswith(b"/"):
        target = b"*" if (theirs.method, target) == (b"OPTIONS", b"") else b"/" + target
    return (theirs.method, target, host, theirs.body) == ours.short


def forwarded(frontend: Frontend) -> list[Request]:
    """What the share saw, by h11: whole requests, and at the end of a broken stream a part of one."""
    found: list[Request] = []
    for stream in frontend.streams:
        read = by_h11(stream.seen)
        assert len(read) == stream.whole
        if not stream.aborted:
            assert h11_requests(stream.seen) == read, "nothing but whole requests"
        found += read
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile(), st.lists(st.integers(0, 500), max_size=4), st.booleans())
@example(
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    [],
    False,
)
def test_what_passes_is_what_others_read(data, places, more):
    check(data, places, more=more)


def check(data: bytes, places: list[int], *, more: bool) -> None:
    frontend = Frontend(answers=[OK])
    sent = data + (NEXT if more else b"")
    frontend.visit(*cut(sent, places))
    passed = iter(forwarded(frontend))
    h11_read = by_h11(sent)
    llhttp_read = [] if b"pgrade" in sent else Llhttp(sent).found  # it gives up a body behind an Upgrade, which we drop
    is_plain = plain(sent)
    for number, summary in enumerate(frontend.exchanges):
        assert summary.status != 500
        if summary.status != 200:
            continue
        ours = next(passed)
        is_plain &= ours.method in _METHODS  # a length may end within what looks like a request line
        if number < len(h11_read):
            assert same(ours, h11_read[number])
        else:
            assert _FRAMING_TRAILER.search(sent), "h11 does not take it"
        if number < len(llhttp_read):
            assert same(ours, llhttp_read[number])
        else:
            assert not is_plain, "llhttp does not take it"
    assert next(passed, None) is None


# Both look at the values of these even in trailers, where we drop them.
_FRAMING_TRAILER = re.compile(
    rb"\r\n0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*(transfer-encoding|content-length|connection):", re.IGNORECASE
)


_METHODS = {b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"PROPFIND", b"REPORT", b"M-SEARCH"}


@functools.cache
def plain(data: bytes) -> bool:
    """Whether llhttp knows all that stands in it: no upgrade, no tab, its own methods, versions 1.0 and 1.1."""
    lines = re.findall(rb"([^\r\n ]+) [^\r\n ]+ HTTP/([0-9.]+)\r\n", data)
    if b"pgrade" in data or b"\t" in data or _FRAMING_TRAILER.search(data):
        return False
    return all(method in _METHODS and minor in (b"1.0", b"1.1") for method, minor in lines)


# -- single fields ---

VALUES = st.lists(st.sampled_from([bytes([code]) for code in range(256) if code not in (10, 13)]), max_size=30).map(
    b"".join
)
CLAIMS = st.one_of(VALUES, st.text(alphabet='0123456789abcdef.:,[]"; =for\\', max_size=40).map(str.encode))
# Source: RFC 7239 §4; a host is always quoted here.
_NODE = rb'for=(?:unknown|[0-9.]+|"\[[0-9a-f:.]+\]")'
_FORWARDED = re.compile(_NODE + rb"(?:, " + _NODE + rb')*;host="[^"\\]*";proto=https?')


def alone(name: bytes, value: bytes, **how) -> Request | None:
    """What the share gets of a request with this field; None: it was refused, by 400."""
    frontend = Frontend(**how)
    visitor = frontend.visit(field(name + b": " + value + b"\r\n"))
    if visitor.sent.startswith(b"HTTP/1.1 400"):
        assert frontend.seen == b""
        return None
    (request,) = forwarded(frontend)
    return request


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_a_cookie_passes_as_it_is_or_not_at_all(value):
    request = alone(b"Cookie", value)
    if request is None:
        assert re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value)
    else:
        assert request.all(b"cookie") == [value.strip(b" \t")]


@settings(max_examples=150, deadline=None)
@given(
    CLAIMS,
    st.sampled_from([b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"Forwarded"]),
    st.booleans(),
)
def test_whatever_is_claimed_the_share_gets_forwarded_fields_that_can_be_read(value, name, trusted):
    request = alone(name, value, trusted=["192.0.2.0/24"] if trusted else [])
    if request is None:
        return
    (chain,), (real,), (about,) = (request.all(key) for key in (b"x-forwarded-for", b"x-real-ip", b"forwarded"))
    addresses = [str(ipaddress.ip_address(part.decode())) for part in chain.split(b", ")]
    assert addresses[-1] == "192.0.2.1"
    assert real.decode() in addresses
    assert _FORWARDED.fullmatch(about), about
    assert trusted or (chain, real, request.all(b"x-forwarded-host")) == (b"192.0.2.1", b"192.0.2.1", [b"a"])


@settings(max_examples=150, deadline=None)
@given(st.one_of(VALUES, st.text(alphabet="aA.:80[]-_~%@/,", max_size=12).map(str.encode)))
def test_a_host_is_refused_unknown_or_the_one_that_is_shared(value):
    frontend = Frontend()
    visitor = frontend.visit(b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")
    status = int(visitor.sent[9:12])
    assert status in (200, 400, 404)
    assert status != 200 or re.fullmatch(rb"[ \t]*[aA]\.?(:[0-9]{0,5})?[ \t]*", value)
    assert status == 200 or frontend.seen == b""
