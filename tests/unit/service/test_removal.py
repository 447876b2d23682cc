"""How things end: hidden first, and finished by whoever comes by."""

import pytest

from zrokd.errors import OverlayError, StoreError, Unavailable
from zrokd.model.share import Permission
from zrokd.service import removal
from zrokd.store import intents
from zrokd.store.intents import ACCESS, ADOPT, AGENT, CREATE, DELETE, ENVIRONMENT, IDENTITY, REPAIR, SHARE


@pytest.fixture
def core(house):
    return house.reconciler._core


@pytest.fixture
def things(house, ann):
    """An environment, a share in it, and an access onto that."""
    house.public(frontends=["edge"])
    home = house.env(ann)
    share = house.share(ann, home, permission=Permission.OPEN)
    return house.environments.get(home, ann), share, house.accesses.access(home, share.token, ann)


LEAVE = [
    (removal.leave_environment, 0, ENVIRONMENT, "z_id"),
    (removal.leave_share, 1, SHARE, "token"),
    (removal.leave_access, 2, ACCESS, "token"),
]


@pytest.mark.parametrize(("leave", "which", "kind", "subject"), LEAVE)
def test_leaving_hides_at_once_and_finishing_removes(house, core, ann, things, leave, which, kind, subject):
    thing = things[which]
    left = core.store.write(leave, core, thing)
    assert (left.intent.verb, left.intent.kind, left.intent.subject) == (DELETE, kind, getattr(thing, subject))
    lists = (house.environments.list(ann), house.shares.list(ann), house.accesses.list(ann))
    assert lists[which] == ()
    assert house.overlay.held("shares"), "the overlay was not asked yet"
    removal.complete(core, left, ann)
    assert house.differences() == []


@pytest.mark.parametrize(("leave", "which", "kind", "subject"), LEAVE)
def test_leaving_again_goes_on_with_abandoned_work_and_tells_nothing(core, things, leave, which, kind, subject):
    first = core.store.write(leave, core, things[which])
    core.store.write(intents.abandon, first.intent)
    again = core.store.write(leave, core, things[which])
    assert (again.intent.id, again.intent.worker) == (first.intent.id, core.worker)
    assert (again.environments, again.shares, again.accesses) == ((), (), ())


@pytest.mark.parametrize(("leave", "which", "kind", "subject"), LEAVE)
def test_while_somebody_takes_it_away_nobody_else_does(core, things, leave, which, kind, subject):
    core.store.write(leave, core, things[which])
    with pytest.raises(Unavailable, match="is being changed right now; try again"):
        core.store.write(leave, core, things[which])


@pytest.mark.parametrize("worker", ["somebody", ""])
@pytest.mark.parametrize("verb", [CREATE, REPAIR])
@pytest.mark.parametrize(("leave", "which", "kind", "subject"), LEAVE)
def test_nobody_takes_away_what_is_being_made(core, things, leave, which, kind, subject, verb, worker):
    core.store.write(intents.begin, verb, kind, getattr(things[which], subject), worker, 5)
    with pytest.raises(Unavailable, match="is being changed right now; try again"):
        core.store.write(leave, core, things[which])


def test_every_kind_of_work_can_be_settled():
    assert set(removal._SETTLE) == {
        (kind, verb) for kind in (ENVIRONMENT, SHARE, ACCESS, IDENTITY, AGENT) for verb in (CREATE, DELETE)
    } | {(SHARE, REPAIR), (AGENT, REPAIR), (ENVIRONMENT, ADOPT)}


def test_the_hooks_hear_of_the_end_even_when_the_overlay_fails(house, core, ann, things):
    left = core.store.write(removal.leave_environment, core, things[0])
    house.overlay.away = True
    with pytest.raises(OverlayError):
        removal.complete(core, left, ann)
    assert house.hooks.names()[-3:] == ["on_access_deleted", "on_share_deleted", "on_environment_deleted"]


def test_the_names_are_cut_before_the_overlay_is_asked(house, core, ann, things):
    house.faults.arm(5, lambda where: seen.append((where, house.hosts(), house.bell.version)))
    seen, before = [], house.bell.version
    house.environments.disable(things[0].z_id, ann)
    assert seen == [("overlay before", {}, before + 2)]


def test_an_environment_with_many_shares_leaves_room_for_others_to_write(house, ann, monkeypatch):
    house.public(frontends=["edge"])
    home = house.env(ann)
    for number in range(5):
        house.names.create("public", f"name-{number}", ann)
        house.share(ann, home, f"name-{number}")
    monkeypatch.setattr(removal, "_SOME", 2)
    counts, write = [], house.store.write

    def counted(function, *args, **kwargs):
        counts.append(len(house.hosts()))
        return write(function, *args, **kwargs)

    monkeypatch.setattr(house.store, "write", counted)
    house.environments.disable(home, ann)
    assert counts == [5, 5, 3, 1, 0]  # leave, hide three times, settle
    assert house.differences() == []


def test_an_end_cut_short_between_two_shares_is_finished(house, ann, monkeypatch, strike):
    house.public(frontends=["edge"])
    home = house.env(ann)
    for _ in range(3):
        house.share(ann, home)
    monkeypatch.setattr(removal, "_SOME", 1)
    house.faults.arm(7, strike)  # before the third is hidden
    with pytest.raises(StoreError):
        house.environments.disable(home, ann)
    assert len(house.hosts()) == 1
    house.reconciler.reconcile(grace_s=0)
    assert house.hosts() == {} and house.differences() == []


def test_a_chosen_token_that_is_somebody_elses_by_now_is_left_alone(house, core, ann, things):
    old = core.store.write(intents.begin, CREATE, SHARE, "my-share", "old run", 5)
    core.store.write(intents.end, old)  # a reconciler took it for abandoned
    share = house.share(ann, things[0].z_id, private=True, token="my-share")
    removal.settle_or_abandon(core, old)
    assert share.token in house.overlay.held("shares") and house.differences() == []


def test_what_cannot_be_finished_now_is_abandoned(house, core, ann, things):
    left = core.store.write(removal.leave_share, core, things[1])
    house.overlay.away = True
    with pytest.raises(OverlayError):
        removal.settle_or_abandon(core, left.intent)
    assert core.store.read(intents.find, SHARE, things[1].token).abandoned
    house.overlay.away = False
    removal.go_on(core, SHARE, things[1].token)
    removal.go_on(core, SHARE, things[1].token)
    assert house.differences() == []


def test_work_of_somebody_who_is_at_it_is_not_gone_on_with(house, core, ann, things):
    left = core.store.write(removal.leave_share, core, things[1])
    calls = list(house.overlay.calls)
    removal.go_on(core, SHARE, things[1].token)
    assert house.overlay.calls == calls and core.store.read(intents.holds, left.intent)


def test_a_database_that_is_away_too_leaves_the_work_to_its_grace(house, core, ann, things, caplog):
    left = core.store.write(removal.leave_share, core, things[1])
    house.overlay.away = True
    house.faults.arm(1, fail_store)
    with pytest.raises(OverlayError):
        removal.settle_or_abandon(core, left.intent)
    assert "stays ours until its grace is over" in caplog.text
    house.overlay.away = False
    assert house.reconciler.reconcile() == ()
    house.clock.ahead_ms = 121_000
    assert [action.verb for action in house.reconciler.reconcile()] == ["finish"]
    assert house.differences() == []


def fail_store(_where):
    raise StoreError("the database is away")
