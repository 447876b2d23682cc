"""Namespaces, who may use them, and which frontends serve them."""

from dataclasses import replace

import pytest

from zrokd.errors import Conflict
from zrokd.model.naming import Namespace
from zrokd.store import namespaces

CLOSED = Namespace(token="closed", zone="closed.example.com", description="for staff", url="https://{host}")


@pytest.fixture
def closed(store):
    return store.write(namespaces.add, CLOSED, 5)


def test_a_namespace_comes_back_as_it_was_made(store, closed):
    assert store.read(namespaces.find, "closed") == (closed, replace(CLOSED, created_at_ms=5))
    assert store.read(namespaces.find, "other") is None


@pytest.mark.parametrize("changes", [{"token": "other"}, {"zone": "other.example.com"}], ids=["zone", "token"])
def test_token_and_zone_are_taken_once(store, closed, changes):
    with pytest.raises(Conflict, match="already"):
        store.write(namespaces.add, replace(CLOSED, **changes), 5)


def test_a_change_keeps_the_row(store, closed, rows):
    rows.namespace()
    store.write(namespaces.change, closed, replace(CLOSED, zone="new.example.com", open=True), 6)
    row, changed = store.read(namespaces.find, "closed")
    assert (row, changed.zone, changed.open) == (closed, "new.example.com", True)
    with pytest.raises(Conflict, match="another namespace with the zone share.example.com"):
        store.write(namespaces.change, closed, replace(CLOSED, zone="share.example.com"), 7)


def test_who_may_use_which(store, closed, rows):
    ann, bob, public = rows.account(), rows.account("bob@example.com"), rows.namespace()

    def usable(account):
        return [space.token for space in store.read(namespaces.usable, account.id)]

    assert usable(ann) == usable(bob) == ["public"]
    store.write(namespaces.grant, closed, ann.id)
    store.write(namespaces.grant, closed, ann.id)
    assert (usable(ann), usable(bob)) == (["closed", "public"], ["public"])
    assert store.read(namespaces.is_usable, closed, ann.id)
    assert not store.read(namespaces.is_usable, closed, bob.id)
    assert store.read(namespaces.is_usable, public, bob.id)
    store.write(namespaces.revoke, closed, ann.id)
    store.write(namespaces.revoke, closed, ann.id)
    assert usable(ann) == ["public"]


def test_a_removed_one_is_history_and_its_zone_is_free(store, closed, rows):
    ann = rows.account()
    store.write(namespaces.grant, closed, ann.id)
    store.write(namespaces.remove, closed, 9)
    assert store.read(namespaces.find, "closed") is None
    assert store.read(namespaces.usable, ann.id) == store.read(namespaces.every) == ()
    assert store.write(namespaces.add, CLOSED, 10) != closed


def test_setting_frontends_says_whether_that_was_news(store, closed, rows):
    one, two = rows.frontend("one"), rows.frontend("two")
    steps = [([one], True), ([one], False), ([two, one], True), ([one, two], False), ([], True), ([], False)]
    for frontends, news in steps:
        assert store.write(namespaces.set_frontends, closed, frontends) == news
