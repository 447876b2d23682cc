"""Usage added up by period."""

import pytest

from zrokd.model.limits import UsageSample
from zrokd.store import tables, usage
from zrokd.store.usage import Scope

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
T0 = 20_000 * DAY_MS


@pytest.fixture
def share(rows):
    return rows.share(rows.environment(rows.account()))


def put(store, share, *counts):
    """counts: (milliseconds after T0, rx, tx)."""
    samples = [UsageSample(share_token=share.token, rx_bytes=rx, tx_bytes=tx, at_ms=T0 + at) for at, rx, tx in counts]
    assert store.write(usage.add, samples) == len(samples)


def figures(store, scope, since, until, step):
    found = store.read(usage.series, scope, T0 + since, T0 + until, step)
    return [(one.at_ms - T0, one.rx_bytes, one.tx_bytes) for one in found]


def test_samples_add_up_in_five_minutes_an_hour_and_a_day(store, share):
    put(store, share, (1, 1, 10), (299_999, 2, 20), (300_000, 4, 40), (HOUR_MS, 8, 80))
    kept = store.read(
        lambda: [(row.span_s, row.begin_ms - T0, row.rx_bytes, row.tx_bytes) for row in tables.UsagePeriod.select()]
    )
    assert sorted(kept) == [
        (300, 0, 3, 30), (300, 300_000, 4, 40), (300, HOUR_MS, 8, 80),
        (3600, 0, 7, 70), (3600, HOUR_MS, 8, 80), (86400, 0, 15, 150),
    ]  # fmt: skip


def test_steps_without_bytes_count_nothing(store, share):
    scope = Scope(account_id=share.account_id)
    put(store, share, (10, 1, 2), (2 * HOUR_MS + 10, 3, 4))
    assert figures(store, scope, 0, 4 * HOUR_MS, HOUR_MS) == [
        (HOUR_MS, 1, 2), (2 * HOUR_MS, 0, 0), (3 * HOUR_MS, 3, 4), (4 * HOUR_MS, 0, 0)
    ]  # fmt: skip
    assert figures(store, scope, 0, DAY_MS, DAY_MS) == [(DAY_MS, 4, 6)]


def test_short_steps_are_made_of_samples_each_in_one_step(store, share):
    put(store, share, (10_000, 1, 0), (10_001, 2, 0), (20_000, 4, 0))
    scope = Scope(account_id=share.account_id, share_token=share.token)
    assert [rx for _, rx, _ in figures(store, scope, 0, 30_000, 10_000)] == [1, 6, 0]


def test_each_scope_counts_its_own(store, rows):
    ann, bob = rows.account(), rows.account("bob@example.com")
    home, work = rows.environment(ann), rows.environment(ann, "z2")
    one, two = rows.share(home, "one"), rows.share(work, "two")
    three = rows.share(rows.environment(bob, "z3"), "three")
    for number, share in enumerate((one, two, three)):
        put(store, share, (1, 10**number, 0))
    scopes = [
        Scope(account_id=ann.id),
        Scope(account_id=ann.id, env_z_id="z2"),
        Scope(account_id=ann.id, share_token="one"),
        Scope(account_id=ann.id, share_token="three"),
        Scope(account_id=bob.id),
    ]
    assert [figures(store, scope, 0, DAY_MS, DAY_MS)[0][1] for scope in scopes] == [11, 10, 1, 0, 100]
    assert store.read(usage.active_shares, ann.id, T0) == {"one", "two"}
    assert store.read(usage.active_shares, ann.id, T0 + HOUR_MS) == set()


def test_what_is_old_is_forgotten_and_its_sums_stay_longer(store, share):
    put(store, share, (1, 1, 1))
    left = []
    for days in (0, 1, 32, 94, 1200):
        store.write(usage.prune, T0 + days * DAY_MS)
        left.append(store.read(lambda: (tables.UsageSample.select().count(), tables.UsagePeriod.select().count())))
    assert left == [(1, 3), (0, 3), (0, 2), (0, 1), (0, 0)]
