"""Counting inside the transaction that adds."""

import pytest

from zrokd.errors import LimitReached, NotFound
from zrokd.model.limits import LimitClass, Limits
from zrokd.service import limits
from zrokd.store import limit_classes, tables


@pytest.fixture
def furnished(house, ann):
    """An account with two environments, a share, three reserved names and an access."""
    house.public()
    home = house.env(ann)
    house.env(ann)
    share = house.share(ann, home)
    for name in ("one", "two", "three"):
        house.names.create("public", name, ann)
    house.accesses.access(home, share.token, ann)
    return house.shares.list(ann)[0]


def ask(house, ann, share, kind, most):
    default = Limits(**{kind: most})
    room = {
        "environments": lambda: limits.room_for_environment(ann.account_id, default, 1),
        "shares": lambda: limits.room_for_share(ann.account_id, "proxy", default, 1),
        "names": lambda: limits.room_for_name(ann.account_id, default, 1),
        "accesses": lambda: limits.room_for_access(share, default, 1),
    }
    house.store.write(room[kind])


@pytest.mark.parametrize(
    ("noun", "has"), [("environments", 2), ("shares", 1), ("names", 3), ("accesses", 1)], ids=lambda value: str(value)
)
def test_there_is_room_below_the_limit_and_none_at_it(house, ann, furnished, noun, has):
    ask(house, ann, furnished, noun, has + 1)
    ask(house, ann, furnished, noun, -1)
    for most in (has, 0):
        with pytest.raises(LimitReached, match=f"may (not )?have no more than {most} {noun}$"):
            ask(house, ann, furnished, noun, most)


def test_a_limitless_account_has_none(house, ann, furnished):
    house.store.write(lambda: tables.Account.update(limitless=True).execute())
    ask(house, ann, furnished, "shares", 0)


def test_a_limit_class_counts_instead_of_the_default(house, ann, furnished):
    row = house.store.write(limit_classes.add, LimitClass(label="small", limits=Limits(shares=1)), 1)
    house.store.write(limit_classes.apply, ann.account_id, [row])
    with pytest.raises(LimitReached):
        ask(house, ann, furnished, "shares", 99)


def test_an_account_that_is_gone_has_no_room(house):
    with pytest.raises(NotFound):
        house.store.write(limits.room_for_share, 99, "proxy", Limits(), 1)


@pytest.mark.parametrize("noun", ["environments", "names", "accesses"])
@pytest.mark.parametrize("left", [0, 3])
def test_of_a_hundred_at_once_no_more_than_the_limit_get_one(house, ann, furnished, at_once, noun, left):
    home = house.environments.list(ann)[0].z_id
    act = {
        "environments": lambda number: house.env(ann),
        "names": lambda number: house.names.create("public", f"name{number}", ann),
        "accesses": lambda number: house.accesses.access(home, furnished.token, ann),
    }[noun]
    has = {"environments": 2, "names": 3, "accesses": 1}[noun]
    house.limits(Limits(**{noun: has + left}))
    answers = at_once(act, range(100))
    assert sum(not isinstance(answer, Exception) for answer in answers) == left
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {LimitReached}
    assert house.differences() == []


def test_an_unsuccessful_attempt_does_not_use_up_room(house, ann):
    house.limits(Limits(environments=1))
    house.overlay.away = True
    for _ in range(2):
        with pytest.raises(Exception, match="away|no more"):
            house.env(ann)
    house.overlay.away = False
    house.reconciler.reconcile(grace_s=0)
    house.env(ann)
    assert house.differences() == []
