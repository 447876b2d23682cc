import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.net.http1.rows import BODIES, GOOD, HEADS
from zrokd.errors import MessageError
from zrokd.model.block import Block, Fields
from zrokd.net.http1 import head as heads
from zrokd.net.http1.framing import Framing
from zrokd.net.http1.hops import hop_by_hop, keeps_alive, without_hops
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.memory import BlockMemory

LIMITS = HttpLimits()
LINES = [
    b"Host: a", b"Host:a", b"host: b", b"Host: a:99999", b"Content-Length: 3", b"Content-Length: x", b"X: y", b"X: y ",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close", b"Connection: keep-alive, x",
    b"Connection: host", b"Connection: upgrade", b"Upgrade: websocket", b"Keep-Alive: 1", b"a_b: c", b"bad line",
    b"Cookie: a=b", b"Cookie:  a", b"Cookie: a ", b"cookie: c", b"Cookie: ", b"Cookie: n\0", b"Cookie: l\rm",
    b"Authorization: Basic eDp5",
    b"Connection: cookie", b"Connection: close, Authorization", b" fold: x", b"Date: then",
    b"n\0: x", b"Accept: a\nb: c",
]  # fmt: skip
FIRST = [
    b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"POST http://c/ HTTP/1.1", b"OPTIONS * HTTP/1.1", b"TRACE / HTTP/1.1",
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 204 ", b"HTTP/1.1 101 S", b"X",
]  # fmt: skip


def block_of(number: int, size: int = 16) -> Block:
    value = b"%0*d" % (size, number)
    return Block(((b"N", value),), b"\r\nN: " + value + b"\r\n")


def judge(data: bytes) -> tuple[heads.RequestHead | heads.ResponseHead, Framing]:
    return (heads.judge_response if data.startswith(b"HTTP") else heads.judge_request)(data, LIMITS)


def judged(data: bytes) -> object:
    """All that is found out about a head, or why it is refused; whether it is, at once."""
    try:
        head, framing = judge(data)
    except MessageError as error:
        return False, error.status, str(error)
    told = (head, head.block.lines, framing, keeps_alive(head))
    try:
        return True, told, hop_by_hop(head).block.lines
    except MessageError as error:
        return True, told, error.status, str(error)


def meaning(data: bytes) -> object:
    """The same as far as it means anything: the order of fields of different names does not. Source: RFC 9110 §5.3."""
    try:
        head, framing = judge(data)
        told = (by_name(head.fields), framing, keeps_alive(head))
        return told, by_name(hop_by_hop(head).fields)
    except MessageError as error:
        return error.status, str(error)


def by_name(fields: Fields) -> Fields:
    return tuple(sorted(fields, key=lambda field: field[0].lower()))


def check(data: bytes) -> None:
    """It is judged by what is remembered as by an empty memory, and remembered only when it is not refused.

    And it means what it would mean if no field stood apart.
    """
    before, heads.MEMORY = heads.MEMORY, BlockMemory()
    try:
        verdicts = [judged(data) for _ in range(4)]
        remembered = len(heads.MEMORY)
        together = re.sub(rb"(\r\n(?:Cookie|Authorization):) ", rb"\1\t", data)
        assert meaning(data) == meaning(together)
    finally:
        heads.MEMORY = before
    assert verdicts == verdicts[:1] * 4
    assert verdicts[0][0] or not remembered, "a refused head is remembered"  # type: ignore[index]


@pytest.mark.parametrize("data", sorted({row[1].partition(b"\r\n\r\n")[0] for row in [*HEADS, *BODIES, *GOOD]}))
def test_every_rule_holds_for_what_was_judged_before(data) -> None:
    check(data + b"\r\n\r\n")


@given(st.sampled_from(FIRST), st.lists(st.sampled_from(LINES), max_size=6))
def test_a_head_is_judged_by_memory_as_without_it(first, lines) -> None:
    check(b"\r\n".join([first, *lines, b"", b""]))


@pytest.mark.parametrize("path", [b"/", b"/other", b"http://b/x"])
def test_one_block_behind_several_first_lines_is_judged_with_each(path, monkeypatch) -> None:
    data = b"%s HTTP/1.%d\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n"
    monkeypatch.setattr(heads, "MEMORY", BlockMemory())
    for _ in range(3):
        head, framing = heads.judge_request(data % (b"GET " + path, 1), LIMITS)
        assert (head.get(b"Host"), framing.kind) == (b"b" if path.startswith(b"http") else b"a", "chunked")
        with pytest.raises(MessageError, match=r"HTTP/1\.0"):
            heads.judge_request(data % (b"GET " + path, 0), LIMITS)


def test_limits_hold_for_what_is_known(monkeypatch) -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    monkeypatch.setattr(heads, "MEMORY", BlockMemory())
    for _ in range(3):
        heads.judge_request(data, LIMITS)
    for limits in (HttpLimits(fields=1), HttpLimits(head_bytes=20), HttpLimits(request_line_bytes=10)):
        with pytest.raises(MessageError):
            heads.judge_request(data, limits)


