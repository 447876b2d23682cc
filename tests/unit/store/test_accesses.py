"""Accesses on their way in and out."""

import pytest

from zrokd.store import accesses, environments, shares


@pytest.fixture
def ann(rows):
    return rows.account()


@pytest.fixture
def home(rows, ann):
    return rows.environment(ann)


@pytest.fixture
def away(rows):
    return rows.environment(rows.account("bob@example.com"), "z2")


@pytest.fixture
def share(rows, home):
    return rows.share(home)


def reserve(store, environment, share, token="acc1"):
    store.write(accesses.reserve, environment.id, share.id, token, "127.0.0.1:9191", "mine", 3)


def live(store, environment, share, token="acc1"):
    reserve(store, environment, share, token)
    return store.write(accesses.make_live, token, 4)


def test_a_live_one_is_as_it_was_asked_for(store, away, share):
    made = live(store, away, share)
    assert (made.token, made.share_token, made.env_z_id, made.mode) == ("acc1", "tok1", "z2", "proxy")
    assert (made.bind_address, made.description) == ("127.0.0.1:9191", "mine")
    assert store.read(accesses.find, "acc1", away.account_id) == made
    assert store.read(accesses.by_id, made.id, away.account_id) == made
    assert store.read(accesses.of_account, away.account_id) == (made,)


def test_a_reserved_one_counts_and_is_not_seen(store, away, share):
    reserve(store, away, share)
    assert store.read(accesses.count, share.id) == 1
    assert store.read(accesses.find, "acc1", away.account_id) is None
    assert store.read(accesses.find, "acc1", away.account_id, leaving=True).token == "acc1"
    assert store.read(accesses.live_of_share, "tok1") == ()
    assert len(store.read(accesses.of_share, "tok1")) == 1


def test_the_owner_of_the_share_does_not_own_the_access(store, home, away, share):
    made = live(store, away, share)
    assert store.read(accesses.find, "acc1", home.account_id) is None
    assert store.read(accesses.by_id, made.id, home.account_id) is None
    assert store.read(accesses.of_account, home.account_id) == ()


@pytest.mark.parametrize("gone", ["access", "share", "environment"])
def test_it_does_not_become_live_when_what_it_needs_leaves(store, away, share, gone):
    reserve(store, away, share)
    leave = {
        "access": lambda: accesses.forget("acc1"),
        "share": lambda: shares.make_leave(share.id, 5),
        "environment": lambda: environments.make_leave(away.id, 5),
    }
    store.write(leave[gone])
    assert store.write(accesses.make_live, "acc1", 6) is None


def test_a_live_one_cannot_be_forgotten(store, away, share):
    live(store, away, share)
    store.write(accesses.forget, "acc1")
    assert store.read(accesses.count, share.id) == 1
    store.write(accesses.make_leave, "acc1", 5)
    store.write(accesses.forget, "acc1")
    assert store.read(accesses.count, share.id) == 0


def test_both_texts_can_be_replaced(store, away, share):
    live(store, away, share)
    store.write(accesses.change, "acc1", "", "new", 9)
    changed = store.read(accesses.find, "acc1", away.account_id)
    assert (changed.bind_address, changed.description, changed.updated_at_ms) == ("", "new", 9)


def test_around_an_environment_are_those_in_it_and_those_onto_its_shares(store, rows, home, away, share):
    other = rows.share(away, "tok2")
    live(store, away, share, "onto")
    live(store, home, other, "inside")
    live(store, away, other, "elsewhere")
    reserve(store, home, other, "coming")
    assert [access.token for access in store.read(accesses.around, home.id)] == ["onto", "inside", "coming"]
    assert [access.token for access in store.read(accesses.live_around, home.id)] == ["onto", "inside"]
