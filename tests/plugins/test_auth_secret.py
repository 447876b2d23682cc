import hmac

import pytest
from pydantic import ValidationError
from zrokd_plugins import auth_secret
from zrokd_plugins.auth_secret import SecretAuthenticator, SecretSettings, zrokd_provide_auths

from zrokd.model.account import Credentials, Principal
from zrokd.model.units import Secret

FIRST, SECOND = Secret("first-secret"), Secret("second-secret")


@pytest.fixture
def auth(small_ctx):
    return SecretAuthenticator(SecretSettings(secrets=[FIRST, SECOND]), small_ctx)


@pytest.mark.parametrize("token", ["first-secret", "second-secret"])
def test_each_secret_makes_an_administrator(auth, token):
    assert auth.authenticate(Credentials(token=token), None) == Principal(admin=True, method="secret")


@pytest.mark.parametrize(
    "token", ["", "first", "first-secret ", "FIRST-SECRET", "***", "first-secretsecond-secret", "é"]
)
def test_nothing_else_does(auth, token):
    assert auth.authenticate(Credentials(token=token), None) is None


@pytest.mark.parametrize("secret", ["", "admin", "1234567"])
def test_a_secret_that_is_soon_guessed_is_refused_and_not_told(secret):
    with pytest.raises(ValidationError, match="at least 8 characters") as caught:
        SecretSettings(secrets=[FIRST, Secret(secret)])
    assert not secret or secret not in str(caught.value).replace("administrator", "")


@pytest.mark.parametrize("token", ["first-secret", "second-secret", "wrong"])
def test_every_secret_is_compared_whatever_the_token(auth, monkeypatch, token):
    compared = []
    monkeypatch.setattr(
        auth_secret.hmac, "compare_digest", lambda a, b: compared.append(len(a) == len(b)) or a == b, raising=True
    )
    auth.authenticate(Credentials(token=token), None)
    assert compared == [True, True]
    assert auth_secret.hmac is hmac


def test_there_must_be_a_secret():
    with pytest.raises(ValidationError):
        SecretSettings(secrets=[])


def test_secrets_do_not_print():
    assert "first" not in repr(SecretSettings(secrets=[FIRST]))


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_auths()] == ["secret"]
