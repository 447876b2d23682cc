"""The two questions each use case asks first."""

import pytest

from zrokd.errors import Denied
from zrokd.model.account import Principal
from zrokd.model.limits import Limits, Refusal
from zrokd.service.core import Core, account_of, heed


def test_an_account_asks():
    assert account_of(Principal(account_id=7, email="ann@example.com")) == 7
    assert account_of(Principal(account_id=0)) == 0


@pytest.mark.parametrize("principal", [Principal(), Principal(admin=True), Principal(frontend="edge")])
def test_nobody_else_does(principal):
    with pytest.raises(Denied):
        account_of(principal)


def test_a_refusal_is_heeded_with_its_reason():
    heed(None)
    with pytest.raises(Denied, match="^too late$"):
        heed(Refusal(reason="too late", plugin="policy"))


def test_without_limits_everything_is_endless():
    core = Core(store=None, overlay=None, hooks=None, clock=None, bell=None)
    assert core.limits == Limits()
