"""Bytes, counted."""

import pytest

from zrokd.errors import OverlayError
from zrokd.model.limits import UsageSample
from zrokd.service import usage as service
from zrokd.store import tables, usage, usage_periods

HOUR_MS = 3_600_000


@pytest.fixture
def share(house, ann):
    house.public()
    return house.share(ann, house.env(ann))


def sample(token, rx=1, tx=2, at_ms=10):
    return UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=at_ms)


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


def periods(house):
    columns = (tables.UsagePeriod.span_s, tables.UsagePeriod.rx_bytes)
    return sorted(house.store.read(lambda: list(tables.UsagePeriod.select(*columns).tuples())))


def test_sums_are_made_some_shares_at_a_time_and_once(house, ann, share, monkeypatch):
    monkeypatch.setattr(service, "_FEW_SHARES", 2)
    others = [house.share(ann, share.env_z_id).token for _ in range(4)]
    day_ms = 86_400_000
    for token in (share.token, *others):
        at_ms = house.clock.now_ms() // day_ms * day_ms
        house.usage.ingest([UsageSample(share_token=token, rx_bytes=3, tx_bytes=0, at_ms=at_ms)])
    house.clock.ahead_ms += day_ms
    assert house.usage.roll_up() == 9
    assert periods(house) == [(span, 3) for span in (300, 3600, 86400) for _ in range(5)]
    assert house.usage.roll_up() == 0


def put(house, share, rx):
    house.usage.ingest([sample(share.token, rx=rx, tx=0, at_ms=house.clock.now_ms())])


def total(house, share, window_ms):
    now_ms = house.clock.now_ms()
    return house.store.read(usage.total, share.account_id, now_ms - window_ms, now_ms)[0]


@pytest.fixture
def clock(house):
    """The clock of the house, which begins where a day does."""
    house.clock.ahead_ms += -house.clock.now_ms() % (24 * HOUR_MS)
    return house.clock


def test_a_clock_that_was_far_ahead_for_a_while_spoils_no_later_figure(house, share, clock):
    put(house, share, 1)
    clock.ahead_ms += 20 * 24 * HOUR_MS
    put(house, share, 10)
    house.usage.roll_up()
    put(house, share, 10)
    clock.ahead_ms -= 20 * 24 * HOUR_MS
    for _ in range(2):  # until it is believed that this is the time
        clock.ahead_ms += 300_000
        house.usage.roll_up()
    for _ in range(24):
        clock.ahead_ms += HOUR_MS
        put(house, share, 100)
        house.usage.roll_up()
        house.usage.prune()
    assert [total(house, share, minutes * 60_000) for minutes in (5, 70, 130, 1500)] == [100, 200, 300, 2401]
    assert len(house.store.read(usage.of_share, share.token)) == 4  # two that are to come, and those that are not old


def test_a_clock_that_is_behind_for_a_moment_changes_nothing(house, share, clock):
    put(house, share, 1)
    clock.ahead_ms += 2 * HOUR_MS
    house.usage.roll_up()
    house.usage.prune()
    for _ in range(2):
        clock.ahead_ms -= 365 * 24 * HOUR_MS
        house.usage.roll_up()
        put(house, share, 10)
        clock.ahead_ms += 365 * 24 * HOUR_MS
        house.usage.roll_up()
    assert total(house, share, 24 * HOUR_MS) == 21


def test_whoever_tells_of_more_bytes_than_there_are_spoils_nobody_elses_sums(house, ann, bob, share, clock):
    other = house.share(bob, house.env(bob))
    day_ms = 24 * HOUR_MS
    for _ in range(4):
        for _ in range(3):
            clock.ahead_ms += 300_000
            put(house, share, 2**62)
        put(house, other, 1)
        clock.ahead_ms += day_ms
        house.usage.roll_up()
    assert total(house, other, 30 * day_ms) == 4
    assert total(house, share, 30 * day_ms) > 10**15
    assert house.store.read(usage.series, usage.Scope(account_id=share.account_id), 0, 1000 * day_ms, 1000 * day_ms)
    house.usage.prune()
    assert house.store.read(usage.of_share, share.token) == ()


def test_others_write_between_two_pieces_of_what_is_forgotten(house, share, monkeypatch):
    monkeypatch.setattr(service, "_SOME_ROWS", 2)
    now_ms = house.clock.now_ms()
    house.usage.ingest([sample(share.token, at_ms=now_ms)] * 7)
    house.clock.ahead_ms += 86_400_000
    house.usage.roll_up()
    written, write = [], house.store.write

    def noted(function, *args):
        written.append(function)
        return write(function, *args)

    monkeypatch.setattr(house.store, "write", noted)
    assert house.usage.prune() == 7 and len(written) == 6
    assert house.store.read(usage.of_share, share.token) == ()


def test_the_more_periods_are_to_be_made_the_fewer_shares_are_taken_at_a_time(house, share, monkeypatch):
    at_a_time, write = [], house.store.write

    def noted(function, *args):
        if function is usage_periods.roll_some:
            at_a_time.append((args[0], args[-1]))
        return write(function, *args)

    house.usage.roll_up()  # up to now
    monkeypatch.setattr(house.store, "write", noted)
    for behind_s in (300, 1200, 86_400):
        house.usage.ingest([sample(share.token, at_ms=house.clock.now_ms())])
        house.clock.ahead_ms += behind_s * 1000
        house.usage.roll_up_span(300)
    assert {some for span_s, some in at_a_time if span_s == 300} == {500, 125, 20}
