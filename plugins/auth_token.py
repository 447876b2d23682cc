"""Tokens of accounts, frontends and administrators, looked up in the directory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from zrokd import hookimpl
from zrokd.contracts import Authenticator, Directory
from zrokd.model.account import Credentials, Principal


class TokenAuthenticator(Authenticator):
    """Tokens that the controller gave to accounts and administrators, and the YAML to frontends."""

    name = "token"

    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who holds the token, or None."""
        holder = directory.holder_of(credentials.token) if credentials.token else None
        return replace(holder, method=self.name) if holder else None


@hookimpl
def zrokd_provide_auths() -> Iterable[type[Authenticator]]:
    """The authenticator of this module."""
    return [TokenAuthenticator]
