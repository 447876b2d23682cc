"""Account and frontend tokens, looked up in the directory."""

from __future__ import annotations

from collections.abc import Iterable

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory
from zrokd.model.account import Credentials, Principal


class TokenAuthenticator(Authenticator):
    """Tokens that the controller gave to accounts and frontends."""

    name = "token"

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """The account or frontend that holds the token, or None."""
        if not credentials.token:
            return None
        account = directory.account_by_token(credentials.token)
        if account is not None:
            return Principal(account_id=account.id, email=account.email, method=self.name)
        frontend = directory.frontend_by_token(credentials.token)
        return Principal(frontend=frontend, method=self.name) if frontend else None


@hookimpl
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """The authenticator of this module."""
    return [TokenAuthenticator]
