"""The accounts as authenticators see them."""

import pytest

from zrokd.store import tables

STRANGE = ["", "\0", "\ud800", "x" * 100_000, "' or 1=1 --", "%"]


@pytest.mark.parametrize("token", STRANGE)
def test_a_token_nobody_holds_leads_nowhere(house, ann, token):
    house.frontends.ensure("edge", "token-of-edge")
    assert house.directory.account_by_token(token) is None
    assert house.directory.frontend_by_token(token) is None


def test_tokens_of_accounts_and_frontends_are_two_kinds(house):
    own = house.accounts.create("ann@example.com")
    house.frontends.ensure("edge", "token-of-edge")
    assert house.directory.account_by_token("token-of-edge") is None
    assert house.directory.frontend_by_token(own) is None
    assert house.directory.frontend_by_token("token-of-edge") == "edge"


def test_the_hash_itself_is_no_token(house):
    house.accounts.create("ann@example.com")
    (digest,) = house.store.read(lambda: [row.digest for row in tables.AccountToken.select()])
    assert house.directory.account_by_token(digest) is None


def test_an_expired_token_leads_nowhere(house):
    own = house.accounts.create("ann@example.com")
    house.store.write(lambda: tables.AccountToken.update(expires_at_ms=house.clock.now_ms() + 60_000).execute())
    assert house.directory.account_by_token(own)
    house.clock.ahead_ms = 60_000
    assert house.directory.account_by_token(own) is None


@pytest.mark.parametrize("email", ["ann@example.com", " ANN@Example.com"])
def test_an_address_leads_to_its_account_however_it_is_written(house, ann, email):
    assert house.directory.account_by_email(email).id == ann.account_id


def test_an_unknown_address_leads_nowhere(house, ann):
    assert house.directory.account_by_email("eve@example.com") is None
