"""Limits of bytes: warn, restrict, relax; on both databases."""

import pytest

from zrokd.errors import LimitReached
from zrokd.model.limits import LimitAction, LimitClass, Limits, UsageSample
from zrokd.model.share import Permission
from zrokd.store import tables

HOUR_MS = 3_600_000
WARNING, LIMIT = LimitAction.WARNING, LimitAction.LIMIT


def bytes_class(label="", *, total=-1, rx=-1, tx=-1, action=LIMIT, mode="", minutes=60):
    return LimitClass(
        label=label, total_bytes=total, rx_bytes=rx, tx_bytes=tx, limit_action=action, backend_mode=mode,
        period_minutes=minutes,
    )  # fmt: skip


@pytest.fixture
def put(house, ann):
    """put(class, ...): ann is in these from now on; their ids."""

    def into(*classes):
        ids = [house.privileges.create_class(one).id for one in classes]
        house.privileges.apply(ann.email, ids)
        return ids

    return into


@pytest.fixture
def home(house, ann):
    house.public(frontends=["edge"])
    return house.env(ann)


@pytest.fixture
def web(house, ann, home):
    return house.share(ann, home)


def send(house, share, rx=0, tx=0):
    at_ms = house.clock.now_ms()
    house.usage.ingest([UsageSample(share_token=share.token, rx_bytes=rx, tx_bytes=tx, at_ms=at_ms)])


def told(house):
    """Host -> whether a frontend is told that nobody is let through."""
    return {one.host: one.limited for one in house.frontends.mappings("edge", "", 0).mappings}


def subjects(house):
    return [letter.subject for letter in house.letters]


WARNED, LIMITED, RELAXED = (
    "Your shares come near their limit",
    "Your shares have used up their limit",
    "Your shares are open again",
)


def test_who_is_in_no_class_is_never_limited(house, web):
    send(house, web, rx=10**12)
    assert house.bandwidth.enforce() == () and set(told(house).values()) == {False}


def test_a_warning_is_one_letter_and_changes_nothing(house, ann, web, put):
    put(bytes_class("w", total=100, action=WARNING))
    send(house, web, rx=60, tx=39)
    assert house.bandwidth.enforce() == ()
    send(house, web, tx=1)
    assert house.bandwidth.enforce() == ("account ann@example.com: warning of bytes reached",)
    assert house.bandwidth.enforce() == ()
    (letter,) = house.letters
    assert letter.to == ann.email and letter.subject == WARNED and "100 B in 60 minutes" in letter.text
    assert set(told(house).values()) == {False} and not house.shares.detail(web.token, ann).limited


@pytest.mark.parametrize(
    ("limit", "used", "over"),
    [
        ({"total": 100}, (60, 39), False), ({"total": 100}, (60, 40), True),
        ({"rx": 100}, (99, 1000), False), ({"rx": 100}, (100, 0), True),
        ({"tx": 100}, (1000, 99), False), ({"tx": 100}, (0, 100), True),
        ({"rx": 0}, (0, 1), True),
    ],
)  # fmt: skip
def test_each_number_is_a_limit(house, web, put, limit, used, over):
    put(bytes_class("l", **limit))
    send(house, web, *used)
    house.bandwidth.enforce()
    assert set(told(house).values()) == {over} and subjects(house) == [LIMITED] * over


def test_a_limit_restricts_and_relaxes_with_one_letter_each(house, ann, home, web, put):
    put(bytes_class("l", total=100))
    send(house, web, rx=100)
    rung = house.bell.version
    house.bandwidth.enforce()
    house.bandwidth.enforce()
    assert set(told(house).values()) == {True} and house.bell.version > rung
    assert house.shares.detail(web.token, ann).limited
    assert house.overlay.held("shares")[web.token]["public"] is False
    house.clock.ahead_ms = HOUR_MS - 400_000
    house.bandwidth.enforce()
    assert set(told(house).values()) == {True}
    house.clock.ahead_ms = HOUR_MS + 1000
    house.bandwidth.enforce()
    house.bandwidth.enforce()
    assert set(told(house).values()) == {False} and not house.shares.detail(web.token, ann).limited
    assert house.overlay.held("shares")[web.token]["public"] is True
    assert subjects(house) == [LIMITED, RELAXED] and house.differences() == []


