from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrokd.model.limits import UsageSample
from zrokd.net.meter import Meter, Metered
from zrokd.net.stream import pair


def test_bytes_add_up_per_share_until_taken():
    meter = Meter(lambda: 1234)
    meter.add("a", 1, 2)
    meter.add("b", 10, 0)
    meter.add("a", 3, 4)
    assert meter.take() == [
        UsageSample(share_token="a", rx_bytes=4, tx_bytes=6, at_ms=1234),
        UsageSample(share_token="b", rx_bytes=10, tx_bytes=0, at_ms=1234),
    ]
    assert meter.take() == []


def test_a_share_without_bytes_gives_no_sample():
    meter = Meter(lambda: 0)
    meter.add("a", 0, 0)
    assert meter.take() == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.integers(0, 99), st.booleans())))
def test_nothing_is_lost_or_counted_twice(events):
    meter = Meter(lambda: 0)
    samples = []
    for token, rx, tx, take in events:
        meter.add(token, rx, tx)
        samples += meter.take() if take else []
    samples += meter.take()
    assert sum(sample.rx_bytes for sample in samples) == sum(event[1] for event in events)
    assert sum(sample.tx_bytes for sample in samples) == sum(event[2] for event in events)


def test_a_metered_stream_is_the_stream_and_tells_its_bytes():
    there, here = pair()
    told = []
    stream = Metered(here, lambda rx, tx: told.append((rx, tx)))
    there.send(b"abcdef")
    assert stream.wait_readable(5) and not stream.is_idle()
    buffer = bytearray(2)
    assert stream.recv_into(memoryview(buffer), 5) == 2 and stream.recv(100, 5) == b"cdef"
    stream.send(memoryview(b"xyz"), 5)
    stream.send_eof()
    assert there.recv(100, 5) == b"xyz" and there.recv(100, 5) == b""
    assert stream.fileno() == -1 and not stream.secure and stream.peer == here.peer and stream.server_name == ""
    assert told == [(2, 0), (4, 0), (0, 3)]
    stream.close()
    there.close()
