import re
from dataclasses import replace

import pytest

from zrokd.errors import Denied, Invalid, NotFound, TooMany, Unavailable
from zrokd.model.account import Principal, Scope
from zrokd.model.passwords import hash_password
from zrokd.service.services import make_services
from zrokd.store import accounts

GOOD = "Correct-h0rse"


def test_a_password_of_the_first_release_lets_in_and_is_hashed_anew(house, ann):
    house.store.write(accounts.set_password, ann.account_id, hash_password(GOOD), 1)
    token = house.logins.login(ann.email, GOOD, "192.0.2.1")
    assert house.directory.holder_of(token).email == ann.email
    assert house.store.read(accounts.password_hash, ann.account_id).startswith("$argon2id$")
    house.logins.login(ann.email, GOOD, "192.0.2.1")


def test_an_account_without_password_cannot_log_in(house, ann):
    for password in ("", GOOD):
        with pytest.raises(Denied):
            house.logins.login(ann.email, password, "192.0.2.1")


def test_nobody_has_no_password_to_set(house):
    with pytest.raises(NotFound):
        house.logins.set("nobody@example.com", GOOD)


def test_logins_at_once_each_get_a_token_of_their_own(house, ann, at_once):
    house.logins.set(ann.email, GOOD)
    tokens = at_once(lambda n: house.logins.login(ann.email, GOOD, f"192.0.2.{n}"), range(10))
    assert len({token for token in tokens if isinstance(token, str)}) == 10


# -- passwords that are kept elsewhere ---


@pytest.fixture
def elsewhere(new_house):
    """A house whose people prove themselves elsewhere: `elsewhere.says` is a Principal, None or an error to raise."""
    house = new_house()
    asked = []

    def prove(credentials):
        asked.append((credentials.username, credentials.password, credentials.peer, credentials.token))
        if isinstance(house.says, Exception):
            raise house.says
        return house.says

    made = make_services(house.store, house.overlay, house.hooks, house.clock, house.bell, prove=prove)
    house.logins, house.says, house.asked = made.logins, None, asked
    return house


def test_who_is_known_elsewhere_gets_a_token_of_the_scope_said_there(elsewhere):
    ann = elsewhere.principal()
    elsewhere.says = replace(ann, scope=Scope.READ)
    token = elsewhere.logins.login(" Ann@example.com", "whatever", "192.0.2.1")
    assert elsewhere.asked == [("ann@example.com", "whatever", "192.0.2.1", "")]
    holder = elsewhere.directory.holder_of(token)
    assert (holder.account_id, holder.scope, holder.admin) == (ann.account_id, Scope.READ, False)


def test_whom_nobody_knows_elsewhere_may_have_a_password_here(elsewhere):
    elsewhere.accounts.create("bob@example.com", GOOD)
    assert elsewhere.logins.login("bob@example.com", GOOD, "192.0.2.1")


def test_who_is_known_elsewhere_has_no_other_password(elsewhere, monkeypatch):
    """And a denial costs a hash, as for an address that nobody knows."""
    elsewhere.accounts.create("bob@example.com", GOOD)
    elsewhere.says = Denied("the one there is another")
    hashed = []
    monkeypatch.setattr("zrokd.service.passwords._verify", lambda *of: hashed.append(of) or False)
    with pytest.raises(Denied, match="e-mail address or password are wrong"):
        elsewhere.logins.login("bob@example.com", GOOD, "192.0.2.1")
    with pytest.raises(Denied):
        elsewhere.says = None
        elsewhere.logins.login("nobody@example.com", GOOD, "192.0.2.1")
    assert len(hashed) == 2


def test_wrong_passwords_elsewhere_count_and_outages_do_not(elsewhere):
    elsewhere.says = Unavailable("away")
    for _ in range(20):
        with pytest.raises(Unavailable):
            elsewhere.logins.login("ann@example.com", "guess", "192.0.2.1")
    elsewhere.says = Denied("no")
    for _ in range(5):
        with pytest.raises(Denied):
            elsewhere.logins.login("ann@example.com", "guess", "192.0.2.1")
    asked = len(elsewhere.asked)
    with pytest.raises(TooMany):
        elsewhere.logins.login("ann@example.com", "guess", "192.0.2.1")
    assert len(elsewhere.asked) == asked, "they are not asked: each could lock somebody out"


def test_a_password_that_is_kept_elsewhere_is_not_changed_here(elsewhere):
    ann = elsewhere.principal()
    elsewhere.says = ann
    with pytest.raises(Denied):
        elsewhere.logins.change(ann.email, "whatever", GOOD, ann, "192.0.2.1")
    assert elsewhere.asked == []


def test_an_administrator_gets_a_token_that_ends_with_the_day(elsewhere):
    elsewhere.says = Principal(email="root@example.com", admin=True)
    token, secret = elsewhere.logins.login_admin("root@example.com", "whatever", "192.0.2.1")
    assert re.fullmatch(r"login root@example\.com \w{12}", token.name)
    holder = elsewhere.directory.holder_of(secret)
    assert (holder.admin, holder.account_id, holder.scope) == (True, None, Scope.ADMIN)
    elsewhere.clock.ahead_ms += 8 * 3600 * 1000 + 1000
    assert elsewhere.directory.holder_of(secret) is None
    with pytest.raises(Denied):
        elsewhere.logins.login("root@example.com", "whatever", "192.0.2.1")


def test_an_administrators_logins_take_no_room_and_can_be_ended(elsewhere, monkeypatch):
    monkeypatch.setattr("zrokd.service.tokens._MOST", 2)
    elsewhere.says = Principal(email="root@example.com", admin=True)
    made = [elsewhere.logins.login_admin("root", "x", "192.0.2.1") for _ in range(3)]
    elsewhere.tokens.create_admin("deploy")
    elsewhere.tokens.revoke_admin(made[1][0].name)
    assert [bool(elsewhere.directory.holder_of(secret)) for _, secret in made] == [True, False, True]


def test_an_account_is_no_administrator_by_its_password(elsewhere):
    elsewhere.accounts.create("bob@example.com", GOOD)
    for says in (None, elsewhere.principal()):
        elsewhere.says = says
        with pytest.raises(Denied, match="e-mail address or password are wrong"):
            elsewhere.logins.login_admin("bob@example.com", GOOD, "192.0.2.1")


def test_two_first_logins_at_once_make_one_account(house, at_once):
    made = at_once(house.directory.make_account, ["New@example.com"] * 10)
    assert len({account.id for account in made}) == 1
    assert [one.email for one in house.accounts.list()] == ["new@example.com"]


@pytest.mark.parametrize("email", ["", "no-address", "a@b\0", "x" * 300 + "@example.com"])
def test_an_account_is_made_for_an_address_only(house, email):
    with pytest.raises(Invalid):
        house.directory.make_account(email)
