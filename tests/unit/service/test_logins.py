import pytest

from zrokd.errors import Denied, NotFound
from zrokd.model.passwords import hash_password
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
