from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zrokd.errors import MessageError
from zrokd.net.http1.chunked import ChunkDecoder, encode_chunk, encode_last_chunk
from zrokd.net.http1.limits import HttpLimits

LIMITS = HttpLimits(chunk_extension_bytes=32, chunk_extensions_bytes=64, trailer_bytes=100)


def decode(*pieces: bytes, limits: HttpLimits = LIMITS) -> tuple[bytes, bytes, ChunkDecoder]:
    """Payload, what is left over, and the decoder."""
    decoder = ChunkDecoder(limits)
    payload = b""
    for number, piece in enumerate(pieces):
        got, used = decoder.feed(piece)
        payload += got
        if decoder.done:
            return payload, piece[used:] + b"".join(pieces[number + 1 :]), decoder
        assert used == len(piece)
    return payload, b"", decoder


def splits(data: bytes):
    """The data whole, at every boundary cut in two, and byte by byte."""
    yield (data,)
    for at in range(1, len(data)):
        yield data[:at], data[at:]
    yield tuple(data[at : at + 1] for at in range(len(data)))


GOOD = [
    (b"0\r\n\r\n", b"", ()),
    (b"3\r\nabc\r\n0\r\n\r\n", b"abc", ()),
    (b"3\r\nabc\r\nA\r\n0123456789\r\n00\r\n\r\n", b"abc0123456789", ()),
    (b"0003\r\n\r\n0\r\n0\r\n\r\n", b"\r\n0", ()),
    (b'3;a;b=c;d="e f\\"g;h"\r\nabc\r\n0;x\r\n\r\n', b"abc", ()),
    (b"1\r\nx\r\n0\r\nA: b\r\nC:d\r\n\r\n", b"x", ((b"A", b"b"), (b"C", b"d"))),
]


@pytest.mark.parametrize(("data", "payload", "trailers"), GOOD)
def test_good_bodies_are_read_however_they_are_cut(data, payload, trailers):
    for pieces in splits(data + b"next"):
        got, rest, decoder = decode(*pieces)
        assert (got, rest, decoder.done, decoder.trailers) == (payload, b"next", True, trailers)


BAD = [
    *(size + b"\r\nabc\r\n0\r\n\r\n" for size in (b"0x3", b"+3", b"-3", b"0_3", b"", b" 3", b"3 ", b"3\t", b"g")),
    *(size + b"\r\nabc\r\n0\r\n\r\n" for size in (b"\xb3", b"3\x00")),
    b"00000000000000003\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabc\r\n0\n\n",
    b"3\r\nabc\r\n0\r\n\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nab\r\n0\r\n\r\n",
    b"3\r\nabc\rX0\r\n\r\n",
    b"3\r\nabcXX0\r\n\r\n",
    b"3 ;a\r\nabc\r\n0\r\n\r\n",
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    b"3;a\x00\r\nabc\r\n0\r\n\r\n",
    b'3;a="b\r\nabc\r\n0\r\n\r\n',
    b"3;" + b"a" * 60 + b"\r\nabc\r\n0\r\n\r\n",
    b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n" * 3 + b"0\r\n\r\n",
    b"0\r\nGET / HTTP/1.1\r\n\r\n",
    b"0\r\nA: b\r\n c\r\n\r\n",
    b"0\r\nA : b\r\n\r\n",
    b"0\r\nA: b\n\r\n",
    b"0\r\nA: " + b"b" * 100 + b"\r\n\r\n",
    b"0\r\n" + b"A: b\r\n" * 20 + b"\r\n",
]  # fmt: skip


@pytest.mark.parametrize("data", BAD)
def test_bad_bodies_are_refused_however_they_are_cut(data):
    for pieces in splits(data):
        with pytest.raises(MessageError) as caught:
            decode(*pieces)
        assert caught.value.status in (400, 431)


@pytest.mark.parametrize(
    "name",
    [b"Content-Length", b"transfer-encoding", b"Host", b"Authorization", b"X-Forwarded-For", b"x_forwarded_host",
     b"Cookie",
     b"Connection", b"Trailer", b"Set-Cookie", b"X-Real-IP", b"Forwarded"],
)  # fmt: skip
def test_trailers_that_others_could_act_on_are_dropped(name):
    _, _, decoder = decode(b"0\r\nA: b\r\n" + name + b": x\r\n\r\n")
    assert decoder.trailers == ((b"A", b"b"),)


def test_a_line_without_end_is_not_collected_for_ever():
    decoder = ChunkDecoder(LIMITS)
    with pytest.raises(MessageError, match="too long"):
        for _ in range(1000):
            decoder.feed(b"0")


def test_a_long_line_in_one_piece_is_refused_too():
    with pytest.raises(MessageError, match="too long"):
        ChunkDecoder(LIMITS).feed(b"0" * 1000)


@given(st.binary(max_size=100))
def test_any_bytes_give_payload_or_a_refusal(data):
    try:
        payload, used = ChunkDecoder(LIMITS).feed(data)
    except MessageError:
        return
    assert len(payload) <= used <= len(data)


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 40))
def test_what_we_write_we_read_again(pieces, cut):
    wire = b"".join(encode_chunk(piece) for piece in pieces) + encode_last_chunk(((b"A", b"b"),))
    got, rest, decoder = decode(*(wire[at : at + cut] for at in range(0, len(wire), cut)))
    assert (got, rest, decoder.trailers) == (b"".join(pieces), b"", ((b"A", b"b"),))


NOISE = st.sampled_from([b"\r\n", b"\n", b"\r", b"0", b"3", b";a", b";", b" ", b"abc", b"A: b\r\n", b"\x00"])


@given(st.sampled_from(GOOD), st.data())
@settings(max_examples=500)
def test_h11_reads_what_we_accept_as_the_same_body(good, data):
    """h11 takes more than we do (blanks after the size, any bytes in extensions); never other payload."""
    wire = good[0]
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(wire)))
        wire = wire[:at] + data.draw(NOISE) + wire[at + data.draw(st.integers(0, 2)) :]
    try:
        payload, rest, decoder = decode(wire)
    except MessageError:
        return
    if not decoder.done:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)
    connection.next_event()
    got = b""
    while isinstance(event := connection.next_event(), h11.Data):
        got += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert (got, connection.trailing_data[0]) == (payload, rest)


def test_many_tiny_chunks_cost_linear_time():
    import time

    took = []
    for count in (10_000, 40_000):
        wire = b"1\r\nx\r\n" * count + b"0\r\n\r\n"
        since = time.perf_counter()
        assert decode(wire)[0] == b"x" * count
        took.append(time.perf_counter() - since)
    assert took[1] < took[0] * 12 + 0.05


def test_an_empty_chunk_would_end_the_body_and_is_not_written():
    assert encode_chunk(b"") == b""
