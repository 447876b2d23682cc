from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrokd.model.limits import UsageSample
from zrokd.net.meter import Meter


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
