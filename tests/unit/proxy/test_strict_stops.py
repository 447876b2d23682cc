"""Who stops in the middle, at whatever byte: a visitor is told 408, a share that was waited for is 504 or broken off.

And an upload that goes on while the answer is there already, however that comes.
"""

from __future__ import annotations

import pytest

from tests.unit.net.http1.rows import boundaries, field, get, grouped, last, post
from tests.unit.proxy.raw import OK, Frontend, statuses
from tests.unit.proxy.test_strict import FIRST, WS, dateless
from tests.unit.proxy.test_strict_answers import Stalled

NOW = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnow"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: v\r\n\r\n"

# id, a request that stops at each of its bytes
STOPPED = [
    ("R14", get()),
    ("R14", b"\r\n" + field(b"Cookie: a=b\r\nX: y\r\n")),
    ("R14", field(WS)),
    ("R15", post(b"Content-Length: 20\r\n", b"12345678901234567890")),
    ("R15", post(b"Transfer-Encoding: chunked\r\n", b"3;a=b\r\nabc\r\n2\r\nde\r\n")),
    ("R15", last(b"T: v\r\n\r\n")),
]


@pytest.mark.parametrize("group", grouped([(name, data, b"") for name, data in STOPPED]))
@pytest.mark.parametrize("before", [b"", FIRST], ids=["first", "pipelined"])
def test_a_visitor_who_stops_at_any_byte_is_told_and_no_share_sees_a_whole_request(group, before):
    for data, _ in group:
        for at in range(1, len(data)):
            frontend = Frontend()
            visitor = frontend.visit(before + data[:at], stops=True)
            assert statuses(visitor.sent) == [200] * bool(before) + [408], data[:at]
            assert b"Connection: close" in visitor.sent
            assert frontend.whole == bool(before), data[:at]
            assert b"\r\n\r\n" in data[:at] or not frontend.streams[bool(before) :], data[:at]


# id, an answer that stops at each of its bytes
SILENT = [("R03", OK), ("R03", b"HTTP/1.1 103 E\r\nLink: </x>\r\n\r\n" + OK), ("R03", CHUNKED)]


@pytest.mark.parametrize(("name", "told"), SILENT)
@pytest.mark.parametrize("before", [b"", FIRST], ids=["first", "pipelined"])
def test_a_share_that_stops_at_any_byte_is_late_or_broken_off_and_is_used_no_more(name, told, before):
    for at in range(len(told)):
        frontend = Frontend(answers=[*([OK] if before else []), told[:at], NOW])
        visitor = frontend.visit(before + post(b"Content-Length: 3\r\n"))
        late = b"HTTP/1.1 504 " in visitor.sent
        assert late != visitor.aborted, (name, told[:at])
        assert late == (b"200 OK" not in told[:at] or b"\r\n\r\n" not in told[:at].partition(b"200 OK")[2])
        assert not visitor.sent.endswith(b"0\r\n\r\n" if told is CHUNKED else b"\r\n\r\nok"), told[:at]
        assert frontend.whole == 1 + bool(before), "a POST is not sent twice"
        assert frontend.visit(get()).sent.endswith(b"now")


# id, an answer that is there before the upload ends
EARLY = [
    ("R09", OK),
    ("R09", b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"),
    ("R09", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
]


def early(told: bytes, *pieces: bytes, cuts: tuple[int, ...] = ()) -> tuple[Frontend, Stalled]:
    """A visit whose upload does not end, and a share that answers at once."""
    frontend = Frontend(cuts=cuts)
    dial = frontend.pipeline.pool._dial

    def dialled(token, terminator=None):
        stream = dial(token, terminator)
        stream._out = told
        return stream

    frontend.pipeline.pool._dial = dialled
    visitor = Stalled(pieces)
    frontend.pipeline(visitor)
    return frontend, visitor


UPLOADS = [
    post(b"Content-Length: 1000000\r\n", b"abc"),
    post(b"Transfer-Encoding: chunked\r\n", b"ff\r\nabc"),
]


@pytest.mark.parametrize(("name", "told"), EARLY)
@pytest.mark.parametrize("sent", UPLOADS, ids=["length", "chunked"])
def test_an_answer_before_the_end_of_an_upload_is_whole_however_both_are_cut(name, told, sent):
    _, whole = early(told, sent)
    expected = dateless(whole.sent)
    assert expected.endswith(told.rpartition(b"\r\n\r\n")[2]), name
    cuts = [tuple(map(len, pieces)) for pieces in boundaries(told)[1:]]
    ways = [((sent,), cut) for cut in cuts] + [(pieces, ()) for pieces in boundaries(sent)[1:]]
    for pieces, cut in ways:
        frontend, visitor = early(told, *pieces, cuts=cut)
        assert dateless(visitor.sent) == expected, (pieces, cut)
        assert visitor.sent.count(b"Connection: close") == 1
        assert frontend.streams[0].aborted, "half a request is on it"
