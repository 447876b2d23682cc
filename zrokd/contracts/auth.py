"""Who is asking?"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from zrokd.contracts.component import Component
from zrokd.model.account import Account, Credentials, Principal


class Directory(Protocol):
    """The accounts, read only. Calls may switch greenlets. :raises StoreError: the database does not answer."""

    def account_by_token(self, token: str) -> Account | None:
        """The account that holds this API token, or None."""

    def account_by_email(self, email: str) -> Account | None:
        """The account of this address, or None."""

    def frontend_by_token(self, token: str) -> str | None:
        """The name of the frontend that holds this token, or None."""


class Authenticator(Component):
    """One way to prove who one is. Asked in YAML order until one knows."""

    slot = "auth"

    @abstractmethod
    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who that is; None: not mine, ask the next. May switch greenlets.

        :raises Denied: mine, and wrong: nobody else is asked. Anything else it raises denies too, and is logged.
        """
