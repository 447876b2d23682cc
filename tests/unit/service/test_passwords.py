import pytest
from argon2 import PasswordHasher

from zrokd.errors import WeakPassword
from zrokd.model.passwords import hash_password
from zrokd.service.passwords import Passwords, check_password
from zrokd.store.database import direct


@pytest.fixture
def passwords():
    return Passwords(direct)


@pytest.mark.parametrize("password", ["Correct-h0rse", "Aa1!aaaa", "ÄÖ9~|, .", "Aa1<" * 256])
def test_passwords_that_may_be(password):
    assert check_password(password) == password


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("", "8 to 1024"),
        ("Aa1!aaa", "8 to 1024"),
        ("Aa1!" * 257, "8 to 1024"),
        ("aaaa-0000", "capital letter and a digit"),
        ("AAAA-aaaa", "capital letter and a digit"),
        ("AAAAaaa0", "one of"),
    ],
)
def test_passwords_that_are_too_easy(password, rule):
    with pytest.raises(WeakPassword, match=rule) as caught:
        check_password(password)
    assert not password or password not in str(caught.value)


def test_a_hash_tells_right_from_wrong_and_is_salted(passwords):
    first, second = passwords.hash("Correct-h0rse"), passwords.hash("Correct-h0rse")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches("Correct-h0rse", first) and not passwords.matches("Correct-h0rsE", first)
    assert not passwords.is_outdated(first)


@pytest.mark.parametrize("encoded", ["", "garbage", "scrypt$1$2$3", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$x$y"])
def test_what_is_no_hash_lets_nobody_in(passwords, encoded):
    assert passwords.matches("", encoded) is False
    assert passwords.matches("nobody's own text", encoded) is False


@pytest.mark.parametrize(
    "encoded",
    [
        hash_password("Correct-h0rse"),  # of our first release
        PasswordHasher(time_cost=1, memory_cost=3072, parallelism=4).hash("Correct-h0rse"),  # as zrok's
    ],
)
def test_hashes_by_older_rules_are_taken_and_made_anew(passwords, encoded):
    assert passwords.matches("Correct-h0rse", encoded) and not passwords.matches("wrong", encoded)
    assert passwords.is_outdated(encoded)


def test_an_address_without_account_costs_the_same_work():
    done = []

    def record(function, *args):
        done.append(function)
        return function(*args)

    passwords = Passwords(record)
    kept = passwords.hash("Correct-h0rse")
    passwords.matches("wrong", kept)
    passwords.matches("wrong", "")
    assert done[1] is done[2]
