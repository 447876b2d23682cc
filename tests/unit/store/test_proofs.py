import pytest

from zrokd.errors import Conflict
from zrokd.store import accounts, proofs


def test_a_registration_is_good_until_its_time_and_once_per_address(store):
    store.write(proofs.add_registration, "a@b", "one", "", 1, 100)
    store.write(proofs.add_registration, "a@b", "two", "", 2, 100)
    assert [store.read(proofs.registration, digest, 99) for digest in ("one", "two")] == [None, "a@b"]
    assert store.read(proofs.registration, "two", 100) is None
    store.write(proofs.end_registrations, "a@b")
    assert store.read(proofs.registration, "two", 99) is None


def test_a_reset_is_good_until_its_time_and_for_a_living_account(store, rows):
    account = rows.account()
    store.write(proofs.add_reset, account.id, "one", 1, 100)
    store.write(proofs.add_reset, account.id, "two", 2, 100)
    assert [store.read(proofs.reset, digest, 99) for digest in ("one", "two")] == [None, account.id]
    assert store.read(proofs.reset, "two", 100) is None
    store.write(accounts.remove, account.id, 50)
    assert store.read(proofs.reset, "two", 99) is None


def test_an_invite_is_good_once(store):
    store.write(proofs.add_invites, ["one", "two"], 1)
    assert [store.write(proofs.take_invite, digest, 2) for digest in ("one", "one", "two", "three")] == [
        True, False, True, False,
    ]  # fmt: skip


def test_invites_are_made_all_or_none(store):
    store.write(proofs.add_invites, ["one"], 1)
    with pytest.raises(Conflict, match="in use"):
        store.write(proofs.add_invites, ["two", "one"], 1)
    assert not store.write(proofs.take_invite, "two", 2)


def test_what_expired_is_pruned(store, rows):
    store.write(proofs.add_registration, "a@b", "one", "", 1, 100)
    store.write(proofs.add_reset, rows.account().id, "two", 1, 200)
    assert [store.write(proofs.prune, now_ms) for now_ms in (99, 100, 200, 300)] == [0, 1, 1, 0]
