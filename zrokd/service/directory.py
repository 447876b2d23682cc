"""The accounts as authenticators see them."""

from __future__ import annotations

from zrokd.contracts import Clock
from zrokd.model.account import Account
from zrokd.store import accounts, frontends
from zrokd.store.database import Store
from zrokd.store.hashing import digest


class StoreDirectory:
    """Implements `zrokd.contracts.Directory` over the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def account_by_token(self, token: str) -> Account | None:
        """The account that holds this API token, or None."""
        return self._store.read(accounts.by_token, digest(token), self._clock.now_ms())

    def account_by_email(self, email: str) -> Account | None:
        """The account of this address, or None."""
        return self._store.read(accounts.by_email, email.strip().lower())

    def frontend_by_token(self, token: str) -> str | None:
        """The name of the frontend that holds this token, or None."""
        return self._store.read(frontends.by_digest, digest(token))
