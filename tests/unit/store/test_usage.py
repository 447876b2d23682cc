"""Usage samples."""

from zrokd.model import limits
from zrokd.store import shares, usage
from zrokd.store.tables import UsageSample


def sample(token="tok1", rx=1, tx=2, at_ms=10):
    return limits.UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=at_ms)


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


def test_a_sample_is_kept_under_its_shares_account_and_environment(store, rows):
    ann, bob = rows.account(), rows.account("bob@example.com")
    rows.share(rows.environment(ann), "ann's 'own'")
    rows.share(rows.environment(bob, "z2"), "bobs")
    assert store.write(usage.add, [sample("bobs"), sample("ann's 'own'")]) == 2
    columns = (UsageSample.share_token, UsageSample.account, UsageSample.env_z_id)
    kept = store.read(lambda: sorted(UsageSample.select(*columns).tuples()))
    assert kept == [("ann's 'own'", ann.id, "z1"), ("bobs", bob.id, "z2")]


def test_nothing_is_kept_of_nothing(store):
    assert store.write(usage.add, []) == 0


def test_a_batch_of_many_shares_is_kept_whole(store, rows):
    environment = rows.environment(rows.account())
    tokens = [f"many{number}" for number in range(40)]
    for token in tokens:
        rows.share(environment, token=token)
    assert store.write(usage.add, [sample(token, rx=3) for token in tokens for _ in range(2)]) == 80
    assert [len(store.read(usage.of_share, token)) for token in tokens] == [2] * 40