def test_accesses_are_taken_off_the_overlay_and_come_back(house, ann, bob, home, put):
    share = house.share(ann, home, private=True, permission=Permission.OPEN)
    away = house.env(bob)
    access = house.accesses.access(away, share.token, bob)
    put(bytes_class("l", total=100))
    send(house, share, rx=100)
    house.bandwidth.enforce()
    assert house.overlay.held("accesses") == {}
    assert house.accesses.list(bob)[0].limited
    with pytest.raises(LimitReached, match="used up the bytes"):
        house.accesses.access(away, share.token, bob)
    house.clock.ahead_ms = HOUR_MS + 1000
    house.bandwidth.enforce()
    assert house.overlay.held("accesses") == {access.token: [share.token, away]}
    assert not house.accesses.list(bob)[0].limited


def test_nothing_new_is_made_while_it_lasts_and_what_is_there_is_taken_up(house, ann, home, web, put):
    put(bytes_class("l", total=100))
    house.names.create("public", "blog", ann)
    blog = house.share(ann, home, "blog")
    send(house, web, rx=100)
    house.bandwidth.enforce()
    with pytest.raises(LimitReached, match="used up the bytes that its proxy shares may have"):
        house.share(ann, home)
    assert house.share(ann, home, "blog").token == blog.token
    assert told(house)["blog.share.example.com"] and house.overlay.held("shares")[blog.token]["public"] is False


def test_a_class_of_a_mode_decides_over_the_shares_of_that_mode_alone(house, ann, home, web, put):
    drive = house.share(ann, home, mode="drive")
    put(bytes_class("general", total=100), bytes_class("drive", total=1000, mode="drive"))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    assert {share.mode: share.limited for share in house.shares.list(ann)} == {"proxy": True, "drive": False}
    assert house.overviews.of(ann).limited
    send(house, drive, rx=900)
    house.bandwidth.enforce()
    assert all(share.limited for share in house.shares.list(ann))
    assert subjects(house) == [LIMITED, LIMITED] and "(those of mode drive)" in house.letters[1].text


def test_a_mode_without_bounds_of_its_own_class_is_never_limited(house, ann, home, web, put):
    house.share(ann, home, mode="drive")
    put(bytes_class("general", total=100), bytes_class("free", mode="drive"))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    assert {share.mode: share.limited for share in house.shares.list(ann)} == {"proxy": True, "drive": False}
    assert house.share(ann, home, mode="drive").mode == "drive"


def test_only_a_limit_of_a_mode_does_not_limit_the_account(house, ann, web, put):
    put(bytes_class("p", total=10, mode="proxy"))
    send(house, web, rx=10)
    house.bandwidth.enforce()
    assert not house.overviews.of(ann).limited and not house.environments.list(ann)[0].limited
    assert house.shares.list(ann)[0].limited


def test_the_configuration_holds_for_who_has_no_class_for_the_action(house, ann, web, put):
    defaults = (bytes_class(total=10, action=WARNING), bytes_class(total=100))
    house.limits(Limits(), defaults)
    send(house, web, rx=10)
    house.bandwidth.enforce()
    assert subjects(house) == [WARNED]
    put(bytes_class("more", total=1000))
    send(house, web, rx=200)
    house.bandwidth.enforce()
    assert subjects(house) == [WARNED] and set(told(house).values()) == {False}


def test_who_jumps_over_both_marks_gets_one_letter(house, web, put):
    put(bytes_class("w", total=10, action=WARNING), bytes_class("l", total=100))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    assert subjects(house) == [LIMITED]
    house.clock.ahead_ms = HOUR_MS + 1000
    house.bandwidth.enforce()
    assert subjects(house) == [LIMITED, RELAXED]


def test_limitless_accounts_are_exempt(house, ann, web, put):
    put(bytes_class("l", total=1))
    house.store.write(lambda: tables.Account.update(limitless=True).execute())
    send(house, web, rx=100)
    assert house.bandwidth.enforce() == () and set(told(house).values()) == {False}


