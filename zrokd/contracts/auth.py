"""Who is asking?"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from zrokd.contracts.component import Component
from zrokd.model.account import Account, Credentials, Principal


class Directory(Protocol):
    """The accounts, read only. Calls may switch greenlets. :raises StoreError: the database does not answer."""

    def holder_of(self, token: str) -> Principal | None:
        """Who holds this API token (an account, a frontend or an administrator), and its scope; or None.

        The authenticator that asks puts its own name in `method`.
        """

    def account_by_email(self, email: str) -> Account | None:
        """The account of this address, or None."""


class Authenticator(Component):
    """One way to prove who one is. Asked in YAML order until one knows."""

    slot = "auth"

    @abstractmethod
    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who that is; None: not mine, ask the next. May switch greenlets.

        :raises Denied: mine, and wrong: nobody else is asked. Anything else it raises denies too, and is logged.
        """
