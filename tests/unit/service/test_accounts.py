"""Who pays."""

import pytest

from tests.postgres.fixtures import only_sqlite
from zrokd.errors import Conflict, Denied, Invalid, NotFound, OverlayError
from zrokd.model.account import Principal, Scope
from zrokd.model.share import Permission
from zrokd.store import tables

CANARY = "CanaryTokenNobodyMaySee"


def test_a_new_account_has_a_token_that_lets_it_in(house):
    token = house.accounts.create("Ann@Example.com")
    holder = house.directory.holder_of(token)
    assert (holder.email, holder.scope, len(token)) == ("ann@example.com", Scope.ACCOUNT, 12)
    assert [(one.id, one.limitless) for one in house.accounts.list()] == [(holder.account_id, False)]


def test_a_password_is_kept_as_a_slow_hash(house):
    house.accounts.create("ann@example.com", "Correct-h0rse")
    kept = house.store.read(lambda: tables.Account.get().password_hash)
    assert kept.startswith("$argon2id$") and "h0rse" not in kept


@pytest.mark.parametrize(("email", "password"), [("nobody", ""), ("", ""), ("a@b", "x" * 1025), ("a@b", "a\0b")])
def test_what_cannot_be_an_account_is_refused(house, email, password):
    with pytest.raises(Invalid):
        house.accounts.create(email, password)
    assert house.accounts.list() == ()


def test_of_fifty_registrations_at_once_one_wins(house, at_once):
    answers = at_once(lambda _: house.accounts.create("ann@example.com"), range(50))
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert {type(answer) for answer in answers if not isinstance(answer, str)} == {Conflict}


@only_sqlite
def test_tokens_are_nowhere_in_the_files_of_the_database(house):
    made = house.accounts.create("ann@example.com")
    house.accounts.ensure("bob@example.com", CANARY + "1")
    house.frontends.ensure("edge", CANARY + "2")
    ann = house.principal()
    fresh = house.accounts.regenerate_token(ann)
    home = house.env(ann)
    document = house.environments.enable.__self__._core.overlay.create_environment("x-y").document
    assert house.directory.holder_of(CANARY + "1") and house.directory.holder_of(CANARY + "2")
    files = sorted(house.folder.glob("zrokd.sqlite3*"))
    content = b"".join(file.read_bytes() for file in files)
    assert b"ann@example.com" in content and home.encode() in content, "the search finds what is there"
    for secret in (made, fresh, CANARY, document):
        assert secret.encode() not in content


# -- as the configuration wants it ---


def test_ensuring_twice_is_as_good_as_once(house):
    first = house.accounts.ensure("Ann@example.com", "token-of-ann")
    assert house.accounts.ensure("ann@example.com", "token-of-ann") == first
    assert house.directory.holder_of("token-of-ann").account_id == first.id
    assert house.store.read(lambda: tables.AccountToken.select().count()) == 1


def test_a_new_token_in_the_configuration_ends_the_old_one_and_no_other(house):
    own = house.accounts.create("ann@example.com")
    house.accounts.ensure("ann@example.com", "token-of-ann")
    house.accounts.ensure("ann@example.com", "another-token")
    known = [house.directory.holder_of(token) is not None for token in (own, "token-of-ann", "another-token")]
    assert known == [True, False, True]


def test_a_token_of_another_account_is_refused(house):
    house.accounts.ensure("ann@example.com", "token-of-ann")
    with pytest.raises(Conflict, match="in use already"):
        house.accounts.ensure("bob@example.com", "token-of-ann")
    assert [account.email for account in house.accounts.list()] == ["ann@example.com"]


@pytest.mark.parametrize(("email", "token"), [("nobody", "token-of-ann"), ("ann@example.com", "short")])
def test_what_the_configuration_may_not_say(house, email, token):
    with pytest.raises(Invalid):
        house.accounts.ensure(email, token)


# -- tokens end, accounts end ---


def test_a_regenerated_token_ends_all_others(house):
    own = house.accounts.create("ann@example.com")
    house.accounts.ensure("ann@example.com", "token-of-ann")
    fresh = house.accounts.regenerate_token(house.principal())
    known = [house.directory.holder_of(token) is not None for token in (own, "token-of-ann", fresh)]
    assert known == [False, False, True]


def test_only_accounts_regenerate(house):
    with pytest.raises(Denied):
        house.accounts.regenerate_token(Principal(admin=True))


def test_a_deleted_account_leaves_nothing_of_itself(house, ann, bob):
    house.public(frontends=["edge"])
    token = house.accounts.regenerate_token(ann)
    home, away = house.env(ann), house.env(bob)
    house.names.create("public", "blog", ann)
    house.share(ann, home, "blog")
    private = house.share(ann, house.env(ann), private=True, permission=Permission.OPEN)
    house.accesses.access(away, private.token, bob)
    house.accounts.delete(" Ann@example.com")
    assert house.directory.holder_of(token) is None
    assert [account.email for account in house.accounts.list()] == ["bob@example.com"]
    assert house.hosts() == {} and house.accesses.list(bob) == ()
    assert set(house.overlay.held("environments")) == {away}
    assert house.hooks.names().count("on_environment_deleted") == 2
    assert house.names.create("public", "blog", bob).name == "blog"
    assert house.differences() == []


def test_a_deleted_address_can_come_back_as_somebody_new(house, ann):
    house.accounts.delete(ann.email)
    again = house.principal(ann.email)
    assert again.account_id != ann.account_id
    with pytest.raises(NotFound):
        house.env(ann)


def test_deleting_while_the_overlay_is_away_is_finished_later(house, ann):
    house.public(frontends=["edge"])
    house.share(ann, house.env(ann))
    house.env(ann)
    house.overlay.away = True
    with pytest.raises(OverlayError):
        house.accounts.delete(ann.email)
    assert house.accounts.list() == () and house.hosts() == {}
    house.overlay.away = False
    house.reconciler.reconcile(grace_s=0)
    assert house.overlay.held("environments") == {} and house.differences() == []


def test_enabling_while_the_account_is_deleted_leaves_nothing(house, ann, at_once):
    def act(number):
        return house.accounts.delete(ann.email) if number == 4 else house.env(ann)

    at_once(act, range(10))
    house.reconciler.reconcile(grace_s=0)
    assert house.overlay.held("environments") == {} and house.differences() == []


@pytest.mark.parametrize("email", ["eve@example.com", "deleted@example.com"])
def test_an_unknown_account_is_not_found(house, email):
    house.principal("deleted@example.com")
    house.accounts.delete("deleted@example.com")
    with pytest.raises(NotFound, match="^no such account$"):
        house.accounts.delete(email)
