"""Accounts and their limits."""

from __future__ import annotations

from collections.abc import Collection

from peewee import ColumnBase, Function, fn

from zrokd.errors import NotFound
from zrokd.model.account import Account
from zrokd.model.limits import Limits
from zrokd.store import limit_classes, tables
from zrokd.store.failures import taken

_LIVE = tables.Account.deleted_at_ms.is_null()
_OF_ACCOUNT = (
    tables.AccountToken,
    tables.ResetRequest,
    tables.NamespaceGrant,
    tables.FrontendGrant,
    tables.AccessGrant,
    tables.OrganizationMember,
    tables.SkipInterstitialGrant,
    tables.AppliedLimitClass,
    tables.Overrun,
)


def add(email: str, password_hash: str, now_ms: int) -> Account:
    """A new account. :raises Conflict: the address has one."""
    with taken(f"there is an account with the address {email} already"):
        row = tables.Account.create(
            email=email, password_hash=password_hash, created_at_ms=now_ms, updated_at_ms=now_ms
        )
    _take_awaited_grants(email, row.id)
    return _account(row)


def _take_awaited_grants(email: str, account_id: int) -> None:
    """What was granted to the address before it had an account."""
    awaited = tables.AwaitedGrant.email == email
    for waiting in tables.AwaitedGrant.select().where(awaited):
        tables.AccessGrant.insert(share=waiting.share_id, account=account_id).on_conflict_ignore().execute()
    tables.AwaitedGrant.delete().where(awaited).execute()


def by_email(email: str) -> Account | None:
    """The account of this address, or None."""
    row = tables.Account.get_or_none(_LIVE & (tables.Account.email == email))
    return None if row is None else _account(row)


def email_of(account_id: int) -> str:
    """The address of an account that there is, or was."""
    return tables.Account.get_by_id(account_id).email


def by_id(account_id: int) -> Account | None:
    """The live account of this row, or None."""
    row = tables.Account.get_or_none(_LIVE & (tables.Account.id == account_id))
    return None if row is None else _account(row)


def password_hash(account_id: int) -> str:
    """Of a live account; "" when it has none."""
    row = tables.Account.get_or_none(_LIVE & (tables.Account.id == account_id))
    return "" if row is None else row.password_hash


def set_password(account_id: int, password_hash: str, now_ms: int) -> None:
    """From now on it is this one."""
    changes = {"password_hash": password_hash, "updated_at_ms": now_ms}
    tables.Account.update(changes).where(_LIVE, tables.Account.id == account_id).execute()


def every() -> tuple[Account, ...]:
    """All, by address."""
    return tuple(_account(row) for row in tables.Account.select().where(_LIVE).order_by(tables.Account.email))


def lock(account_id: int, now_ms: int) -> Account:
    """The account, with everybody else who would lock it waiting until this transaction ends.

    :raises NotFound: it is gone.
    """
    touched = tables.Account.update(updated_at_ms=now_ms).where(_LIVE, tables.Account.id == account_id).execute()
    if not touched:
        raise NotFound("no such account")
    return _account(tables.Account.get_by_id(account_id))


def remove(account_id: int, now_ms: int) -> None:
    """Only history is left of it: no tokens, no grants, and its address is free."""
    tables.Account.update(deleted_at_ms=now_ms, password_hash="").where(tables.Account.id == account_id).execute()
    for table in _OF_ACCOUNT:
        table.delete().where(table.account == account_id).execute()


def limits(account_id: int, default: Limits) -> Limits:
    """What the account may have: the best of each number among its classes, or `default` if it is in none."""
    classes = [one.limits for one in limit_classes.applied(account_id) if one.counts_things]
    if not classes:
        return default
    return Limits(
        environments=_best([one.environments for one in classes]),
        shares=_best([one.shares for one in classes]),
        names=_best([one.names for one in classes]),
        accesses=_best([one.accesses for one in classes]),
    )


def _best(numbers: list[int]) -> int:
    return -1 if -1 in numbers else max(numbers)


def ids_by_email(emails: Collection[str]) -> dict[str, int]:
    """Address -> account id, for those that have one."""
    query = tables.Account.select().where(_LIVE, tables.Account.email << list(emails))
    return {row.email: row.id for row in query}


def is_live(account: ColumnBase) -> Function:
    """In a query on another table: whether the account of this column is not deleted."""
    return fn.EXISTS(tables.Account.select().where(_LIVE, tables.Account.id == account))


def _account(row: tables.Account) -> Account:
    return Account(id=row.id, email=row.email, limitless=row.limitless)
