from __future__ import annotations

import pytest

from zrokd.errors import MessageError, StreamError, StreamTimeout
from zrokd.net.http1.body import BodyWriter, LimitedReader, Pace, make_reader
from zrokd.net.http1.framing import CHUNKED, NONE, UNTIL_CLOSE, Framing
from zrokd.net.http1.limits import HttpLimits


class Pieces:
    """A source that gives what it was made of; "wait" in between lets the clock run."""

    def __init__(self, *pieces: bytes, limits: HttpLimits | None = None) -> None:
        self.limits = limits or HttpLimits()
        self.pieces = list(pieces)
        self.idle_s: float | None = None

    def take(self, max_bytes: int, timeout_s: float | None) -> bytes:
        self.idle_s = timeout_s
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if piece[max_bytes:]:
            self.pieces.insert(0, piece[max_bytes:])
        return piece[:max_bytes]

    def push_back(self, data: bytes) -> None:
        if data:
            self.pieces.insert(0, data)


def read_all(source: Pieces, framing: Framing, max_bytes: int = 65536) -> bytes:
    reader = make_reader(source, framing, 1.0, least=False)
    got = b"".join(iter(lambda: reader.read(max_bytes), b""))
    assert reader.done
    assert reader.read() == b""
    return got


@pytest.mark.parametrize("max_bytes", [1, 2, 65536])
@pytest.mark.parametrize(
    ("framing", "pieces", "body", "rest"),
    [
        (NONE, [b"next"], b"", [b"next"]),
        (Framing("length", 0), [b"next"], b"", [b"next"]),
        (Framing("length", 5), [b"ab", b"cdenext"], b"abcde", [b"next"]),
        (CHUNKED, [b"3\r\nabc\r\n2", b"\r\nde\r\n0\r\n\r\nnext"], b"abcde", [b"next"]),
        (UNTIL_CLOSE, [b"ab", b"cde"], b"abcde", []),
    ],
)
def test_a_body_ends_where_its_framing_says(framing, pieces, body, rest, max_bytes):
    source = Pieces(*pieces)
    assert read_all(source, framing, max_bytes) == body
    assert b"".join(source.pieces) == b"".join(rest)


@pytest.mark.parametrize(
    ("framing", "data", "text"),
    [(Framing("length", 5), b"abc", "2 bytes short"), (CHUNKED, b"3\r\nabc\r\n", "before its last chunk")],
)
def test_a_body_cut_short_is_an_error(framing, data, text):
    with pytest.raises(StreamError, match=text):
        read_all(Pieces(data), framing)


def test_trailers_are_there_after_the_end():
    reader = make_reader(Pieces(b"1\r\na\r\n0\r\nA: b\r\n\r\n"), CHUNKED, 1.0, least=False)
    assert reader.read(7) == b"a"
    assert reader.trailers == ()
    assert reader.read() == b""
    assert reader.trailers == ((b"A", b"b"),)


@pytest.mark.parametrize(("limit", "fits"), [(5, True), (4, False)])
def test_a_limited_body_may_be_as_long_as_its_limit(limit, fits):
    source = Pieces(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    reader = LimitedReader(make_reader(source, CHUNKED, 1.0, least=False), limit)
    if fits:
        assert b"".join(iter(reader.read, b"")) == b"abcde"
        assert reader.done
        return
    with pytest.raises(MessageError) as caught:
        b"".join(iter(reader.read, b""))
    assert caught.value.status == 413


class SlowPieces(Pieces):
    """Takes ten seconds of a made-up clock for each piece."""

    def __init__(self, monkeypatch, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.now = 0.0
        monkeypatch.setattr("zrokd.net.http1.body.time.monotonic", lambda: self.now)

    def take(self, max_bytes: int, timeout_s: float | None) -> bytes:
        self.now += 10.0
        return super().take(max_bytes, timeout_s)


def test_a_body_that_drips_is_ended(monkeypatch):
    source = SlowPieces(monkeypatch, *[b"x"] * 100)
    pace = Pace(source, 30.0, least=True)
    pace.take(10)
    with pytest.raises(StreamTimeout, match="too slowly"):
        pace.take(10)
    assert source.idle_s == 30.0


def test_a_slow_but_steady_body_is_not(monkeypatch):
    source = SlowPieces(monkeypatch, *[b"x" * 2560] * 60)
    pace = Pace(source, 30.0, least=True)
    for _ in range(60):
        assert pace.take(4096)


def test_an_answer_may_drip(monkeypatch):
    source = SlowPieces(monkeypatch, *[b"x"] * 100)
    pace = Pace(source, 300.0, least=False)
    for _ in range(100):
        assert pace.take(10) == b"x"


class Sent:
    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.calls.append(data)


@pytest.mark.parametrize(
    ("framing", "pieces", "wire"),
    [
        (NONE, [b"ignored"], b"HEAD"),
        (Framing("length", 5), [b"ab", b"", b"cde"], b"HEADabcde"),
        (CHUNKED, [b"ab", b"", b"c" * 16], b"HEAD2\r\nab\r\n10\r\n" + b"c" * 16 + b"\r\n0\r\n\r\n"),
        (CHUNKED, [], b"HEAD0\r\n\r\n"),
        (UNTIL_CLOSE, [b"ab", b"c"], b"HEADabc"),
    ],
)
def test_a_body_is_written_in_its_framing(framing, pieces, wire):
    sent = Sent()
    writer = BodyWriter(sent, framing, b"HEAD")
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    assert b"".join(sent.calls) == wire


def test_the_head_travels_with_the_first_bytes_unless_flushed():
    sent = Sent()
    writer = BodyWriter(sent, Framing("length", 2), b"HEAD")
    writer.write(b"ab")
    assert sent.calls == [b"HEADab"]
    sent = Sent()
    writer = BodyWriter(sent, Framing("length", 2), b"HEAD")
    writer.flush()
    writer.flush()
    writer.write(b"ab")
    assert sent.calls == [b"HEAD", b"ab"]


def test_trailers_follow_the_last_chunk():
    sent = Sent()
    BodyWriter(sent, CHUNKED).finish(((b"A", b"b"),))
    assert sent.calls == [b"0\r\nA: b\r\n\r\n"]


def test_a_body_of_another_length_than_announced_is_a_mistake():
    writer = BodyWriter(Sent(), Framing("length", 2))
    with pytest.raises(ValueError, match="shorter"):
        writer.finish()
    with pytest.raises(ValueError, match="longer"):
        writer.write(b"abc")
