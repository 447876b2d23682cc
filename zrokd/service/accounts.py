"""Who pays."""

from __future__ import annotations

from zrokd.errors import NotFound
from zrokd.model.account import Account, Principal
from zrokd.model.naming import new_token
from zrokd.service import removal
from zrokd.service.checks import check_email, check_token
from zrokd.service.core import Core, account_of
from zrokd.service.passwords import check_password
from zrokd.store import accounts, audit, environments, names, receipts, tokens
from zrokd.store.hashing import digest
from zrokd.store.tokens import CONFIGURED


class Accounts:
    """Accounts and their tokens. A token is shown once, when it is made; the store keeps its hash."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, email: str, password: str = "") -> str:
        """The token of a new account. :raises Conflict: the address has one.

        :raises Invalid: it is no address, or the password breaks the rule.
        """
        known, token = check_email(email), new_token()
        hashed = self._core.passwords.hash(check_password(password)) if password else ""
        self._core.store.write(self._create, known, hashed, token)
        return token

    def ensure(self, email: str, token: str) -> Account:
        """The account of this address, holding this token: as the configuration wants it. Idempotent.

        :raises Conflict: another account holds the token. :raises Invalid: address or token cannot be used.
        """
        known = check_email(email)
        return self._core.store.write(self._ensure, known, digest(check_token(token, f"account {known}")))

    def delete(self, email: str) -> None:
        """End its tokens, free its names, disable its environments.

        :raises NotFound: no such account. :raises OverlayError: the account is gone; the reconciler finishes.
        """
        left = self._core.store.write(self._delete, check_email(email))
        removal.complete_all(self._core, left, Principal(admin=True))

    def regenerate_token(self, principal: Principal) -> str:
        """A new token for the account; all others end now. :raises NotFound: the account is gone."""
        token = new_token()
        self._core.store.write(self._regenerate, account_of(principal), principal.email, digest(token))
        return token

    def list(self) -> tuple[Account, ...]:
        """All accounts, by address."""
        return self._core.store.read(accounts.every)

    def _create(self, email: str, password_hash: str, token: str) -> None:
        now_ms = self._core.clock.now_ms()
        account = accounts.add(email, password_hash, now_ms)
        tokens.add(account.id, digest(token), "", now_ms)
        audit.note("account.created", account=email)
        receipts.made(token)

    def _ensure(self, email: str, token_digest: str) -> Account:
        now_ms = self._core.clock.now_ms()
        account = accounts.by_email(email)
        if account is None:
            account = accounts.add(email, "", now_ms)
            audit.note("account.created", account=email)
        holder = tokens.holder_of(token_digest, now_ms)
        if holder is None or holder.account_id != account.id:
            tokens.drop(account.id, CONFIGURED)
            tokens.add(account.id, token_digest, CONFIGURED, now_ms)
            audit.note("token.created", CONFIGURED, account=email)
        return account

    def _regenerate(self, account_id: int, email: str, token_digest: str) -> None:
        now_ms = self._core.clock.now_ms()
        accounts.lock(account_id, now_ms)
        tokens.drop(account_id)
        tokens.add(account_id, token_digest, "", now_ms)
        audit.note("token.regenerated", account=email)

    def _delete(self, email: str) -> tuple[removal.Left, ...]:
        now_ms, account = self._core.clock.now_ms(), accounts.by_email(email)
        if account is None:
            raise NotFound("no such account")
        own = environments.of_account(account.id)
        audit.note("account.deleted", account=email, environments=[one.z_id for one in own])
        left = tuple(removal.leave_environment(self._core, one) for one in own)
        names.remove_of_account(account.id, now_ms)
        accounts.remove(account.id, now_ms)
        return left
