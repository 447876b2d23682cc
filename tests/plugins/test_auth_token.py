import pytest
from zrokd_plugins.auth_token import TokenAuthenticator, zrokd_provide_auths

from zrokd.contracts import Settings
from zrokd.errors import StoreError
from zrokd.model.account import Credentials, Principal, Scope

HOLDERS = {
    "anns": Principal(account_id=0, email="ann@example.com", scope=Scope.READ, token="phone"),
    "edges": Principal(frontend="edge"),
    "admins": Principal(admin=True, scope=Scope.ADMIN, token="deploy"),
}


class Known:
    """A directory of an account, a frontend and an administrator."""

    def __init__(self):
        self.asked = []

    def holder_of(self, token):
        self.asked.append(token)
        return HOLDERS.get(token)


@pytest.fixture
def auth(small_ctx):
    return TokenAuthenticator(Settings(), small_ctx)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("anns", Principal(account_id=0, email="ann@example.com", scope=Scope.READ, token="phone", method="token")),
        ("edges", Principal(frontend="edge", method="token")),
        ("admins", Principal(admin=True, scope=Scope.ADMIN, token="deploy", method="token")),
        ("nobodys", None),
    ],
)
def test_who_holds_a_token_is_known(auth, token, expected):
    assert auth.authenticate(Credentials(token=token), Known()) == expected


def test_without_a_token_nobody_is_asked(auth):
    directory = Known()
    assert auth.authenticate(Credentials(username="ann", password="x"), directory) is None
    assert directory.asked == []


def test_a_store_that_is_away_is_no_answer(auth):
    class Away:
        def holder_of(self, token):
            raise StoreError("locked")

    with pytest.raises(StoreError):
        auth.authenticate(Credentials(token="anns"), Away())


def test_the_module_provides_it():
    assert [cls.name for cls in zrokd_provide_auths()] == ["token"]
