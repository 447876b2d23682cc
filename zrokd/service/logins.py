"""Passwords of accounts that exist."""

from __future__ import annotations

from zrokd.errors import Denied, NotFound
from zrokd.model.account import Account, Principal
from zrokd.model.naming import new_token
from zrokd.service.attempts import Attempts
from zrokd.service.checks import check_email
from zrokd.service.core import Core, account_of
from zrokd.service.passwords import check_password
from zrokd.service.trail import Trail
from zrokd.store import accounts, audit, tokens
from zrokd.store.hashing import digest
from zrokd.store.tokens import LOGIN

_MOST_TOKENS = 100  # of one account by logins; the oldest ends for the next
_WRONG = "e-mail address or password are wrong"


class Logins:
    """Log in, and change passwords. Who guesses is made to wait; an address without account is answered as any."""

    def __init__(self, core: Core, trail: Trail) -> None:
        self._core, self._trail = core, trail
        self._here = Attempts(core.clock, free=5)  # one address at one account
        self._address = Attempts(core.clock, free=50)
        self._account = Attempts(core.clock, free=100, most_s=60.0)  # whoever it is, so that its owner gets in still

    def login(self, email: str, password: str, peer: str) -> str:
        """A new token of the account; those before stay good.

        :raises Denied: no such account, or not its password. :raises TooMany: guessed too often.
        """
        account = self._proven(email, password, peer)
        token = new_token()
        self._core.store.write(self._add_token, account, digest(token))
        return token

    def change(self, email: str, old: str, new: str, principal: Principal, peer: str) -> None:
        """Another password for the principal's own account. Its tokens stay good.

        :raises Denied: not its address or password. :raises WeakPassword: says the rule. :raises TooMany: as `login`.
        """
        account = self._proven(email, old, peer)
        if account.id != account_of(principal):
            raise Denied(_WRONG)
        self._set(account, new)

    def set(self, email: str, new: str) -> None:
        """The operator's way. :raises NotFound: no such account. :raises WeakPassword: says the rule."""
        account = self._core.store.read(accounts.by_email, check_email(email))
        if account is None:
            raise NotFound("no such account")
        self._set(account, new)

    def _proven(self, email: str, password: str, peer: str) -> Account:
        known = email.strip().lower()
        self._here.check((known, peer))
        self._address.check(peer)
        self._account.check(known)
        account, encoded = self._core.store.read(_known, known)
        right = self._core.passwords.matches(password, encoded)
        if account is None or not right:
            self._here.note((known, peer))
            self._address.note(peer)
            self._account.note(known)
            wrong = Denied(_WRONG)
            self._trail.refuse("account.login", wrong, account=known)
            raise wrong
        self._here.forgive((known, peer))
        if self._core.passwords.is_outdated(encoded):
            hashed = self._core.passwords.hash(password)
            self._core.store.write(accounts.set_password, account.id, hashed, self._core.clock.now_ms())
        return account

    def _set(self, account: Account, new: str) -> None:
        hashed, now_ms = self._core.passwords.hash(check_password(new)), self._core.clock.now_ms()
        self._core.change(
            "account.password_changed",
            "",
            lambda: accounts.set_password(account.id, hashed, now_ms),
            account=account.email,
        )

    def _add_token(self, account: Account, token_digest: str) -> None:
        now_ms = self._core.clock.now_ms()
        accounts.lock(account.id, now_ms)
        tokens.add(account.id, token_digest, LOGIN, now_ms)
        tokens.keep(account.id, LOGIN, _MOST_TOKENS)
        audit.note("account.login", account=account.email)


def _known(email: str) -> tuple[Account | None, str]:
    account = accounts.by_email(email)
    return account, accounts.password_hash(account.id) if account else ""
