import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zrokd.errors import Invalid
from zrokd.model.passwords import check_password_hash, hash_password, verify_password

SALT = base64.b64encode(b"salt").decode()
DIGEST = base64.b64encode(b"d" * 32).decode()


def test_the_right_password_is_taken_and_any_other_is_not():
    encoded = hash_password("correct horse")
    assert verify_password("correct horse", encoded)
    for wrong in ("", "correct hors", "correct horse ", "Correct horse"):
        assert not verify_password(wrong, encoded)


def test_a_password_may_hold_any_character_and_may_be_empty():
    for password in ("", "pässwörd ☃", "with$dollar:colon", "\x00"):
        assert verify_password(password, hash_password(password))


def test_the_same_password_never_gives_the_same_hash_and_is_not_in_it():
    one, other = hash_password("secret-word"), hash_password("secret-word")
    assert one != other
    assert "secret-word" not in one


def test_a_hash_names_its_kind_and_its_cost():
    kind, n, r, p, salt, digest = hash_password("x").split("$")
    assert (kind, n, r, p) == ("scrypt", "16384", "8", "1")
    assert len(base64.b64decode(salt)) == 16
    assert len(base64.b64decode(digest)) == 32


def test_a_hash_made_with_other_costs_is_verified():
    # RFC 7914 §12, third vector, cut to its first 32 bytes
    digest = bytes.fromhex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2")
    encoded = "$".join(
        [
            "scrypt",
            "16384",
            "8",
            "1",
            base64.b64encode(b"SodiumChloride").decode(),
            base64.b64encode(digest).decode(),
        ]
    )
    assert verify_password("pleaseletmein", encoded)
    assert not verify_password("pleaseletmeout", encoded)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "plain",
        f"bcrypt$16384$8$1${SALT}${DIGEST}",
        f"scrypt$16384$8$1${SALT}",
        f"scrypt$16384$8$1${SALT}${DIGEST}$more",
        f"scrypt$many$8$1${SALT}${DIGEST}",
        f"scrypt$16384$8$1$not base64!${DIGEST}",
        f"scrypt$16383$8$1${SALT}${DIGEST}",
        f"scrypt$0$8$1${SALT}${DIGEST}",
        f"scrypt$1$8$1${SALT}${DIGEST}",
        f"scrypt$-2$8$1${SALT}${DIGEST}",
        f"scrypt$16384$0$1${SALT}${DIGEST}",
        f"scrypt$16384$8$0${SALT}${DIGEST}",
        f"scrypt$16384$8$17${SALT}${DIGEST}",
        f"scrypt$1073741824$8$1${SALT}${DIGEST}",
        f"scrypt$2$536870912$1${SALT}${DIGEST}",
        f"scrypt$16384$8$1${SALT}$AAAA",
        f"scrypt$16384$8$1${SALT}${base64.b64encode(b'd' * 65).decode()}",
    ],
)
def test_what_is_no_hash_of_ours_is_refused_before_it_costs_anything(encoded):
    with pytest.raises(Invalid):
        check_password_hash(encoded)
    with pytest.raises(Invalid):
        verify_password("x", encoded)


def test_a_refusal_does_not_repeat_the_hash():
    with pytest.raises(Invalid) as refused:
        check_password_hash("scrypt$verysecret$8$1$a$b")
    assert "verysecret" not in str(refused.value)


def test_a_good_hash_is_given_back():
    encoded = f"scrypt$16384$8$1${SALT}${DIGEST}"
    assert check_password_hash(encoded) == encoded


@settings(max_examples=200)
@given(st.text(alphabet="scrypt$0123456789AZaz+/=-\n ", max_size=80))
def test_no_text_breaks_the_parser(text):
    try:
        check_password_hash(text)
    except Invalid:
        return
    assert text.startswith("scrypt$")
