"""Enable and disable hosts."""

import json

import pytest

from zrokd.errors import Denied, Invalid, LimitReached, NotFound, OverlayError, Unavailable
from zrokd.model.account import Principal
from zrokd.model.environment import EnvironmentDraft
from zrokd.model.limits import Limits, Refusal
from zrokd.model.share import Permission


def draft(**changes):
    return EnvironmentDraft(**{"account_id": 0, "description": "d", "host": "linux", "address": "10.0.0.1"} | changes)


def test_an_environment_gets_an_identity_that_is_told_once(house, ann):
    identity = house.environments.enable(draft(), ann)
    assert json.loads(identity.document) == {"id": identity.z_id}
    (environment,) = house.environments.list(ann)
    assert (environment.z_id, environment.account_id) == (identity.z_id, ann.account_id)
    assert (environment.description, environment.host, environment.address) == ("d", "linux", "10.0.0.1")
    assert house.environments.get(identity.z_id, ann) == environment
    assert house.hooks.told == [("on_environment_created", environment, ann)]
    assert identity.document not in house.database.database and house.differences() == []


def test_the_account_that_asks_counts_not_the_one_in_the_draft(house, ann, bob):
    house.environments.enable(draft(account_id=bob.account_id), ann)
    assert len(house.environments.list(ann)) == 1 and house.environments.list(bob) == ()
    assert house.hooks.reviewed[0][1].account_id == ann.account_id


@pytest.mark.parametrize("email", ["ann@example.com", "o'neil+x@example.com", "ä" * 200 + "@example.com", "..@.."])
def test_the_overlay_gets_a_name_that_is_a_plain_word(house, email):
    house.env(house.principal(email))
    (name,) = house.overlay.held("environments").values()
    assert len(name) <= 100 and name[0].isalnum()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@_-")


@pytest.mark.parametrize(
    "changes", [{"description": "x" * 1025}, {"host": "a\nb"}, {"address": "x" * 65}, {"description": "\ud800"}]
)
def test_texts_that_cannot_be_kept_are_refused(house, ann, changes):
    with pytest.raises(Invalid):
        house.environments.enable(draft(**changes), ann)
    assert house.overlay.calls == []


def test_the_limit_is_heeded_before_the_overlay_is_called(house, ann):
    house.limits(Limits(environments=1))
    house.env(ann)
    calls = list(house.overlay.calls)
    with pytest.raises(LimitReached, match="no more than 1 environments"):
        house.env(ann)
    assert house.overlay.calls == calls


def test_a_refusal_denies_with_its_reason(house, ann):
    house.hooks.refusals["review_environment"] = Refusal(reason="not from there")
    with pytest.raises(Denied, match="^not from there$"):
        house.env(ann)
    assert house.overlay.calls == [] and house.differences() == []


def test_only_accounts_enable(house):
    with pytest.raises(Denied):
        house.env(Principal(admin=True))


def test_when_the_overlay_refuses_nothing_is_kept_once_it_is_back(house, ann):
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.env(ann)
    assert house.environments.list(ann) == ()
    house.overlay.away = False
    house.reconciler.reconcile(grace_s=0)
    assert house.differences() == []


def test_disabling_takes_shares_and_accesses_away_and_cuts_the_names(house, ann, bob):
    house.public(frontends=["edge"])
    home, away = house.env(ann), house.env(bob)
    house.names.create("public", "blog", ann)
    share = house.share(ann, home, "blog")
    private = house.share(ann, home, private=True, permission=Permission.OPEN)
    bobs = house.share(bob, away, permission=Permission.OPEN)
    onto = house.accesses.access(away, private.token, bob)
    inside = house.accesses.access(home, bobs.token, ann)
    house.hooks.told.clear()
    house.environments.disable(home, ann)
    assert house.environments.list(ann) == house.shares.list(ann) == house.accesses.list(ann) == ()
    assert house.accesses.list(bob) == () and [s.token for s in house.shares.list(bob)] == [bobs.token]
    assert house.hosts() == {bobs.endpoints[0]: bobs.token}
    assert [name.name for name in house.names.list(ann)] == ["blog"]
    told = [(name, getattr(subject, "token", "")) for name, subject, _ in house.hooks.told]
    assert sorted(told[:2]) == sorted([("on_access_deleted", onto.token), ("on_access_deleted", inside.token)])
    assert told[2:] == [
        ("on_share_deleted", share.token), ("on_share_deleted", private.token), ("on_environment_deleted", ""),
    ]  # fmt: skip
    assert house.differences() == []


def test_a_disabling_that_the_overlay_refuses_hides_all_and_can_be_repeated(house, ann):
    house.public(frontends=["edge"])
    home = house.env(ann)
    house.share(ann, home)
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.environments.disable(home, ann)
    assert house.hosts() == {} and house.environments.list(ann) == ()
    with pytest.raises(NotFound):
        house.share(ann, home)
    house.overlay.away = False
    house.environments.disable(home, ann)
    assert house.hooks.names().count("on_environment_deleted") == 1
    assert house.differences() == []


def test_twice_at_once_is_as_good_as_once(house, ann, at_once):
    house.public()
    home = house.env(ann)
    house.share(ann, home)
    answers = at_once(lambda _: house.environments.disable(home, ann), range(10))
    assert {type(answer) for answer in answers} <= {type(None), NotFound, Unavailable}
    assert house.hooks.names().count("on_environment_deleted") == 1
    assert house.differences() == []


def test_foreign_environments_answer_exactly_like_missing_ones(house, ann, bob):
    home = house.env(ann)
    for act in (house.environments.get, house.environments.disable):
        for z_id in (home, "z.missing", ""):
            with pytest.raises(NotFound, match="^no such environment$"):
                act(z_id, bob)
    assert len(house.environments.list(ann)) == 1 and house.differences() == []
