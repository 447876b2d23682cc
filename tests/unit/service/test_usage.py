"""Bytes, counted."""

import pytest

from zrokd.errors import OverlayError
from zrokd.model.limits import UsageSample
from zrokd.store import usage


@pytest.fixture
def share(house, ann):
    house.public()
    return house.share(ann, house.env(ann))


def sample(token, rx=1, tx=2):
    return UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=10)


def test_samples_of_known_shares_are_kept(house, share):
    assert house.usage.ingest(sample(token) for token in (share.token, "unknown", share.token)) == 2
    assert len(house.store.read(usage.of_share, share.token)) == 2


def test_nothing_is_kept_without_asking_the_database(house):
    house.faults.arm(1, lambda where: pytest.fail(where))
    assert house.usage.ingest([]) == 0


def test_what_the_overlay_counted_is_taken_once(house, share):
    house.overlay.samples = [sample(share.token, rx=5)]
    assert [s.rx_bytes for s in house.usage.collect()] == [5]
    assert house.usage.collect() == ()
    assert [s.rx_bytes for s in house.store.read(usage.of_share, share.token)] == [5]


def test_an_overlay_that_breaks_while_it_tells_is_one_of_our_errors(house, monkeypatch):
    def broken():
        yield sample("x")
        raise OSError("gone")

    monkeypatch.setattr(house.overlay, "usage", broken)
    with pytest.raises(OverlayError, match="the overlay failed: gone"):
        house.usage.collect()
