import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti.frames import (
    Frame,
    FrameError,
    FrameReader,
    Key,
    Kind,
    encode,
    i32,
    pack,
    u16,
    u32,
    u64,
)

HEADERS = st.dictionaries(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=40), max_size=6)
FRAMES = st.builds(
    Frame,
    kind=st.integers(0, 2**31 - 1),
    sequence=st.integers(-(2**31), 2**31 - 1),
    headers=HEADERS,
    body=st.binary(max_size=200),
)


def written(frame):
    return encode(frame.kind, frame.sequence, pack(frame.headers.items()), frame.body)


def test_a_message_on_the_wire():
    # Source: openziti/channel message.go: magic, content type, sequence, header and body length, all little-endian
    assert encode(Kind.HELLO, 1, pack([(Key.OK, b"\x01")]), b"hi") == (
        b"\x03\x06\x09\x0c" + struct.pack("<iiII", 0, 1, 9, 2) + struct.pack("<iI", 2, 1) + b"\x01" + b"hi"
    )


@pytest.mark.parametrize(
    ("packed", "bytes_"),
    [(u16(258), b"\x02\x01"), (u32(258), b"\x02\x01\0\0"), (i32(-1), b"\xff" * 4), (u64(1), b"\x01" + b"\0" * 7)],
)
def test_numbers_are_little_endian(packed, bytes_):
    assert packed == bytes_


@pytest.mark.parametrize(
    ("member", "number"),
    [
        (Kind.PAYLOAD, 1100),
        (Kind.ACK, 1101),
        (Kind.CIRCUIT_CLOSE, 1103),
        (Kind.CONNECT, 60783),
        (Kind.CONNECTED, 60784),
        (Kind.CLOSED, 60785),
        (Kind.DATA, 60786),
        (Kind.DIAL, 60787),
        (Kind.DIAL_OK, 60788),
        (Kind.DIAL_FAILED, 60789),
        (Kind.BIND, 60790),
        (Kind.UNBIND, 60791),
        (Kind.BIND_OK, 60800),
        (Key.CONN, 1000),
        (Key.PUBLIC_KEY, 1003),
        (Key.COST, 1004),
        (Key.PRECEDENCE, 1005),
        (Key.IDENTITY, 1006),
        (Key.CALLER, 1008),
        (Key.CRYPTO, 1009),
        (Key.APP_DATA, 1011),
        (Key.ROUTER_IDS, 1012),
        (Key.ERROR, 1014),
        (Key.LISTENER, 1021),
        (Key.BIND_OK, 1024),
        (Key.CIRCUIT, 1026),
        (Key.FLOW, 1028),
        (Key.XCIRCUIT, 2256),
        (Key.XSEQ, 2257),
        (Key.XFLAGS, 2258),
        (Key.HELD, 2259),
        (Key.STAMP, 2260),
    ],
)
def test_numbers_are_those_of_the_go_sdk(member, number):
    # Source: openziti/sdk-golang pb/edge_client_pb, xgress/messages.go
    assert member == number


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_messages_come_out_as_they_went_in_however_they_are_cut(frames, cuts):
    data, reader, found, turn = b"".join(map(written, frames)), FrameReader(), [], 0
    while data:
        size = cuts[turn % len(cuts)]
        turn += 1
        found += reader.feed(data[:size])
        data = data[size:]
    assert found == frames


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_waited_for(data):
    reader = FrameReader()
    try:
        for frame in reader.feed(data):
            assert data[:4] == b"\x03\x06\x09\x0c"
            assert isinstance(frame.body, bytes)
    except FrameError as error:
        assert "router" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\x06\x09\x0d" + b"\0" * 16,
        b"\x03\x06\x09\x0c" + struct.pack("<iiII", 0, 1, 65537, 0),
        b"\x03\x06\x09\x0c" + struct.pack("<iiII", 0, 1, 0, 4 * 1024 * 1024 + 1),
        b"\x03\x06\x09\x0c" + struct.pack("<iiII", 0, 1, 4, 0) + b"abcd",
        b"\x03\x06\x09\x0c" + struct.pack("<iiII", 0, 1, 8, 0) + struct.pack("<iI", 1, 1),
    ],
    ids=["another magic", "huge headers", "huge body", "broken header", "header beyond its end"],
)
def test_what_is_no_message_ends_the_channel_before_it_takes_memory(data):
    with pytest.raises(FrameError):
        FrameReader().feed(data)


@pytest.mark.parametrize(
    ("value", "number", "flag"), [(None, 0, False), (b"\0", 0, False), (b"\x01", 1, True), (u32(70000), 70000, True)]
)
def test_headers_are_read_as_numbers_and_flags(value, number, flag):
    frame = Frame(0, 0, {} if value is None else {Key.FLOW: value})
    assert (frame.number(Key.FLOW), frame.flag(Key.FLOW)) == (number, flag)


@pytest.mark.parametrize(("value", "reply_to"), [(None, None), (i32(7), 7), (b"\x07", None)])
def test_a_reply_names_what_it_answers(value, reply_to):
    assert Frame(0, 0, {} if value is None else {Key.REPLY: value}).reply_to == reply_to


def test_text_that_is_none_is_readable_all_the_same():
    assert Frame(0, 0, {Key.CALLER: b"an\xffna"}).text(Key.CALLER) == "an�na"
