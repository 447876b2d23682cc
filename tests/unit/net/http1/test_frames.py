import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from zrokd.net.http1.frames import GOING_AWAY, FramedStream, FrameFinder
from zrokd.net.stream import pair

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70000]


def frame(size: int, *, mask: bool = False, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, b"x" * size).serialize(mask=mask)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [False, True])
def test_a_frame_ends_where_websockets_says(size, mask):
    data, finder = frame(size, mask=mask), FrameFinder()
    assert finder.between
    finder.feed(data[:-1])
    assert not finder.between
    finder.feed(data[-1:])
    assert finder.between
    assert not finder.closed


@given(
    st.lists(st.tuples(st.sampled_from(SIZES[:6]), st.booleans()), max_size=6),
    st.lists(st.integers(0, 140000), max_size=12),
)
def test_however_a_stream_is_cut_its_end_is_between_frames(frames, cuts):
    data, finder = b"".join(frame(size, mask=mask) for size, mask in frames), FrameFinder()
    last = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        finder.feed(memoryview(data)[last:cut])
        last = cut
    assert finder.between


def test_a_byte_at_a_time_is_enough():
    finder, ends = FrameFinder(), 0
    for byte in frame(126, mask=True) + frame(3):
        finder.feed(bytes([byte]))
        ends += finder.between
    assert ends == 2


def test_a_close_frame_is_noticed():
    finder = FrameFinder()
    finder.feed(frame(2, opcode=Opcode.CLOSE))
    assert finder.closed


@given(st.binary(max_size=300))
def test_bytes_mean_the_same_at_once_and_one_by_one(data):
    at_once, singly = FrameFinder(), FrameFinder()
    at_once.feed(data)
    for byte in data:
        singly.feed(bytes([byte]))
    assert (at_once.between, at_once.closed) == (singly.between, singly.closed)


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.CLOSE, Opcode.PING])
def test_short_messages_are_seen_whole(opcode):
    finder = FrameFinder()
    finder.feed(frame(2, opcode=opcode))
    assert (finder.between, finder.closed) == (True, opcode == Opcode.CLOSE)
    finder.feed(frame(2)[:-1])
    assert not finder.between


@pytest.fixture
def both():
    near, far = pair()
    yield FramedStream(near), far
    near.close()
    far.close()


def test_the_client_is_told_by_a_frame_that_websockets_reads(both):
    ours, theirs = both
    ours.send(frame(5))
    ours.say_going_away()
    ours.say_going_away()
    reader = StreamReader()
    reader.feed_data(theirs.recv(1000, 1))
    frames = []
    for _ in range(2):
        parsing = Frame.parse(reader.read_exact, mask=False)
        with pytest.raises(StopIteration) as done:
            next(parsing)
        frames.append(done.value.value)
    assert [each.opcode for each in frames] == [Opcode.BINARY, Opcode.CLOSE]
    assert frames[1].data == (1001).to_bytes(2)
    assert not theirs.wait_readable(0.01), "once"


@pytest.mark.parametrize("before", [frame(5)[:-1], frame(2, opcode=Opcode.CLOSE)])
def test_within_a_frame_or_after_a_close_nothing_is_said(both, before):
    ours, theirs = both
    ours.send(before)
    ours.say_going_away()
    assert theirs.recv(1000, 1) == before
    assert not theirs.wait_readable(0.01)


def test_while_a_frame_waits_to_be_taken_nothing_is_said(both):
    ours, theirs = both
    sending = gevent.spawn(ours.send, frame(4_000_000), 5)
    gevent.sleep(0)
    assert not sending.ready()
    ours.say_going_away()
    got = b""
    while len(got) < len(frame(4_000_000)):
        got += theirs.recv(1 << 20, 5)
    sending.get(timeout=5)
    assert got == frame(4_000_000)


def test_a_client_that_is_gone_is_no_error(both):
    ours, theirs = both
    theirs.close()
    for _ in range(3):
        ours._frames.closed = False
        ours.say_going_away()


def test_the_frame_is_a_close_of_1001():
    assert Frame(Opcode.CLOSE, (1001).to_bytes(2)).serialize(mask=False) == GOING_AWAY