def test_a_block_is_known_when_it_comes_the_second_time() -> None:
    memory, block = BlockMemory(), block_of(1)
    memory.keep(block)
    assert memory.find(block.lines) is None
    memory.keep(block)
    assert memory.find(bytes(bytearray(block.lines))) is block


def test_what_never_comes_again_leaves_what_is_in_use() -> None:
    memory, used = BlockMemory(most=4), block_of(0)
    for number in range(1, 100):
        memory.keep(used)
        for _ in range(2):
            memory.keep(block_of(number))
        assert len(memory) <= 8
    assert memory.find(used.lines) is used
    assert memory.find(block_of(1).lines) is None


@pytest.mark.parametrize(
    "block", [block_of(1, size=200), Block(((b"A", b""),) * 50), Block(tuple([(b"A%d" % i, b"") for i in range(50)]))]
)
def test_a_large_block_is_not_remembered(block) -> None:
    memory = BlockMemory(largest=200)
    for _ in range(3):
        memory.keep(block)
    assert not len(memory)


@pytest.mark.parametrize(
    "line",
    [
        b"cookie: s3cret", b"Set-Cookie: s3cret", b"X-Api-Key: s3cret", b"proxy-authorization: Basic s3cret",
        b"X-Auth: s3cret", b"X-Csrf-Token: s3cret", b"Referer: https://a/?code=s3cret", b"Location: /?t=s3cret",
        b"Sec-WebSocket-Key: s3cret",
    ],
)  # fmt: skip
def test_what_may_hold_a_secret_is_not_remembered(line, monkeypatch) -> None:
    monkeypatch.setattr(heads, "MEMORY", BlockMemory())
    for _ in range(3):
        heads.judge_request(b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % line, LIMITS)
    assert not len(heads.MEMORY)


def test_visitors_that_differ_by_their_cookies_are_known_without_them(monkeypatch) -> None:
    monkeypatch.setattr(heads, "MEMORY", BlockMemory())
    data = b"GET / HTTP/1.1\r\nCookie: %d\r\nHost: a\r\nAuthorization: Basic %d\r\nX: y\r\n\r\n"
    read = [heads.judge_request(data % (number, number), LIMITS)[0] for number in range(3)]
    assert [head.get(b"cookie") for head in read] == [b"0", b"1", b"2"]
    assert [head.get(b"authorization") for head in read] == [b"Basic 0", b"Basic 1", b"Basic 2"]
    assert len(heads.MEMORY) == 1
    assert heads.MEMORY.find(b"\r\nHost: a\r\nX: y\r\n") is read[2].block.common


# -- what one connection remembers ---


def told_of(judge: heads.RequestJudge, data: bytes) -> object:
    try:
        head = judge.judge(data, LIMITS)
    except MessageError as error:
        return error.status, str(error)
    assert judge.keeps_alive == keeps_alive(head)
    clean = without_hops(head.block) if b"connection" not in head.names else None
    return head, head.block.lines, judge.framing, judge.keeps_alive, clean and clean.fields


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"GET / HTTP/1.1", b"GET /b HTTP/1.1", b"GET / HTTP/1.0", b"HEAD http://c/ HTTP/1.1"]),
            st.sampled_from([(), LINES[:1], LINES[:3], [*LINES[:1], LINES[13]], [*LINES[:1], LINES[16]], LINES[4:6]]),
        ),
        max_size=8,
    )
)
def test_each_request_of_a_connection_is_judged_as_if_it_were_the_first(requests) -> None:
    judge = heads.RequestJudge()
    for line, fields in requests:
        data = b"\r\n".join([line, *fields, b"", b""])
        assert told_of(judge, data) == told_of(heads.RequestJudge(), data)


def test_the_fields_of_a_request_that_came_again_are_known_until_others_come() -> None:
    judge = heads.RequestJudge()
    data = b"GET /%d HTTP/1.1\r\nHost: a\r\nCookie: %s\r\n\r\n"
    _, one, other, again, next_one = [
        judge.judge(data % (number, cookie), LIMITS) for number, cookie in enumerate([b"x", b"x", b"x", b"y", b"x"])
    ]
    assert one.block is other.block
    assert (one.target, other.target) == (b"/1", b"/2")
    assert [head.get(b"cookie") for head in (other, again, next_one)] == [b"x", b"y", b"x"]
    assert next_one.block is not one.block


def test_what_one_connection_found_out_is_not_told_to_another(monkeypatch) -> None:
    monkeypatch.setattr(heads, "MEMORY", BlockMemory())
    judges = [heads.RequestJudge(), heads.RequestJudge()]
    blocks = [[judge.judge(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", LIMITS).block for judge in judges] for _ in "1234"]
    assert blocks[2][0] is blocks[3][0] is not blocks[3][1]
    assert blocks[3][0].facts is not blocks[3][1].facts


def test_a_connection_holds_no_large_head() -> None:
    judge = heads.RequestJudge()
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 2048)
    first, second = judge.judge(data, LIMITS), judge.judge(data, LIMITS)
    assert first == second
    assert first.block is not second.block
