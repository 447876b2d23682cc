"""Who is asking?"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from zrokd.contracts.component import Component
from zrokd.model.account import Account, Credentials, Principal


class Directory(Protocol):
    """The accounts. Calls may switch greenlets. :raises StoreError: the database does not answer."""

    def holder_of(self, token: str) -> Principal | None:
        """Who holds this API token (an account, a frontend or an administrator), and its scope; or None.

        The authenticator that asks puts its own name in `method`.
        """

    def account_by_email(self, email: str) -> Account | None:
        """The account of this address, or None."""

    def make_account(self, email: str) -> Account:
        """The account of this address; a new one, without a password, when there is none.

        :raises Invalid: it is no address.
        """


class Authenticator(Component):
    """One way to prove who one is. Asked in YAML order until one knows.

    Credentials are a token (every call of the API) or a name and a password (a login), never both.
    """

    slot = "auth"

    @abstractmethod
    def authenticate(self, credentials: Credentials, directory: Directory) -> Principal | None:
        """Who that is; None: not mine, ask the next. May switch greenlets.

        :raises Denied: mine, and wrong: nobody else is asked. :raises Unavailable: nobody can say now. Anything else it
            raises denies too, and is logged.
        """
