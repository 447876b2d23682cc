"""Passwords of accounts that exist, and of people whose passwords are kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.errors import Denied, NotFound
from zrokd.model.account import Account, Credentials, Principal, Scope, Token
from zrokd.model.naming import new_secret, new_token
from zrokd.service.checks import check_email
from zrokd.service.core import Core, account_of
from zrokd.service.guesses import Guesses
from zrokd.service.passwords import check_password
from zrokd.service.trail import Trail
from zrokd.store import accounts, audit, tokens
from zrokd.store.hashing import digest
from zrokd.store.tokens import LOGIN

_MOST_TOKENS = 100  # of one account by logins; the oldest ends for the next
_ADMIN_S = 8 * 3600  # a working day
_WRONG = "e-mail address or password are wrong"


class Logins:
    """Log in, and change passwords. Who guesses is made to wait; an address without account is answered as any."""

    def __init__(self, core: Core, trail: Trail) -> None:
        self._core, self._trail = core, trail
        self._guesses = Guesses(core.clock)

    def login(self, email: str, password: str, peer: str) -> str:
        """A new token of the account; those before stay good.

        :raises Denied: no such account, or not its password. :raises TooMany: guessed too often.
        :raises Unavailable: the one who keeps the password does not answer.
        """
        who = self._proven(email, password, peer, self._anybody)
        if who.account_id is None:
            raise Denied(_WRONG)
        token = new_token()
        self._core.store.write(self._add_token, who, digest(token))
        return token

    def login_admin(self, email: str, password: str, peer: str) -> tuple[Token, str]:
        """A new token of an administrator, which ends after a working day, and its secret.

        :raises Denied: no administrator, or not the password; else as `login`.
        """
        who = self._proven(email, password, peer, self._anybody)
        if not who.admin:
            raise Denied(_WRONG)
        now_ms, secret = self._core.clock.now_ms(), new_secret()
        token = Token(
            name=tokens.admin_login(str(who), new_token()),
            scope=Scope.ADMIN,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + _ADMIN_S * 1000,
        )
        self._core.store.write(_add_admin, token, digest(secret), who)
        return token, secret

    def change(self, email: str, old: str, new: str, principal: Principal, peer: str) -> None:
        """Another password for the principal's own account. Its tokens stay good. Only of passwords that we keep.

        :raises Denied: not its address or password. :raises WeakPassword: says the rule. :raises TooMany: as `login`.
        """
        who = self._proven(email, old, peer, self._own)
        if who.account_id != account_of(principal):
            raise Denied(_WRONG)
        self._set(_account(who), new)

    def set(self, email: str, new: str) -> None:
        """The operator's way. :raises NotFound: no such account. :raises WeakPassword: says the rule."""
        account = self._core.store.read(accounts.by_email, check_email(email))
        if account is None:
            raise NotFound("no such account")
        self._set(account, new)

    def _proven(
        self, email: str, password: str, peer: str, ask: Callable[[str, str, str], Principal | None]
    ) -> Principal:
        known = email.strip().lower()
        with self._guesses.trying(known, peer) as one:
            who = ask(known, password, peer)
            one.wrong, one.right = who is None, who is not None
        if who is None:
            wrong = Denied(_WRONG)
            self._trail.refuse("account.login", wrong, account=known)
            raise wrong
        return who

    def welcome(self, email: str, peer: str) -> None:
        """Who asks from there proved by a letter to be the one of this address: other people's guesses do not count."""
        self._guesses.welcome(email, peer)

    def _anybody(self, known: str, password: str, peer: str) -> Principal | None:
        """Who has this name and password: with those who keep passwords elsewhere, or with us."""
        try:
            who = self._core.prove(Credentials(username=known, password=password, peer=peer))
        except Denied:
            self._core.passwords.matches(password, "")  # so that it takes as long for a name that nobody knows
            return None
        return who or self._own(known, password, peer)

    def _own(self, known: str, password: str, _peer: str) -> Principal | None:
        account, encoded = self._core.store.read(_known, known)
        right = self._core.passwords.matches(password, encoded)
        if account is None or not right:
            return None
        if self._core.passwords.is_outdated(encoded):
            hashed = self._core.passwords.hash(password)
            self._core.store.write(accounts.set_password, account.id, hashed, self._core.clock.now_ms())
        return Principal(account_id=account.id, email=account.email, method="password")

    def _set(self, account: Account, new: str) -> None:
        hashed, now_ms = self._core.passwords.hash(check_password(new)), self._core.clock.now_ms()
        self._core.change(
            "account.password_changed",
            "",
            lambda: accounts.set_password(account.id, hashed, now_ms),
            account=account.email,
        )

    def _add_token(self, who: Principal, token_digest: str) -> None:
        now_ms, account = self._core.clock.now_ms(), _account(who)
        accounts.lock(account.id, now_ms)
        tokens.add(account.id, token_digest, LOGIN, now_ms, scope=who.scope)
        tokens.keep(account.id, LOGIN, _MOST_TOKENS)
        audit.note("account.login", account=account.email, by=who.method)


def _add_admin(token: Token, token_digest: str, who: Principal) -> None:
    tokens.add_admin(token_digest, token.name, token.created_at_ms, token.expires_at_ms)
    audit.note("admin.login", token.name, account=who.email, by=who.method)


def _account(who: Principal) -> Account:
    return Account(id=account_of(who), email=who.email)


def _known(email: str) -> tuple[Account | None, str]:
    account = accounts.by_email(email)
    return account, accounts.password_hash(account.id) if account else ""
