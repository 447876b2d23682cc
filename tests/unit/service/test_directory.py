"""The accounts as authenticators see them."""

import pytest

from zrokd.errors import StoreError
from zrokd.model.account import Principal, Scope
from zrokd.store import tables

STRANGE = ["", "\0", "\ud800", "x" * 100_000, "' or 1=1 --", "%"]


@pytest.mark.parametrize("token", STRANGE)
def test_a_token_nobody_holds_leads_nowhere(house, ann, token):
    house.frontends.ensure("edge", "token-of-edge")
    assert house.directory.holder_of(token) is None


def test_tokens_of_accounts_and_frontends_are_two_kinds(house):
    own = house.accounts.create("ann@example.com")
    house.frontends.ensure("edge", "token-of-edge")
    assert house.directory.holder_of("token-of-edge") == Principal(frontend="edge")
    ann = house.directory.account_by_email("ann@example.com")
    assert house.directory.holder_of(own) == Principal(account_id=ann.id, email=ann.email, scope=Scope.ACCOUNT)


def test_the_hash_itself_is_no_token(house):
    house.accounts.create("ann@example.com")
    (digest,) = house.store.read(lambda: [row.digest for row in tables.AccountToken.select()])
    assert house.directory.holder_of(digest) is None


def test_an_expired_token_leads_nowhere(house):
    own = house.accounts.create("ann@example.com")
    house.store.write(lambda: tables.AccountToken.update(expires_at_ms=house.clock.now_ms() + 60_000).execute())
    assert house.directory.holder_of(own)
    house.clock.ahead_ms = 60_000
    assert house.directory.holder_of(own) is None


@pytest.mark.parametrize("email", ["ann@example.com", " ANN@Example.com"])
def test_an_address_leads_to_its_account_however_it_is_written(house, ann, email):
    assert house.directory.account_by_email(email).id == ann.account_id


def test_an_unknown_address_leads_nowhere(house, ann):
    assert house.directory.account_by_email("eve@example.com") is None


# -- when tokens were used ---


def last_used(house):
    return [token.last_used_at_ms for token in house.tokens.list(house.principal().account_id)]


def test_a_use_is_kept_when_it_is_told_to(house):
    own = house.accounts.create("ann@example.com")
    house.directory.holder_of(own)
    assert last_used(house) == [0]
    before = house.clock.now_ms()
    house.directory.holder_of(own)
    house.directory.keep_uses()
    assert last_used(house)[0] > before


def test_a_use_that_cannot_be_kept_now_is_kept_by_the_next_call(house):
    own = house.accounts.create("ann@example.com")
    house.directory.holder_of(own)
    house.faults.arm(1, _locked)
    with pytest.raises(StoreError):
        house.directory.keep_uses()
    house.directory.keep_uses()
    assert last_used(house)[0] > 0


def _locked(where):
    raise StoreError("locked")


def test_without_uses_nothing_is_written(house):
    house.directory.holder_of("nobody's")
    house.faults.arm(1, _locked)
    house.directory.keep_uses()
