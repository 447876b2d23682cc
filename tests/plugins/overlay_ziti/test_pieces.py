import pytest
from hypothesis import given
from hypothesis import strategies as st
from zrokd_plugins.overlay_ziti.flow import Flags, FlowError
from zrokd_plugins.overlay_ziti.pieces import Pieces

CUT = Flags.CHUNK


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def cut(whole, mtu):
    sent = varint(len(whole)) + whole
    return [sent[start : start + mtu] for start in range(0, len(sent), mtu)]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4), st.integers(3, 1500))
def test_each_payload_is_whole_again_after_its_last_piece(payloads, mtu):
    pieces = Pieces()
    for whole in payloads:
        parts = cut(whole, mtu)
        complete = [pieces.add(CUT, part) for part in parts]
        assert complete == [False] * (len(parts) - 1) + [True]
        assert pieces.take() == (0, whole, sum(map(len, parts)))


def test_flags_of_any_piece_are_the_payload_s():
    pieces = Pieces()
    pieces.add(CUT, b"\x02a")
    pieces.add(CUT | Flags.EOF, b"b")
    assert pieces.take() == (Flags.EOF, b"ab", 3)


def test_an_empty_piece_is_an_empty_payload():
    pieces = Pieces()
    assert pieces.add(CUT | Flags.END, b"")
    assert pieces.take() == (Flags.END, b"", 0)


@pytest.mark.parametrize(
    "parts", [[b"\x02abc"], [b"\x03ab", b"cd"], [b"\xff" * 12], [varint(2 << 20) + b"x"], [b"\x80"]]
)
def test_what_makes_no_sense_is_refused(parts):
    pieces = Pieces()
    with pytest.raises(FlowError):
        for part in parts:
            pieces.add(CUT, part)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_piece_breaks_it(parts):
    pieces = Pieces()
    try:
        for part in parts:
            if pieces.add(CUT, part):
                pieces.take()
    except FlowError:
        return
