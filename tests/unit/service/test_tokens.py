"""Tokens with a name, a scope and an end."""

import pytest

from tests.postgres.fixtures import only_sqlite
from zrokd.errors import Conflict, Invalid, LimitReached, NotFound
from zrokd.model.account import Scope
from zrokd.store import tables


def names(house, principal):
    return [token.name for token in house.tokens.list(principal.account_id)]


def test_a_new_token_lets_in_with_its_scope_and_says_its_name(house, ann):
    token, secret = house.tokens.create(ann.account_id, "phone", Scope.READ)
    holder = house.directory.holder_of(secret)
    assert (holder.account_id, holder.scope, holder.token) == (ann.account_id, Scope.READ, "phone")
    assert token in house.tokens.list(ann.account_id)


def test_a_token_ends_on_time_and_is_told_of_for_a_week(house, ann):
    token, secret = house.tokens.create(ann.account_id, "phone", Scope.READ, 60)
    assert token.expires_at_ms - token.created_at_ms == 60_000
    house.clock.ahead_ms = 61_000
    assert house.directory.holder_of(secret) is None
    assert house.tokens.prune() == 0 and "phone" in names(house, ann)
    house.clock.ahead_ms += 7 * 86_400_000
    assert house.tokens.prune() == 1 and "phone" not in names(house, ann)


def test_a_clock_that_goes_back_lengthens_a_life_by_no_more_than_that(house, ann):
    hour_ms, day_ms = 3_600_000, 86_400_000
    _, secret = house.tokens.create(ann.account_id, "phone", Scope.READ, 60)
    lives = []
    for ahead_ms in (hour_ms, 59_000, 61_000 - day_ms, 59_000, 61_000, day_ms):
        house.clock.ahead_ms = ahead_ms
        lives.append(house.directory.holder_of(secret) is not None)
    assert lives == [False, True, True, True, False, False]


def test_revoking_ends_it_at_once_and_no_other(house, ann, bob):
    secrets = [house.tokens.create(one.account_id, "phone", Scope.SHARE)[1] for one in (ann, bob)]
    house.tokens.revoke(ann.account_id, "phone")
    assert [house.directory.holder_of(secret) is not None for secret in secrets] == [False, True]
    with pytest.raises(NotFound, match="^no such token$"):
        house.tokens.revoke(ann.account_id, "phone")


def test_what_nobody_named_is_listed_and_revoked_too(house):
    own = house.accounts.create("ann@example.com", "Correct-h0rse")
    ann = house.principal()
    by_login = [house.logins.login(ann.email, "Correct-h0rse", "192.0.2.1") for _ in range(2)]
    assert names(house, ann) == ["account", "login", "login"]
    house.tokens.revoke(ann.account_id, "login")
    assert [house.directory.holder_of(token) is not None for token in (own, *by_login)] == [True, False, False]
    house.tokens.revoke(ann.account_id, "account")
    assert house.directory.holder_of(own) is None


def test_the_configurations_token_cannot_be_revoked_as_it_would_come_back(house):
    house.accounts.ensure("ann@example.com", "token-of-ann")
    with pytest.raises(Invalid, match="taken out there"):
        house.tokens.revoke(house.principal().account_id, "configuration")
    assert house.directory.holder_of("token-of-ann")


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65, "ä", "a\n", "login", "account", "configuration"])
def test_what_cannot_be_a_name_is_refused(house, ann, name):
    with pytest.raises(Invalid):
        house.tokens.create(ann.account_id, name, Scope.READ)
    with pytest.raises(Invalid):
        house.tokens.create_admin(name)


@pytest.mark.parametrize("expires_in_s", [-1, 2**40])
def test_an_end_must_be_ahead_and_in_sight(house, ann, expires_in_s):
    with pytest.raises(Invalid, match="ten years"):
        house.tokens.create(ann.account_id, "phone", Scope.READ, expires_in_s)


def test_an_account_cannot_have_an_administrators_token(house, ann):
    with pytest.raises(Invalid, match="read, share or account"):
        house.tokens.create(ann.account_id, "root", Scope.ADMIN)


def test_a_name_is_used_once_by_each(house, ann, bob):
    house.tokens.create(bob.account_id, "phone", Scope.READ)
    house.tokens.create_admin("phone")
    house.tokens.create(ann.account_id, "phone", Scope.READ)
    with pytest.raises(Conflict, match="a token 'phone' already"):
        house.tokens.create(ann.account_id, "phone", Scope.SHARE)
    with pytest.raises(Conflict, match="a token 'phone' already"):
        house.tokens.create_admin("phone")


def test_there_are_a_hundred_at_most_and_those_of_logins_do_not_count(house):
    house.accounts.create("ann@example.com", "Correct-h0rse")
    ann = house.principal()
    house.logins.login(ann.email, "Correct-h0rse", "192.0.2.1")
    for number in range(100):
        house.tokens.create(ann.account_id, f"t{number}", Scope.READ)
    with pytest.raises(LimitReached, match="revoke some"):
        house.tokens.create(ann.account_id, "one-more", Scope.READ)


def test_at_once_a_name_is_given_once(house, ann, at_once):
    made = at_once(lambda _: house.tokens.create(ann.account_id, "phone", Scope.READ), range(10))
    assert sum(isinstance(one, tuple) for one in made) == 1
    assert sum(isinstance(one, Conflict) for one in made) == 9


def test_an_administrators_token_lets_in_until_it_is_revoked(house):
    token, secret = house.tokens.create_admin("deploy", 60)
    holder = house.directory.holder_of(secret)
    assert (holder.admin, holder.account_id, holder.token) == (True, None, "deploy")
    assert house.tokens.list_admin() == (token,)
    house.tokens.revoke_admin("deploy")
    assert house.directory.holder_of(secret) is None
    with pytest.raises(NotFound, match="^no such token$"):
        house.tokens.revoke_admin("deploy")


def test_nobody_gets_a_token_for_an_account_that_is_gone(house, ann):
    house.accounts.delete(ann.email)
    with pytest.raises(NotFound):
        house.tokens.create(ann.account_id, "phone", Scope.READ)


def test_a_regenerated_token_ends_those_with_names_too(house, ann):
    secret = house.tokens.create(ann.account_id, "phone", Scope.READ)[1]
    house.accounts.regenerate_token(ann)
    assert house.directory.holder_of(secret) is None


@only_sqlite
def test_secrets_are_long_and_kept_as_hashes(house, ann):
    secrets = [house.tokens.create(ann.account_id, "phone", Scope.READ)[1], house.tokens.create_admin("deploy")[1]]
    kept = house.store.read(lambda: [*tables.AccountToken.select().dicts(), *tables.AdminToken.select().dicts()])
    content = b"".join(file.read_bytes() for file in house.folder.glob("zrokd.sqlite3*"))
    for secret in secrets:
        assert secret.startswith("zrokd_") and len(secret) == 38
        assert secret not in str(kept) and secret.encode() not in content
