import pytest

from zrokd.api.call import Needs
from zrokd.model.account import Principal, Scope

ACCOUNT = Principal(account_id=1, email="a@b.example")
FRONTEND = Principal(frontend="edge")
ADMIN = Principal(admin=True)


@pytest.mark.parametrize(
    ("needs", "who_may"),
    [
        (Needs.NOBODY, {ACCOUNT, FRONTEND, ADMIN, Principal()}),
        (Needs.READ, {ACCOUNT}),
        (Needs.SHARE, {ACCOUNT}),
        (Needs.ACCOUNT, {ACCOUNT}),
        (Needs.FRONTEND, {FRONTEND}),
        (Needs.ADMIN, {ADMIN}),
    ],
)
def test_each_kind_of_operation_is_for_its_kind_of_principal(needs, who_may):
    assert {who for who in (ACCOUNT, FRONTEND, ADMIN, Principal()) if needs.met_by(who)} == who_may


def test_an_account_of_row_zero_is_an_account():
    assert Needs.ACCOUNT.met_by(Principal(account_id=0))


@pytest.mark.parametrize(
    ("needs", "scopes"),
    [
        (Needs.READ, {Scope.READ, Scope.SHARE, Scope.ACCOUNT}),
        (Needs.SHARE, {Scope.SHARE, Scope.ACCOUNT}),
        (Needs.ACCOUNT, {Scope.ACCOUNT}),
        (Needs.NOBODY, set(Scope)),
        (Needs.FRONTEND, set(Scope)),
        (Needs.ADMIN, set(Scope)),
    ],
)
def test_a_scope_allows_what_it_says_and_what_is_less(needs, scopes):
    assert {scope for scope in Scope if needs.allowed_by(scope)} == scopes
