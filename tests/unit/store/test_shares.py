"""Shares on their way in and out, and who may have an access."""

import pytest

from zrokd.errors import Conflict
from zrokd.model.share import Gating, Permission, ShareMode
from zrokd.store import environments, names, shares, tables


@pytest.fixture
def ann(rows):
    return rows.account()


@pytest.fixture
def home(rows, ann):
    return rows.environment(ann)


def test_a_share_comes_back_as_it_was_asked_for(store, rows, ann, home):
    gating = Gating(gate="basic", config={"users": [{"username": "ann"}], "deep": {"er": 1}})
    made = rows.share(
        home, target="http://127.0.0.1:3000", gating=gating, permission=Permission.OPEN, share_mode=ShareMode.PRIVATE
    )
    assert (made.token, made.env_z_id, made.account_id) == ("tok1", "z1", ann.id)
    assert (made.share_mode, made.permission, made.mode) == (ShareMode.PRIVATE, Permission.OPEN, "proxy")
    assert (made.target, made.gating, made.endpoints) == ("http://127.0.0.1:3000", gating, ())
    assert store.read(shares.by_token, "tok1") == made
    assert store.read(shares.of_account, ann.id) == (made,)


def test_a_reserved_one_counts_holds_its_token_and_is_not_seen(store, rows, ann, home):
    store.write(shares.reserve, home.id, "tok1", rows.draft(home), 1)
    assert store.read(shares.count, ann.id) == 1
    assert store.read(shares.by_token, "tok1") is None
    assert store.read(shares.by_token, "tok1", leaving=True).token == "tok1"
    assert store.read(shares.all_tokens) == {"tok1"}
    assert store.read(shares.live_tokens) == set()
    with pytest.raises(Conflict, match="the share token 'tok1' is taken"):
        store.write(shares.reserve, home.id, "tok1", rows.draft(home), 1)


def test_it_does_not_become_live_in_an_environment_that_leaves(store, rows, home):
    row = store.write(shares.reserve, home.id, "tok1", rows.draft(home), 1)
    store.write(environments.make_leave, home.id, 2)
    assert not store.write(shares.make_live, row, 3)
    assert store.read(shares.live_tokens) == set()


def test_it_does_not_become_live_when_it_is_gone(store, rows, home):
    row = store.write(shares.reserve, home.id, "tok1", rows.draft(home), 1)
    store.write(shares.forget, "tok1")
    assert not store.write(shares.make_live, row, 3)


def test_a_live_one_cannot_be_forgotten(store, rows, home):
    made = rows.share(home)
    store.write(shares.forget, "tok1")
    assert store.read(shares.by_token, "tok1") == made
    store.write(shares.make_leave, made.id, 4)
    store.write(shares.forget, "tok1")
    assert store.read(shares.all_tokens) == set()


def test_a_revised_one_keeps_its_token_and_its_age(store, rows, home):
    made = rows.share(home)
    draft = rows.draft(home, mode="web", target="/srv", gating=Gating(gate="basic"), permission=Permission.OPEN)
    store.write(shares.revise, made.id, draft, 8)
    new = store.read(shares.by_token, "tok1")
    assert (new.id, new.mode, new.target, new.gating.gate, new.permission) == (made.id, "web", "/srv", "basic", "open")
    assert (new.created_at_ms, new.updated_at_ms) == (1, 8)


def test_endpoints_are_the_hosts_of_its_names_in_their_order(store, rows, ann, home):
    share = rows.share(home)
    one, two = rows.namespace(), rows.namespace("other", "example.org")
    rows.name(one, ann, "zoo", share)
    rows.name(two, ann, "blog", share)
    assert store.read(shares.by_token, "tok1").endpoints == ("zoo.share.example.com", "blog.example.org")
    assert [s.token for s in store.read(shares.of_namespace, two)] == ["tok1"]


@pytest.mark.blocks_hub("makes them on the hub, in one go")
def test_a_thousand_shares_are_listed_with_their_hosts(store, rows, ann, home):
    space = rows.namespace()

    def make():
        for number in range(1200):
            row = shares.reserve(home.id, f"tok{number}", rows.draft(home), 1)
            shares.make_live(row, 1)
            names.attach(row, names.add(space, ann.id, f"name{number}", 1, reserved=True))

    store.write(make)
    listed = store.read(shares.of_account, ann.id)
    assert [share.endpoints for share in listed] == [(f"name{n}.share.example.com",) for n in range(1200)]


def test_of_one_environment_live_or_all(store, rows, home):
    made = rows.share(home)
    store.write(shares.reserve, home.id, "tok2", rows.draft(home), 1)
    assert store.read(shares.of_environment, home.id) == (made,)
    assert [s.token for s in store.read(shares.of_environment, home.id, leaving=True)] == ["tok1", "tok2"]


def test_grants_can_be_added_taken_back_and_set(store, rows, home):
    share = rows.share(home)
    bob, cat, dan = (f"{name}@example.com" for name in ("bob", "cat", "dan"))
    ids = [rows.account(email).id for email in (bob, cat, dan)]

    def granted():
        return [store.read(shares.is_granted, share.id, who) for who in ids]

    store.write(shares.grant, share.id, [bob, cat, bob])
    assert granted() == [True, True, False]
    store.write(shares.revoke, share.id, [bob, dan])
    assert granted() == [False, True, False]
    store.write(shares.set_grants, share.id, [dan])
    assert granted() == [False, False, True]


@pytest.mark.parametrize("table", [tables.Share, tables.Environment, tables.Name, tables.ShareName])
def test_many_are_read_without_an_object_of_peewees_each(store, rows, ann, home, monkeypatch, table):
    """They cost five times what all the rest of an overview does, and others wait for it."""
    made = [rows.share(home, token=f"tok{number}") for number in range(3)]

    def never(*_values, **_more):
        raise AssertionError(f"an object of {table.__name__} was made")

    monkeypatch.setattr(table, "__init__", never)
    assert store.read(shares.of_account, ann.id) == tuple(made)
    assert store.read(names.of_account, ann.id) == ()
