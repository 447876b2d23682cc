"""Private listeners onto shares."""

import pytest

from zrokd.errors import Denied, Invalid, LimitReached, NotFound, OverlayError, Unavailable
from zrokd.model.limits import Limits, Refusal
from zrokd.model.share import Gating, Permission


@pytest.fixture
def home(house, ann):
    house.public()
    return house.env(ann)


@pytest.fixture
def away(house, bob):
    return house.env(bob)


@pytest.fixture
def closed(house, ann, home):
    return house.share(ann, home, private=True)


@pytest.fixture
def opened(house, ann, home):
    return house.share(ann, home, private=True, permission=Permission.OPEN)


def test_an_access_lets_an_environment_dial(house, bob, away, opened):
    access = house.accesses.access(away, opened.token, bob, bind_address="127.0.0.1:9191", description="mine")
    assert (access.share_token, access.env_z_id, access.mode) == (opened.token, away, "proxy")
    assert (access.bind_address, access.description) == ("127.0.0.1:9191", "mine")
    assert house.overlay.held("accesses") == {access.token: [opened.token, away]}
    assert house.accesses.list(bob) == (access,) and house.accesses.get(access.id, bob) == access
    assert house.hooks.told[-1] == ("on_access_created", access, bob)
    assert house.differences() == []


def test_a_public_share_can_be_accessed_privately(house, ann, home):
    share = house.share(ann, home)
    assert house.accesses.access(home, share.token, ann).share_token == share.token


@pytest.mark.parametrize(
    ("who", "permission", "granted", "may"),
    [
        ("owner", "closed", False, True),
        ("other", "closed", False, False),
        ("other", "closed", True, True),
        ("other", "open", False, True),
    ],
)
def test_who_may_have_an_access(house, ann, bob, home, away, who, permission, granted, may):
    grants = ("bob@example.com",) if granted else ()
    share = house.share(ann, home, private=True, permission=Permission(permission), grants=grants)
    principal, env = (ann, home) if who == "owner" else (bob, away)
    if may:
        assert house.accesses.access(env, share.token, principal).share_token == share.token
    else:
        with pytest.raises(NotFound, match="^no such share$"):
            house.accesses.access(env, share.token, principal)


@pytest.mark.parametrize("private", [False, True])
def test_a_password_is_not_walked_around_by_an_access(house, ann, bob, home, away, private):
    gating = Gating(gate="basic", config={"users": []})
    share = house.share(ann, home, private=private, permission=Permission.OPEN, gating=gating)
    with pytest.raises(NotFound, match="^no such share$"):
        house.accesses.access(away, share.token, bob)
    house.shares.modify(share.token, ann, add_grants=("bob@example.com",))
    assert house.accesses.access(away, share.token, bob).share_token == share.token


def test_a_grant_that_ends_takes_its_accesses_along(house, ann, bob, home, away):
    share = house.share(ann, home, private=True, grants=("bob@example.com",))
    access = house.accesses.access(away, share.token, bob)
    mine = house.accesses.access(home, share.token, ann)
    house.shares.modify(share.token, ann, remove_grants=("bob@example.com",))
    assert house.accesses.list(bob) == () and set(house.overlay.held("accesses")) == {mine.token}
    assert house.hooks.told[-1] == ("on_access_deleted", access, ann)
    assert house.differences() == []


def test_a_share_offered_again_as_closed_ends_the_accesses_of_others(house, ann, bob, home, away):
    share = house.share(ann, home, private=True, token="my-share", permission=Permission.OPEN)
    house.accesses.access(away, share.token, bob)
    house.share(ann, home, private=True, token="my-share", permission=Permission.CLOSED)
    assert house.accesses.list(bob) == () and house.overlay.held("accesses") == {}
    assert house.differences() == []


def test_an_access_whose_grant_ends_while_it_is_made_is_not_made(house, ann, bob, home, away, monkeypatch):
    share = house.share(ann, home, private=True, grants=("bob@example.com",))
    create = house.overlay.create_access

    def create_late(*args):
        create(*args)
        house.shares.modify(share.token, ann, remove_grants=("bob@example.com",))

    monkeypatch.setattr(house.overlay, "create_access", create_late)
    with pytest.raises(Unavailable):
        house.accesses.access(away, share.token, bob)
    assert house.accesses.list(bob) == () and house.differences() == []


