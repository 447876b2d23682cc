"""The accounts as authenticators see them."""

from __future__ import annotations

from zrokd.contracts import Clock
from zrokd.model.account import Account, Principal
from zrokd.service.checks import check_email
from zrokd.store import accounts, audit, tokens
from zrokd.store.database import Store
from zrokd.store.hashing import digest


class StoreDirectory:
    """Implements `zrokd.contracts.Directory` over the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._uses: dict[str, int] = {}  # of tokens found good, by digest; not kept yet

    def holder_of(self, token: str) -> Principal | None:
        """Who holds this API token, and what it is good for; or None."""
        key, now_ms = digest(token), self._clock.now_ms()
        holder = self._store.read(tokens.holder_of, key, now_ms)
        if holder is not None and not holder.frontend:
            self._uses[key] = now_ms
        return holder

    def account_by_email(self, email: str) -> Account | None:
        """The account of this address, or None."""
        return self._store.read(accounts.by_email, email.strip().lower())

    def make_account(self, email: str) -> Account:
        """The account of this address; a new one, without a password, when there is none.

        :raises Invalid: it is no address.
        """
        known = check_email(email)
        return self.account_by_email(known) or self._store.write(_account, known, self._clock.now_ms())

    def keep_uses(self) -> None:
        """Keep when tokens were used since the last call. :raises StoreError: not now; the next call may."""
        if not self._uses:
            return  # nobody is held up for nothing
        uses, self._uses = self._uses, {}
        try:
            self._store.write(tokens.note_uses, uses)
        except BaseException:
            self._uses = uses | self._uses
            raise


def _account(email: str, now_ms: int) -> Account:
    if (account := accounts.by_email(email)) is not None:
        return account
    audit.note("account.created", account=email)
    return accounts.add(email, "", now_ms)
