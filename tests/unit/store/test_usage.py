"""Usage samples."""

from zrokd.model.limits import UsageSample
from zrokd.store import shares, usage


def sample(token="tok1", rx=1, tx=2, at_ms=10):
    return UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=at_ms)


def test_samples_of_known_shares_are_kept_and_others_dropped(store, rows):
    rows.share(rows.environment(rows.account()))
    assert store.write(usage.add, [sample(), sample("unknown"), sample(rx=2**40, at_ms=20)]) == 2
    assert [s.rx_bytes for s in store.read(usage.of_share, "tok1")] == [1, 2**40]
    assert [s.at_ms for s in store.read(usage.of_share, "tok1", 11)] == [20]
    assert store.read(usage.of_share, "unknown") == ()


def test_samples_outlive_their_share(store, rows):
    share = rows.share(rows.environment(rows.account()))
    store.write(usage.add, [sample()])
    store.write(shares.make_leave, share.id, 2)
    assert store.write(usage.add, [sample(at_ms=20)]) == 1
    store.write(shares.forget, "tok1")
    assert len(store.read(usage.of_share, "tok1")) == 2