@pytest.mark.parametrize("how", ["take_out", "delete_class"])
def test_who_leaves_the_class_is_free_again(house, ann, web, put, how):
    (row,) = put(bytes_class("l", total=1))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    if how == "take_out":
        house.privileges.take_out(ann.email, [row])
    else:
        house.privileges.delete_class(row)
    house.bandwidth.enforce()
    assert set(told(house).values()) == {False} and subjects(house) == [LIMITED, RELAXED]


def test_it_survives_a_restart(new_house, house, ann, web, put):
    put(bytes_class("l", total=1))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    again = new_house()
    assert again.bandwidth.enforce() == () and again.letters == []
    assert set(told(again).values()) == {True} and again.shares.detail(web.token, ann).limited


def test_two_sweeps_at_once_write_one_letter(house, web, put, at_once):
    put(bytes_class("l", total=1))
    send(house, web, rx=100)
    at_once(lambda _: house.bandwidth.enforce(), range(4))
    assert subjects(house) == [LIMITED]


def test_what_the_overlay_does_not_do_now_is_done_by_the_next_sweep(house, ann, web, put):
    put(bytes_class("l", total=1))
    send(house, web, rx=100)
    house.overlay.away = True
    house.bandwidth.enforce()
    assert set(told(house).values()) == {True} and subjects(house) == [LIMITED]
    house.overlay.away = False
    assert house.overlay.held("shares")[web.token]["public"] is True
    house.bandwidth.enforce()
    assert house.overlay.held("shares")[web.token]["public"] is False and subjects(house) == [LIMITED]
    assert house.differences() == []


def test_many_shares_are_limited_in_small_steps(house, ann, home, web, put, monkeypatch):
    monkeypatch.setattr("zrokd.service.bandwidth._SOME", 2)
    for _ in range(4):
        house.share(ann, home)
    put(bytes_class("l", total=1))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    assert list(told(house).values()) == [True] * 5


def test_a_share_whose_mode_changes_is_judged_by_its_new_one(house, ann, home, put):
    house.names.create("public", "blog", ann)
    blog = house.share(ann, home, "blog")
    put(bytes_class("p", total=1, mode="proxy"))
    send(house, blog, rx=100)
    house.bandwidth.enforce()
    house.share(ann, home, "blog", mode="web")
    house.bandwidth.enforce()
    assert not house.shares.list(ann)[0].limited
    house.share(ann, home, "blog")
    house.bandwidth.enforce()
    assert house.shares.list(ann)[0].limited


def test_a_reconciler_keeps_the_bar(house, web, put):
    put(bytes_class("l", total=1))
    send(house, web, rx=100)
    house.bandwidth.enforce()
    house.overlay.change("shares", web.token, None)
    house.reconciler.reconcile()
    assert house.overlay.held("shares")[web.token]["public"] is False


@pytest.mark.parametrize("minutes", [1, 59, 60, 1440, 30 * 1440, 366 * 1440])
def test_a_period_counts_all_of_itself_and_no_more(house, web, put, minutes):
    put(bytes_class("l", total=100, minutes=minutes))
    period_ms = minutes * 60_000
    start_ms = house.clock.now_ms() // 86_400_000 * 86_400_000 + 1000
    for age_ms, rx in ((0, 50), (period_ms // 2, 25), (period_ms - min(period_ms // 2, 400_000), 24)):
        at_ms = start_ms - age_ms
        house.usage.ingest([UsageSample(share_token=web.token, rx_bytes=rx, tx_bytes=0, at_ms=at_ms)])
    house.usage.ingest(
        [UsageSample(share_token=web.token, rx_bytes=10**9, tx_bytes=0, at_ms=start_ms - period_ms - 301_000)]
    )
    house.clock.ahead_ms = start_ms - house.clock.now_ms()
    assert house.bandwidth.enforce() == ()
    house.usage.ingest([UsageSample(share_token=web.token, rx_bytes=1, tx_bytes=0, at_ms=start_ms)])
    assert len(house.bandwidth.enforce()) == 1
