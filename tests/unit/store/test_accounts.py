"""Accounts and their limits."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from zrokd.errors import Conflict, NotFound
from zrokd.model.limits import LimitClass, Limits
from zrokd.store import accounts, limit_classes, names, namespaces, shares, tokens
from zrokd.store.hashing import digest


def test_an_account_is_found_by_its_address(store, rows):
    ann = rows.account()
    assert store.read(accounts.by_email, "ann@example.com") == ann
    assert store.read(accounts.by_email, "bob@example.com") is None


def test_an_address_has_one_account(store, rows):
    rows.account()
    with pytest.raises(Conflict, match="an account with the address ann@example.com already"):
        rows.account()


def test_of_many_registrations_at_once_one_wins(store):
    def attempt(_):
        try:
            store.write(accounts.add, "ann@example.com", "", 1)
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(50))) == 1


def test_accounts_are_listed_by_address(store, rows):
    for email in ("cat@example.com", "ann@example.com", "bob@example.com"):
        rows.account(email)
    assert [a.email[:3] for a in store.read(accounts.every)] == ["ann", "bob", "cat"]
    assert set(store.read(accounts.ids_by_email, ("bob@example.com", "eve@example.com"))) == {"bob@example.com"}


def test_a_removed_account_leaves_only_history(store, rows):
    ann, bob = rows.account(), rows.account("bob@example.com")
    store.write(tokens.add, ann.id, digest("one"), "", 1)
    share = rows.share(rows.environment(bob))
    space = rows.namespace()
    store.write(lambda: (shares.grant(share.id, [ann.id]), namespaces.grant(space, ann.id)))
    store.write(accounts.remove, ann.id, 9)
    assert store.read(accounts.by_email, ann.email) is None
    assert store.read(tokens.holder_of, digest("one"), 1) is None
    assert not store.read(shares.is_granted, share.id, ann.id)
    assert store.read(accounts.every) == (bob,)
    assert rows.account().id != ann.id
    with pytest.raises(NotFound):
        store.write(accounts.lock, ann.id, 10)


def test_locking_gives_the_account_as_it_is(store, rows):
    ann = rows.account()
    assert store.write(accounts.lock, ann.id, 9) == ann
    with pytest.raises(NotFound, match="no such account"):
        store.write(accounts.lock, 99, 9)


DEFAULT = Limits(environments=1, shares=2, names=3, accesses=4)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([], DEFAULT),
        (
            [Limits(environments=5, shares=5, names=5, accesses=5)],
            Limits(environments=5, shares=5, names=5, accesses=5),
        ),
        ([Limits(environments=5, shares=0), Limits(environments=2, shares=9)], Limits(environments=5, shares=9)),
        ([Limits(environments=0, shares=0, names=0, accesses=0), Limits()], Limits()),
    ],
    ids=["none", "one", "the best of two", "endless wins"],
)
def test_limits_come_from_the_classes_an_account_is_in(store, rows, classes, expected):
    ann = rows.account()
    for number, limits in enumerate(classes):
        row = store.write(limit_classes.add, LimitClass(label=f"class {number}", limits=limits), 1)
        store.write(limit_classes.apply, ann.id, [row])
        store.write(limit_classes.apply, ann.id, [row])
    assert store.read(accounts.limits, ann.id, DEFAULT) == expected
    assert store.read(accounts.limits, rows.account("bob@example.com").id, DEFAULT) == DEFAULT


def test_a_limit_class_has_its_own_label(store):
    store.write(limit_classes.add, LimitClass(label="small", limits=Limits()), 1)
    with pytest.raises(Conflict, match="a limit class 'small' already"):
        store.write(limit_classes.add, LimitClass(label="small", limits=Limits()), 1)


def test_names_of_a_removed_account_can_be_freed(store, rows):
    ann, space = rows.account(), rows.namespace()
    rows.name(space, ann)
    store.write(names.remove_of_account, ann.id, 5)
    assert store.read(names.of_account, ann.id) == ()
    rows.name(space, rows.account("bob@example.com"))
