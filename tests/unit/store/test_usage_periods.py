"""Usage added up by period."""

import pytest

from zrokd.model.limits import UsageSample
from zrokd.store import tables, usage, usage_periods
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


def roll(store, at, some=2):
    """All that is over `at` milliseconds after T0, as the service does it."""
    for span_s in usage.SPANS_S:
        begin_ms, end_ms = store.write(usage_periods.seal, span_s, T0 + at)
        last = ""
        while last := store.write(usage_periods.roll_some, span_s, begin_ms, end_ms, last, some):
            pass
        store.write(usage_periods.note_rolled, span_s, end_ms)


def sums(store):
    """(span, milliseconds after T0, rx, tx) of each."""
    return sorted(
        store.read(
            lambda: [(row.span_s, row.begin_ms - T0, row.rx_bytes, row.tx_bytes) for row in tables.UsagePeriod.select()]
        )
    )


def test_what_is_over_adds_up_in_five_minutes_an_hour_and_a_day(store, share):
    put(store, share, (1, 1, 10), (299_999, 2, 20), (300_000, 4, 40), (HOUR_MS, 8, 80))
    roll(store, 299_999)
    assert sums(store) == []
    roll(store, 300_000)
    assert sums(store) == [(300, 0, 3, 30)]
    roll(store, HOUR_MS)
    assert sums(store) == [(300, 0, 3, 30), (300, 300_000, 4, 40), (3600, 0, 7, 70)]
    for _ in range(2):  # once more makes no difference
        roll(store, DAY_MS)
        assert sums(store) == [
            (300, 0, 3, 30), (300, 300_000, 4, 40), (300, HOUR_MS, 8, 80),
            (3600, 0, 7, 70), (3600, HOUR_MS, 8, 80), (86400, 0, 15, 150),
        ]  # fmt: skip


def test_a_sample_that_comes_after_its_period_was_summed_counts_as_of_later(store, share):
    put(store, share, (1, 1, 0))
    store.write(usage_periods.seal, 300, T0 + 300_000)
    put(store, share, (2, 2, 0))
    roll(store, 600_000)
    assert sums(store) == [(300, 0, 1, 0), (300, 300_000, 2, 0)]


def test_summing_that_was_cut_off_is_done_again_and_nothing_is_counted_twice(store, rows):
    home = rows.environment(rows.account())
    for token in ("one", "three", "two"):
        put(store, rows.share(home, token), (1, 1, 0))
    begin_ms, end_ms = store.write(usage_periods.seal, 300, T0 + 300_000)
    assert store.write(usage_periods.roll_some, 300, begin_ms, end_ms, "", 2) == "three"
    ann = Scope(account_id=home.account_id)
    assert figures(store, ann, 0, HOUR_MS, HOUR_MS) == [(HOUR_MS, 3, 0)]  # some stand there, none counts yet
    roll(store, 300_000)
    assert sums(store) == [(300, 0, 1, 0)] * 3
    assert figures(store, ann, 0, HOUR_MS, HOUR_MS) == [(HOUR_MS, 3, 0)]


def test_sums_that_are_made_again_of_what_is_left_get_no_less(store, share):
    put(store, share, (1, 1, 10), (2, 2, 20))
    roll(store, 2 * HOUR_MS)
    before = sums(store)
    assert before == [(300, 0, 3, 30), (3600, 0, 3, 30)]
    assert store.write(usage.prune_some, T0 + 2 * HOUR_MS, 1) == 1
    assert store.write(usage_periods.heed_clock, T0 - 300_000, believe=True)
    roll(store, 2 * HOUR_MS)
    assert sums(store) == before


@pytest.mark.parametrize("rolled", [0, 300_000, HOUR_MS, HOUR_MS + 600_000, DAY_MS, 2 * DAY_MS + HOUR_MS])
def test_how_far_periods_are_made_changes_no_figure(store, share, rolled):
    scope = Scope(account_id=share.account_id)
    ends = [number * 17 * 60_000 + 30_000 for number in range(200)]  # every 17 minutes, for more than two days
    put(store, share, *[(at, 1, 3) for at in ends])
    roll(store, rolled)
    for begin, end, step in ((0, DAY_MS, HOUR_MS), (HOUR_MS, 2 * DAY_MS, HOUR_MS * 4), (0, 3 * DAY_MS, DAY_MS)):
        steps = figures(store, scope, begin, end, step)
        assert [rx for _, rx, _ in steps[:-1]] == [
            sum(at - step <= sent < at for sent in ends) for at, _, _ in steps[:-1]
        ]
    for begin in (DAY_MS, DAY_MS + 300_000, 17 * 300_000):
        assert store.read(usage.total, share.account_id, T0 + begin, T0 + 3 * DAY_MS) == (
            sum(begin <= sent for sent in ends), 3 * sum(begin <= sent for sent in ends)
        )  # fmt: skip
    assert store.read(usage.active_shares, share.account_id, T0 + 2 * DAY_MS) == {share.token}
    assert store.read(usage.active_accounts, T0 + 2 * DAY_MS) == {share.account_id}


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
        roll(store, days * DAY_MS)
        while store.write(usage.prune_some, T0 + days * DAY_MS, 1):
            pass
        left.append(store.read(lambda: (tables.UsageSample.select().count(), tables.UsagePeriod.select().count())))
    assert left == [(1, 0), (0, 3), (0, 2), (0, 1), (0, 0)]


def test_what_is_not_summed_yet_is_not_forgotten(store, share):
    put(store, share, (1, 1, 1))
    assert store.write(usage.prune_some, T0 + DAY_MS, 10) == 0


def test_no_more_than_so_many_are_forgotten_at_a_time(store, share):
    put(store, share, *[(at, 1, 1) for at in range(5)])
    roll(store, DAY_MS)
    assert [store.write(usage.prune_some, T0 + DAY_MS, 2) for _ in range(4)] == [2, 2, 1, 0]
