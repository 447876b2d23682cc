import pytest

from zrokd.api.call import Needs
from zrokd.model.account import Principal

ACCOUNT = Principal(account_id=1, email="a@b.example")
FRONTEND = Principal(frontend="edge")
ADMIN = Principal(admin=True)


@pytest.mark.parametrize(
    ("needs", "who_may"),
    [
        (Needs.NOBODY, {ACCOUNT, FRONTEND, ADMIN, Principal()}),
        (Needs.ACCOUNT, {ACCOUNT}),
        (Needs.FRONTEND, {FRONTEND}),
        (Needs.ADMIN, {ADMIN}),
    ],
)
def test_each_kind_of_operation_is_for_its_kind_of_principal(needs, who_may):
    assert {who for who in (ACCOUNT, FRONTEND, ADMIN, Principal()) if needs.met_by(who)} == who_may


def test_an_account_of_row_zero_is_an_account():
    assert Needs.ACCOUNT.met_by(Principal(account_id=0))
