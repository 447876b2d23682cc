"""Tokens that people name: what each is good for, and until when."""

from __future__ import annotations

import re
from dataclasses import replace

from zrokd.errors import Conflict, Invalid, LimitReached, NotFound
from zrokd.model.account import Scope, Token
from zrokd.model.naming import new_secret
from zrokd.service.core import Core
from zrokd.store import accounts, audit, receipts, tokens
from zrokd.store.hashing import digest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIRST = "account"  # how the token is called that came with the account
_OURS = (_FIRST, tokens.LOGIN, tokens.CONFIGURED)
_MOST = 100  # that people named, of an account or of all administrators
_LONGEST_S = 10 * 366 * 86400
_KEPT_MS = 7 * 86400 * 1000  # after its end a token is still told of, so that people see why it does not work


class Tokens:
    """Each has a name, a scope and perhaps an end. A secret is shown once, when it is made; the store has its hash."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, account_id: int, name: str, scope: Scope, expires_in_s: int = 0) -> tuple[Token, str]:
        """A new token of an account, and its secret. 0 seconds: it does not end.

        :raises Invalid: a rule is broken; says which. :raises Conflict: the name is in use. :raises LimitReached: no
        more. :raises NotFound: the account is gone.
        """
        if scope is Scope.ADMIN:
            raise Invalid("the scope of an account's token is read, share or account")
        token, secret = self._draft(name, scope, expires_in_s), new_secret()
        self._core.store.write(self._add, account_id, token, secret)
        return token, secret

    def list(self, account_id: int) -> tuple[Token, ...]:
        """All of an account, oldest first, also those that ended lately or that nobody named."""
        found = self._core.store.read(tokens.of_account, account_id)
        return tuple(replace(token, name=token.name or _FIRST) for token in found)

    def revoke(self, account_id: int, name: str) -> None:
        """End all of this name, now. `account` is what came with the account, `login` what logins gave.

        :raises NotFound: there is none. :raises Invalid: the configuration would bring it back.
        """
        if name == tokens.CONFIGURED:
            raise Invalid("this token stands in the controller's configuration, and ends when it is taken out there")
        label = tokens.FIRST if name == _FIRST else name
        self._core.store.write(self._drop, account_id, name, label)

    # -- the operator's own ---

    def create_admin(self, name: str, expires_in_s: int = 0) -> tuple[Token, str]:
        """A new token of an administrator, and its secret. :raises: as `create`."""
        token, secret = self._draft(name, Scope.ADMIN, expires_in_s), new_secret()
        self._core.change("token.created", name, lambda: _add_admin(token, secret), scope=token.scope.value)
        return token, secret

    def list_admin(self) -> tuple[Token, ...]:
        """All of administrators, oldest first. Secrets of the YAML are not among them."""
        return self._core.store.read(tokens.of_administrators)

    def revoke_admin(self, name: str) -> None:
        """End the one of this name, now. :raises NotFound: there is none."""
        self._core.change("token.revoked", name, lambda: _drop_admin(name), scope=Scope.ADMIN.value)

    def prune(self) -> int:
        """Forget those that ended a week ago. How many."""
        return self._core.store.write(tokens.prune, self._core.clock.now_ms() - _KEPT_MS)

    def _draft(self, name: str, scope: Scope, expires_in_s: int) -> Token:
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is not a name for a token: 1 to 64 letters, digits, '.', '_' and '-'")
        if name in _OURS:
            raise Invalid(f"the name {name!r} is not to be had: the controller itself calls tokens so")
        if not 0 <= expires_in_s <= _LONGEST_S:
            raise Invalid("a token ends within ten years, or (0 seconds) never")
        now_ms = self._core.clock.now_ms()
        expires_at_ms = now_ms + expires_in_s * 1000 if expires_in_s else 0
        return Token(name=name, scope=scope, created_at_ms=now_ms, expires_at_ms=expires_at_ms)

    def _drop(self, account_id: int, name: str, label: str) -> None:
        account = accounts.lock(account_id, self._core.clock.now_ms())
        if not tokens.drop(account_id, label):
            raise NotFound("no such token")
        audit.note("token.revoked", name, account=account.email)

    def _add(self, account_id: int, token: Token, secret: str) -> None:
        account = accounts.lock(account_id, token.created_at_ms)
        audit.note("token.created", token.name, account=account.email, scope=token.scope.value)
        _check_room(token, [one for one in tokens.of_account(account_id) if one.name and one.name not in _OURS])
        expires_at_ms = token.expires_at_ms or None
        tokens.add(
            account_id, digest(secret), token.name, token.created_at_ms, scope=token.scope, expires_at_ms=expires_at_ms
        )
        receipts.made((token, secret))


def _add_admin(token: Token, secret: str) -> None:
    _check_room(token, [one for one in tokens.of_administrators() if not tokens.is_admin_login(one.name)])
    tokens.add_admin(digest(secret), token.name, token.created_at_ms, token.expires_at_ms or None)
    receipts.made((token, secret))


def _check_room(token: Token, others: tuple[Token, ...] | list[Token]) -> None:
    if any(one.name == token.name for one in others):
        raise Conflict(f"there is a token {token.name!r} already; revoke it first, or choose another name")
    if len(others) >= _MOST:
        raise LimitReached(f"there are {_MOST} tokens with names already; revoke some")


def _drop_admin(label: str) -> None:
    if not tokens.drop_admin(label):
        raise NotFound("no such token")
