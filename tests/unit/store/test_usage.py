"""Usage samples."""

from zrokd.model.limits import UsageSample
from zrokd.store import shares, usage
from zrokd.store.tables import UsagePeriod


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


def test_a_batch_of_many_shares_is_kept_whole_and_summed_by_period(store, rows, monkeypatch):
    monkeypatch.setattr(usage, "_SOME", 7)
    monkeypatch.setattr(shares, "_SOME", 7)
    environment = rows.environment(rows.account())
    tokens = [f"many{number}" for number in range(40)]
    for token in tokens:
        rows.share(environment, token=token)
    assert store.write(usage.add, [sample(token, rx=3) for token in tokens for _ in range(2)]) == 80
    sums = store.read(lambda: list(UsagePeriod.select(UsagePeriod.rx_bytes).tuples()))
    assert sums == [(6,)] * (40 * len(usage.SPANS_S))


def test_periods_grow_by_what_is_added(store, rows):
    rows.share(rows.environment(rows.account()))
    for _ in range(3):
        store.write(usage.add, [sample(rx=5, tx=7)])
    sums = store.read(lambda: list(UsagePeriod.select(UsagePeriod.rx_bytes, UsagePeriod.tx_bytes).tuples()))
    assert sums == [(15, 21)] * len(usage.SPANS_S)
