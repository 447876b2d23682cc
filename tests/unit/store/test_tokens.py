"""API tokens by the digest of their secret."""

import pytest

from zrokd.errors import Conflict
from zrokd.model.account import Principal, Scope
from zrokd.store import accounts, tokens
from zrokd.store.hashing import digest


def hold(store, account, token, **how):
    label = how.pop("label", "")
    store.write(tokens.add, account.id, digest(token), label, 1, **how)


def holder(store, token, now_ms=5):
    return store.read(tokens.holder_of, digest(token), now_ms)


def test_a_token_leads_to_its_account(store, rows):
    ann, bob = rows.account(), rows.account("bob@example.com")
    hold(store, ann, "one")
    hold(store, ann, "two", label="phone", scope=Scope.READ)
    hold(store, bob, "three")
    assert holder(store, "one") == Principal(account_id=ann.id, email=ann.email)
    assert holder(store, "two") == Principal(account_id=ann.id, email=ann.email, scope=Scope.READ, token="phone")
    assert holder(store, "three").account_id == bob.id
    assert holder(store, "four") is None


def test_a_token_of_a_deleted_account_leads_nowhere(store, rows):
    ann = rows.account()
    hold(store, ann, "one")
    store.write(accounts.remove, ann.id, 3)
    assert holder(store, "one") is None


def test_a_frontend_and_an_administrator_are_told_from_accounts(store, rows):
    rows.frontend("edge")
    store.write(tokens.add_admin, digest("deploys"), "deploy", 1, None)
    assert store.read(tokens.holder_of, "digest of edge", 5) == Principal(frontend="edge")
    assert holder(store, "deploys") == Principal(admin=True, scope=Scope.ADMIN, token="deploy")


@pytest.mark.parametrize(("now_ms", "valid"), [(99, True), (100, False), (101, False)])
def test_a_token_ends_when_it_expires(store, rows, now_ms, valid):
    hold(store, rows.account(), "one", expires_at_ms=100)
    store.write(tokens.add_admin, digest("deploys"), "deploy", 1, 100)
    assert [holder(store, token, now_ms) is not None for token in ("one", "deploys")] == [valid, valid]


def test_a_token_is_held_once(store, rows):
    hold(store, rows.account(), "one")
    with pytest.raises(Conflict, match="in use already"):
        hold(store, rows.account("bob@example.com"), "one")


@pytest.mark.parametrize(("label", "left"), [(None, []), ("configuration", ["own"]), ("nothing", ["own", "given"])])
def test_tokens_are_dropped_all_or_by_label(store, rows, label, left):
    ann, bob = rows.account(), rows.account("bob@example.com")
    hold(store, ann, "own")
    hold(store, ann, "given", label="configuration")
    hold(store, bob, "bobs", label="configuration")
    assert store.write(tokens.drop, ann.id, label) == 2 - len(left)
    assert [t for t in ("own", "given") if holder(store, t)] == left
    assert holder(store, "bobs")


def test_uses_are_noted_of_both_kinds_and_of_what_is_gone(store, rows):
    ann = rows.account()
    hold(store, ann, "one")
    store.write(tokens.add_admin, digest("deploys"), "deploy", 1, None)
    store.write(tokens.note_uses, {digest("one"): 7, digest("deploys"): 8, digest("gone"): 9})
    assert [one.last_used_at_ms for one in store.read(tokens.of_account, ann.id)] == [7]
    assert [one.last_used_at_ms for one in store.read(tokens.of_administrators)] == [8]


def test_what_ended_long_ago_is_forgotten(store, rows):
    ann = rows.account()
    for number, end in enumerate([None, 10, 11]):
        hold(store, ann, f"token {number}", label=f"t{number}", expires_at_ms=end)
        store.write(tokens.add_admin, f"digest {number}", f"t{number}", 1, end)
    assert store.write(tokens.prune, 10) == 2
    for found in (store.read(tokens.of_account, ann.id), store.read(tokens.of_administrators)):
        assert [one.name for one in found] == ["t0", "t2"]
