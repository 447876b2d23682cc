"""Environments."""

from __future__ import annotations

from dataclasses import replace

from peewee import ColumnBase, Function, fn

from zrokd.model.environment import Environment, EnvironmentDraft
from zrokd.store import accounts, agents, overruns, tables

_LIVE = tables.Environment.live == True  # noqa: E712 - an SQL expression
_OLDEST = tables.Environment.id


def reserve(account_id: int, draft: EnvironmentDraft, now_ms: int) -> int:
    """The id of an environment that is not live yet; it counts already."""
    return tables.Environment.create(
        account=account_id,
        description=draft.description,
        host=draft.host,
        address=draft.address,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    ).id


def make_live(environment_id: int, z_id: str, now_ms: int) -> Environment | None:
    """The environment, live from now on; None: it or its account went away meanwhile."""
    changed = (
        tables.Environment.update(live=True, z_id=z_id, updated_at_ms=now_ms)
        .where(tables.Environment.id == environment_id, accounts.is_live(tables.Environment.account))
        .execute()
    )
    return _environment(tables.Environment.get_by_id(environment_id)) if changed else None


def find(z_id: str, account_id: int, *, leaving: bool = False) -> Environment | None:
    """The account's live environment of this id; with `leaving` also one that is being taken away."""
    mine = (tables.Environment.z_id == z_id) & (tables.Environment.account == account_id)
    row = tables.Environment.get_or_none(mine if leaving else mine & _LIVE)
    if row is None:
        return None
    has_agent, limited = agents.token_of(row.id) is not None, overruns.limits_account(account_id)
    return replace(_environment(row), remote_agent=has_agent, limited=limited)


def of_account(account_id: int) -> tuple[Environment, ...]:
    """The account's live ones, oldest first."""
    rows = tables.Environment.select().where(_LIVE, tables.Environment.account == account_id).order_by(_OLDEST)
    enrolled, limited = agents.environments_of(account_id), overruns.limits_account(account_id)
    return tuple(replace(_environment(row), remote_agent=row.id in enrolled, limited=limited) for row in rows)


def count(account_id: int) -> int:
    """How many the account has, with those on their way."""
    return tables.Environment.select().where(tables.Environment.account == account_id).count()


def make_leave(environment_id: int, now_ms: int) -> None:
    """It is not live any more."""
    changes = {"live": False, "updated_at_ms": now_ms}
    tables.Environment.update(changes).where(tables.Environment.id == environment_id).execute()


def forget(environment_id: int) -> None:
    """Delete the row, and with it the shares and accesses in it. A live one stays."""
    tables.Environment.delete().where(tables.Environment.id == environment_id, ~_LIVE).execute()


def is_live(environment: ColumnBase) -> Function:
    """In a query on another table: whether the environment of this column is live."""
    return fn.EXISTS(tables.Environment.select().where(_LIVE, tables.Environment.id == environment))


def _environment(row: tables.Environment) -> Environment:
    return Environment(
        id=row.id,
        account_id=row.account_id,
        z_id=row.z_id or "",
        description=row.description,
        host=row.host,
        address=row.address,
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
    )
