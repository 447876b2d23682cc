"""Backends tell how their shares stand; what comes of it is what the account sees."""

import pytest

from zrokd.errors import Invalid, NotFound
from zrokd.model.bind import Bind, BindReport, Reach
from zrokd.model.share import Share, ShareMode
from zrokd.service.binds import standing
from zrokd.store.binds import Told

NOW, S = 1_000_000_000, 1000
SHARE = Share(id=1, token="tok", env_z_id="z1", account_id=1, share_mode=ShareMode.PUBLIC, mode="proxy")
WELL = Told(
    share_token="tok",
    ends=2,
    why="",
    since_ms=NOW - 60 * S,
    proven_at_ms=NOW - 50 * S,
    heard_at_ms=NOW - 2 * S,
    all_proven_at_ms=NOW - 5 * S,
)
BAD = WELL._replace(ends=0, why="nobody reaches it", since_ms=NOW - 20 * S)
SILENT = WELL._replace(heard_at_ms=NOW - 10 * S)


@pytest.mark.parametrize(
    ("told", "reach", "why", "since_s", "proven_s", "ends"),
    [
        ([WELL], Reach.BOUND, "", 60, 5, 2),
        ([BAD], Reach.BROKEN, "nobody reaches it", 20, 50, 0),
        ([SILENT], Reach.BROKEN, "its backend was not heard of since", 10, 5, 0),
        ([WELL, BAD], Reach.BOUND, "", 60, 5, 2),
        ([SILENT, BAD], Reach.BROKEN, "nobody reaches it", 20, 5, 0),
        ([WELL, WELL._replace(since_ms=NOW - 90 * S)], Reach.BOUND, "", 90, 5, 4),
    ],
)
def test_one_backend_that_is_reached_is_enough(told, reach, why, since_s, proven_s, ends):
    found = standing(SHARE, told, NOW)
    assert (found.reach, found.why, found.ends) == (reach, why, ends)
    assert (NOW - found.since_ms, NOW - found.proven_at_ms) == (since_s * S, proven_s * S)


def test_of_a_share_that_nobody_tells_of_nothing_is_known():
    assert standing(SHARE, [], NOW).reach is Reach.UNKNOWN


def test_what_no_dial_reached_is_not_proven_by_others():
    assert standing(SHARE, [WELL._replace(proven_at_ms=0)], NOW).proven_at_ms == 0


# -- reports ---


@pytest.fixture
def z_id(house, ann):
    house.public()
    return house.env(ann)


@pytest.fixture
def share(house, ann, z_id):
    return house.share(ann, z_id)


def report(z_id, *binds, backend="b1", **changes):
    return BindReport(env_z_id=z_id, backend=backend, binds=binds, **changes)


def test_a_backend_that_is_not_known_is_asked_for_all(house, ann, z_id, share):
    assert not house.binds.report(report(z_id), ann)
    assert house.binds.list(ann)[0].reach is Reach.UNKNOWN
    bind = Bind(share_token=share.token, ends=1, since_s=3.0, proven_s=1.0)
    assert house.binds.report(report(z_id, bind, whole=True), ann)
    assert house.binds.report(report(z_id), ann)
    found = house.binds.of_share(share.token, ann)
    assert (found.reach, found.ends, found.env_z_id) == (Reach.BOUND, 1, z_id)


def test_what_is_told_later_counts_and_what_is_not_named_stands(house, ann, z_id, share):
    other = house.share(ann, z_id)
    both = [Bind(share_token=token, ends=1) for token in (share.token, other.token)]
    house.binds.report(report(z_id, *both, whole=True), ann)
    house.binds.report(report(z_id, Bind(share_token=other.token, why="the router is away")), ann)
    assert [(one.reach, one.why) for one in house.binds.list(ann)] == [
        (Reach.BOUND, ""),
        (Reach.BROKEN, "the router is away"),
    ]
    house.binds.report(report(z_id, gone=(share.token,)), ann)
    assert house.binds.list(ann)[0].reach is Reach.UNKNOWN
    house.binds.report(report(z_id, whole=True), ann)
    assert {one.reach for one in house.binds.list(ann)} == {Reach.UNKNOWN}


def test_shares_of_others_and_of_other_environments_are_left_out(house, ann, bob, z_id, share):
    elsewhere = house.env(bob)
    assert house.binds.report(report(elsewhere, Bind(share_token=share.token, ends=1), whole=True), bob)
    assert house.binds.of_share(share.token, ann).reach is Reach.UNKNOWN
    with pytest.raises(NotFound):
        house.binds.report(report(z_id, whole=True), bob)
    with pytest.raises(NotFound):
        house.binds.of_share(share.token, bob)
    assert house.binds.list(bob) == ()


@pytest.mark.parametrize("backend", ["", "x" * 33])
def test_a_backend_has_a_short_word_for_itself(house, ann, z_id, backend):
    with pytest.raises(Invalid, match="1 to 32 characters"):
        house.binds.report(report(z_id, backend=backend), ann)


def test_of_very_many_backends_the_last_ones_are_kept(house, ann, z_id):
    for number in range(70):
        house.binds.report(report(z_id, backend=f"b{number}", whole=True), ann)
    known = [house.binds.report(report(z_id, backend=f"b{number}"), ann) for number in range(70)]
    assert known.count(True) == 64
    assert known[-1]


def test_a_backend_that_was_silent_for_a_day_is_forgotten(house, ann, z_id, share):
    house.binds.report(report(z_id, Bind(share_token=share.token, ends=1), whole=True), ann)
    assert house.binds.prune() == 0
    house.clock.ahead_ms += 25 * 3600 * S
    assert house.binds.prune() == 1
    assert house.binds.of_share(share.token, ann).reach is Reach.UNKNOWN


def test_what_is_told_of_goes_with_the_share_and_the_environment(house, ann, z_id, share):
    house.binds.report(report(z_id, Bind(share_token=share.token, ends=1), whole=True), ann)
    house.shares.unshare(z_id, share.token, ann)
    assert house.binds.list(ann) == ()
    house.environments.disable(z_id, ann)
    assert house.binds.prune() == 0