def test_an_access_that_the_overlay_keeps_is_ended_later(house, ann, bob, home, away):
    share = house.share(ann, home, private=True, grants=("bob@example.com",))
    house.accesses.access(away, share.token, bob)
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.shares.modify(share.token, ann, remove_grants=("bob@example.com",))
    assert house.accesses.list(bob) == ()
    house.overlay.away = False
    house.reconciler.reconcile(grace_s=0)
    assert house.differences() == []


def test_a_share_that_is_closed_to_me_answers_like_one_that_does_not_exist(house, bob, away, closed):
    answers = set()
    for token in (closed.token, "missing"):
        with pytest.raises(NotFound) as caught:
            house.accesses.access(away, token, bob)
        answers.add(str(caught.value))
    assert answers == {"no such share"}
    assert "review_access" not in [name for name, _, _ in house.hooks.reviewed]


def test_a_foreign_environment_answers_like_a_missing_one(house, bob, home, opened):
    for z_id in (home, "z.missing"):
        with pytest.raises(NotFound, match="^no such environment$"):
            house.accesses.access(z_id, opened.token, bob)


def test_a_refusal_denies_with_its_reason(house, bob, away, opened):
    house.hooks.refusals["review_access"] = Refusal(reason="ask first")
    with pytest.raises(Denied, match="^ask first$"):
        house.accesses.access(away, opened.token, bob)
    assert house.differences() == []


def test_the_limit_is_the_owners(house, ann, bob, home, away, opened):
    house.limits(Limits(accesses=1))
    house.accesses.access(away, opened.token, bob)
    with pytest.raises(LimitReached, match="the share may have no more than 1 accesses"):
        house.accesses.access(home, opened.token, ann)


def test_it_can_be_taken_away(house, bob, away, opened):
    access = house.accesses.access(away, opened.token, bob)
    house.accesses.unaccess(away, access.token, bob)
    assert house.accesses.list(bob) == () and house.hooks.told[-1] == ("on_access_deleted", access, bob)
    assert house.differences() == []


def test_an_end_that_the_overlay_refuses_can_be_repeated(house, bob, away, opened):
    access = house.accesses.access(away, opened.token, bob)
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.accesses.unaccess(away, access.token, bob)
    assert house.accesses.list(bob) == ()
    house.overlay.away = False
    house.accesses.unaccess(away, access.token, bob)
    assert house.hooks.names().count("on_access_deleted") == 1
    assert house.differences() == []


def test_both_texts_are_replaced(house, bob, away, opened):
    access = house.accesses.access(away, opened.token, bob, bind_address="127.0.0.1:1", description="old")
    house.accesses.modify(access.token, bob, description="new")
    (changed,) = house.accesses.list(bob)
    assert (changed.bind_address, changed.description) == ("", "new")


@pytest.mark.parametrize("texts", [{"bind_address": "x" * 256}, {"description": "a\nb"}, {"description": "x" * 1025}])
def test_texts_that_cannot_be_kept_are_refused(house, bob, away, opened, texts):
    access = house.accesses.access(away, opened.token, bob)
    with pytest.raises(Invalid):
        house.accesses.access(away, opened.token, bob, **texts)
    with pytest.raises(Invalid):
        house.accesses.modify(access.token, bob, **texts)


def test_foreign_accesses_answer_exactly_like_missing_ones(house, ann, bob, home, away, opened):
    access = house.accesses.access(away, opened.token, bob)
    for token in (access.token, "missing"):
        for act in (
            lambda token=token: house.accesses.modify(token, ann, description="mine now"),
            lambda token=token: house.accesses.unaccess(home, token, ann),
        ):
            with pytest.raises(NotFound, match="^no such access$"):
                act()
    for access_id in (access.id, 999, 0, -1, 2**70):
        with pytest.raises(NotFound, match="^no such access$"):
            house.accesses.get(access_id, ann)
    assert house.accesses.list(ann) == () and house.accesses.list(bob) == (access,)


def test_an_access_ends_through_its_own_environment(house, bob, away, opened):
    access = house.accesses.access(away, opened.token, bob)
    with pytest.raises(NotFound, match="no such access"):
        house.accesses.unaccess(house.env(bob), access.token, bob)


def test_accessing_while_the_share_ends_leaves_nothing(house, ann, bob, home, away, opened, at_once):
    def act(number):
        if number == 4:
            return house.shares.unshare(home, opened.token, ann)
        return house.accesses.access(away, opened.token, bob)

    answers = at_once(act, range(10))
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {NotFound, Unavailable}
    house.reconciler.reconcile(grace_s=0)
    assert house.accesses.list(bob) == () and house.differences() == []
