"""AuthenticatorContract: every authenticator passes it, and so does yours."""

from __future__ import annotations

from typing import ClassVar

import pytest

from zrokd.contracts import Authenticator
from zrokd.errors import Denied, StoreError
from zrokd.model.account import Account, Credentials, Principal
from zrokd.testing.contracts.component import ComponentContract

_WRONG = (
    Credentials(),
    Credentials(token="wrong"),
    Credentials(token="x" * 100_000),
    Credentials(token="\x00\n\xff"),
    Credentials(token="' or 1=1 --"),
    Credentials(username="ann@example.com", password="wrong"),
    Credentials(username="\x00", password="\x00"),
)


class OneAccount:
    """A directory with Ann, whose token is `ann-token`, and the frontend `edge`, whose token is `edge-token`."""

    ann = Account(id=1, email="ann@example.com")

    def holder_of(self, token: str) -> Principal | None:
        """Ann or the frontend."""
        if token == "ann-token":
            return Principal(account_id=self.ann.id, email=self.ann.email)
        return Principal(frontend="edge") if token == "edge-token" else None

    def account_by_email(self, email: str) -> Account | None:
        """Ann, by her address."""
        return self.ann if email == self.ann.email else None

    def make_account(self, email: str) -> Account:
        """Ann, or somebody new."""
        return self.account_by_email(email) or Account(id=2, email=email)


class NoDirectory:
    """A directory whose database is away."""

    def holder_of(self, token: str) -> Principal | None:  # noqa: ARG002
        """Nobody can be found now."""
        raise StoreError("the database is away")

    def account_by_email(self, email: str) -> Account | None:  # noqa: ARG002
        """Nobody can be found now."""
        raise StoreError("the database is away")

    def make_account(self, email: str) -> Account:  # noqa: ARG002
        """Nobody can be made now."""
        raise StoreError("the database is away")


class AuthenticatorContract(ComponentContract):
    """The suite for slot auth."""

    #: Credentials that it knows, in a directory of OneAccount.
    good: ClassVar[Credentials]

    def test_it_knows_whom_it_knows(self, component: Authenticator) -> None:
        principal = component.authenticate(self.good, OneAccount())
        assert isinstance(principal, Principal)
        person = principal.account_id is not None or principal.admin
        assert person != bool(principal.frontend), "a principal is an account, an administrator or both, or a frontend"
        assert principal.method, "a principal carries the name of who said so"

    @pytest.mark.parametrize("credentials", _WRONG, ids=range(len(_WRONG)))
    def test_it_knows_nobody_else(self, component: Authenticator, credentials: Credentials) -> None:
        try:
            assert component.authenticate(credentials, OneAccount()) is None
        except Denied as error:
            for secret in (credentials.token, credentials.password):
                assert not secret or secret not in str(error), "the text never repeats what was shown"

    def test_without_a_directory_it_lets_nobody_in_by_it(self, component: Authenticator) -> None:
        try:
            principal = component.authenticate(Credentials(token="ann-token"), NoDirectory())
        except (StoreError, Denied):
            return
        assert principal is None
