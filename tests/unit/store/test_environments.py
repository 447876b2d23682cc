"""Environments on their way in and out."""

import pytest

from zrokd.model.environment import EnvironmentDraft
from zrokd.store import accounts, environments


@pytest.fixture
def ann(rows):
    return rows.account()


def reserve(store, account):
    draft = EnvironmentDraft(account_id=account.id, description="d", host="h", address="127.0.0.1")
    return store.write(environments.reserve, account.id, draft, 5)


def test_a_reserved_one_counts_and_is_not_seen(store, ann):
    reserve(store, ann)
    assert store.read(environments.count, ann.id) == 1
    assert store.read(environments.of_account, ann.id) == ()


def test_a_live_one_is_as_it_was_asked_for(store, ann):
    made = store.write(environments.make_live, reserve(store, ann), "z1", 7)
    assert (made.z_id, made.account_id, made.description, made.host, made.address) == (
        "z1",
        ann.id,
        "d",
        "h",
        "127.0.0.1",
    )
    assert (made.created_at_ms, made.updated_at_ms) == (5, 7)
    assert store.read(environments.find, "z1", ann.id) == made
    assert store.read(environments.of_account, ann.id) == (made,)


@pytest.mark.parametrize("vanish", ["environment", "account"])
def test_it_does_not_become_live_when_what_it_needs_is_gone(store, ann, vanish):
    row = reserve(store, ann)
    if vanish == "environment":
        store.write(environments.forget, row)
    else:
        store.write(accounts.remove, ann.id, 6)
    assert store.write(environments.make_live, row, "z1", 7) is None


def test_others_do_not_see_it(store, ann, rows):
    rows.environment(ann)
    bob = rows.account("bob@example.com")
    assert store.read(environments.find, "z1", bob.id) is None
    assert store.read(environments.of_account, bob.id) == ()
    assert store.read(environments.count, bob.id) == 0


def test_a_leaving_one_is_seen_only_by_who_asks_for_it(store, ann, rows):
    made = rows.environment(ann)
    store.write(environments.make_leave, made.id, 9)
    assert store.read(environments.find, "z1", ann.id) is None
    assert store.read(environments.find, "z1", ann.id, leaving=True).id == made.id
    assert store.read(environments.count, ann.id) == 1


def test_a_live_one_cannot_be_forgotten(store, ann, rows):
    made = rows.environment(ann)
    store.write(environments.forget, made.id)
    assert store.read(environments.find, "z1", ann.id)
    store.write(environments.make_leave, made.id, 9)
    store.write(environments.forget, made.id)
    assert store.read(environments.count, ann.id) == 0
