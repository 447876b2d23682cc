"""Hostile answers that nobody thought of: a visitor gets one whole message, the one h11 reads, or it breaks off."""

from __future__ import annotations

from dataclasses import dataclass, field

import h11
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.proxy.raw import Frontend
from tests.unit.proxy.test_strict_answers import BROKEN, NOW, SURPLUS, L, T, answer

SEEDS = [row[1] for row in BROKEN if len(row[1]) < 400]
SEEDS += [
    answer(),
    answer(T, b"2\r\nok\r\n0\r\n\r\n"),
    answer(T, b'1;a="b"\r\no\r\n1\r\nk\r\n0\r\nA: b\r\n\r\n'),
    answer(b"", b"until the end!"),
    answer(b"", b"", b"HTTP/1.1 204 No Content"),
    answer(L, b"", b"HTTP/1.1 304 Not Modified"),
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(),
    answer(line=b"HTTP/1.0 200 OK"),
    answer() + SURPLUS,
]
EVIL = [bytes([code]) for code in range(256)]
EVIL += b"\r\n|\r\n\r\n|0\r\n\r\n|HTTP/1.1 200 OK\r\n|HTTP/1.1 100 C\r\n\r\n|Content-Length: 2\r\n|!".split(b"|")
EVIL += (
    b"Transfer-Encoding: chunked\r\n|HTTP/1.0|Connection: close\r\n|Connection: keep-alive\r\n| 204 | 304 |101".split(
        b"|"
    )
)
METHODS = [b"GET", b"HEAD", b"POST"]


@st.composite
def hostile(draw) -> bytes:
    """An answer of the tables, with some bytes put in, taken out or written over."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from([b"", *EVIL])) + data[at + draw(st.sampled_from([0, 0, 1, 2, 5])) :]
    return data


@dataclass
class Read:
    """What a client makes of some bytes."""

    statuses: list[int] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    rest: bytes = b""


def by_h11(method: bytes, data: bytes, *, ended: bool) -> Read:
    """The answers in `data` to one request, as h11 reads them."""
    client, read = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20), Read()
    length = [("Content-Length", "0")] if method == b"POST" else []
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a"), *length]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if ended and data:
        client.receive_data(b"")
    try:
        while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response | h11.InformationalResponse):
                read.statuses.append(event.status_code)
            elif isinstance(event, h11.Data):
                read.body += bytes(event.data)
            else:
                read.whole = isinstance(event, h11.EndOfMessage)
                break
    except h11.RemoteProtocolError:
        return read
    read.rest = bytes(client.trailing_data[0])
    return read


def check(told: bytes, method: bytes) -> None:
    frontend = Frontend(answers=[told or b"!", NOW])
    length = b"Content-Length: 0\r\n" if method == b"POST" else b""
    visitor = frontend.visit(method + b" / HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n")
    (summary,) = frontend.exchanges
    got = by_h11(method, visitor.sent, ended=False)
    if visitor.aborted:
        assert summary.outcome != "ok"
        assert not got.whole
    elif summary.outcome == "ok":
        said, mark, _ = told.partition(b"!")
        theirs = by_h11(method, said, ended=bool(mark))
        assert got.whole
        assert got.rest == b""
        assert (got.statuses, got.body) == (theirs.statuses, theirs.body)
    else:
        assert got.statuses[-1] in (502, 504)
        assert got.whole
    assert frontend.visit(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").sent.endswith(b"\r\n\r\nnow")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile(), st.sampled_from(METHODS))
def test_an_answer_reaches_the_visitor_as_others_read_it_or_broken_off(told, method):
    check(told, method)
