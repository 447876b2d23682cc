"""API tokens of accounts and administrators, by the digest of their secret."""

from __future__ import annotations

from collections.abc import Mapping

import peewee

from zrokd.model.account import Principal, Scope, Token
from zrokd.store import frontends, tables
from zrokd.store.failures import taken
from zrokd.store.tables import AccountToken, AdminToken

#: Labels that are not of people's choice: of the token that came with the account, or took its place; of those that
#: logins gave; of the one that stands in the configuration.
FIRST, LOGIN, CONFIGURED = "", "login", "configuration"
_ADMIN_LOGIN = "login "  # begins labels of administrators' tokens by logins; names have no spaces
_USED = "this token is in use already; choose another"


def holder_of(digest: str, now_ms: int) -> Principal | None:
    """Who shows the token of this digest: an account, an administrator or a frontend; None: it is not good."""
    return _account(digest, now_ms) or _administrator(digest, now_ms) or _frontend(digest)


def _account(digest: str, now_ms: int) -> Principal | None:
    live = tables.Account.deleted_at_ms.is_null()
    query = AccountToken.select(AccountToken, tables.Account).join(tables.Account)
    row = query.where(live, AccountToken.digest == digest, _valid(AccountToken, now_ms)).first()
    if row is None:
        return None
    return Principal(account_id=row.account_id, email=row.account.email, scope=Scope(row.scope), token=row.label)


def _administrator(digest: str, now_ms: int) -> Principal | None:
    row = AdminToken.get_or_none((AdminToken.digest == digest) & _valid(AdminToken, now_ms))
    return None if row is None else Principal(admin=True, scope=Scope.ADMIN, token=row.label)


def _frontend(digest: str) -> Principal | None:
    name = frontends.by_digest(digest)
    return Principal(frontend=name) if name else None


def _valid(table: type[AccountToken | AdminToken], now_ms: int) -> peewee.Expression:
    return table.expires_at_ms.is_null() | (table.expires_at_ms > now_ms)


# -- an account's ---


def add(
    account_id: int,
    digest: str,
    label: str,
    now_ms: int,
    *,
    scope: Scope = Scope.ACCOUNT,
    expires_at_ms: int | None = None,
) -> None:
    """Let the holder of a token act for the account. :raises Conflict: the token is held already."""
    with taken(_USED):
        AccountToken.create(
            account=account_id,
            digest=digest,
            label=label,
            created_at_ms=now_ms,
            scope=scope.value,
            expires_at_ms=expires_at_ms,
        )


def of_account(account_id: int) -> tuple[Token, ...]:
    """All that are not swept yet, also those that ended; oldest first."""
    rows = AccountToken.select().where(AccountToken.account == account_id).order_by(AccountToken.id)
    return tuple(_token(row, Scope(row.scope)) for row in rows)


def drop(account_id: int, label: str | None = None) -> int:
    """End all tokens of the account, or those of one label. How many."""
    mine = AccountToken.account == account_id
    return int(AccountToken.delete().where(mine if label is None else mine & (AccountToken.label == label)).execute())


def keep(account_id: int, label: str, most: int) -> None:
    """Of those with this label the latest stay, and `most` of them at most."""
    mine = (AccountToken.account == account_id) & (AccountToken.label == label)
    kept = AccountToken.select(AccountToken.id).where(mine).order_by(AccountToken.id.desc()).limit(most)
    AccountToken.delete().where(mine, AccountToken.id.not_in([row.id for row in kept])).execute()


# -- administrators' ---


def admin_login(who: str, mark: str) -> str:
    """A label for the token that a login gives to this administrator. `mark` makes it one of its kind."""
    return f"{_ADMIN_LOGIN}{who} {mark}"


def is_admin_login(label: str) -> bool:
    """Whether a login gave the token of this label."""
    return label.startswith(_ADMIN_LOGIN)


def add_admin(digest: str, label: str, now_ms: int, expires_at_ms: int | None) -> None:
    """Let the holder of a token act as an administrator. :raises Conflict: the token is held already."""
    with taken(_USED):
        AdminToken.create(digest=digest, label=label, created_at_ms=now_ms, expires_at_ms=expires_at_ms)


def of_administrators() -> tuple[Token, ...]:
    """As `of_account`."""
    return tuple(_token(row, Scope.ADMIN) for row in AdminToken.select().order_by(AdminToken.id))


def drop_admin(label: str) -> int:
    """End the one of this label. How many."""
    return int(AdminToken.delete().where(AdminToken.label == label).execute())


# -- both ---


def note_uses(uses: Mapping[str, int]) -> None:
    """When tokens were shown last, by digest."""
    for digest, at_ms in uses.items():
        used = {"last_used_at_ms": at_ms}
        if not AccountToken.update(used).where(AccountToken.digest == digest).execute():
            AdminToken.update(used).where(AdminToken.digest == digest).execute()


def prune(before_ms: int) -> int:
    """Forget those that ended before. How many."""
    return sum(
        int(table.delete().where(table.expires_at_ms <= before_ms).execute()) for table in (AccountToken, AdminToken)
    )


def _token(row: AccountToken | AdminToken, scope: Scope) -> Token:
    return Token(
        name=row.label,
        scope=scope,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms or 0,
        last_used_at_ms=row.last_used_at_ms or 0,
    )
