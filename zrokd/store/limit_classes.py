"""Limit classes and who is in them."""

from __future__ import annotations

from collections.abc import Collection

from zrokd.model.limits import LimitAction, LimitClass, Limits
from zrokd.store import tables
from zrokd.store.failures import taken
from zrokd.store.tables import AppliedLimitClass


def add(limit_class: LimitClass, now_ms: int) -> int:
    """The id of a new limit class. :raises Conflict: the label is taken."""
    with taken(f"there is a limit class {limit_class.label!r} already"):
        return tables.LimitClass.create(
            label=limit_class.label,
            backend_mode=limit_class.backend_mode,
            environments=limit_class.limits.environments,
            shares=limit_class.limits.shares,
            names=limit_class.limits.names,
            accesses=limit_class.limits.accesses,
            period_minutes=limit_class.period_minutes,
            rx_bytes=limit_class.rx_bytes,
            tx_bytes=limit_class.tx_bytes,
            total_bytes=limit_class.total_bytes,
            limit_action=limit_class.limit_action.value,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        ).id


def remove(limit_class_id: int) -> bool:
    """It is gone, and nobody is in it. Whether it was there."""
    return bool(tables.LimitClass.delete().where(tables.LimitClass.id == limit_class_id).execute())


def labelled(label: str) -> tuple[LimitClass, ...]:
    """Those with the label; all of them for "". Oldest first."""
    query = tables.LimitClass.select().order_by(tables.LimitClass.id)
    return tuple(_class(row) for row in (query.where(tables.LimitClass.label == label) if label else query))


def by_ids(ids: Collection[int]) -> tuple[LimitClass, ...]:
    """Those of these ids that exist, oldest first."""
    query = tables.LimitClass.select().where(tables.LimitClass.id << list(ids)).order_by(tables.LimitClass.id)
    return tuple(_class(row) for row in query)


def applied(account_id: int) -> tuple[LimitClass, ...]:
    """Those the account is in, oldest first."""
    query = tables.LimitClass.select().join(AppliedLimitClass).where(AppliedLimitClass.account == account_id)
    return tuple(_class(row) for row in query.order_by(tables.LimitClass.id))


def apply(account_id: int, ids: Collection[int]) -> None:
    """Put the account into these. Idempotent."""
    for limit_class_id in ids:
        AppliedLimitClass.insert(account=account_id, limit_class=limit_class_id).on_conflict_ignore().execute()


def take_out(account_id: int, ids: Collection[int]) -> None:
    """Take the account out of these. Idempotent."""
    here = AppliedLimitClass.account == account_id
    AppliedLimitClass.delete().where(here, AppliedLimitClass.limit_class << list(ids)).execute()


def _class(row: tables.LimitClass) -> LimitClass:
    return LimitClass(
        id=row.id,
        label=row.label,
        backend_mode=row.backend_mode,
        limits=Limits(environments=row.environments, shares=row.shares, names=row.names, accesses=row.accesses),
        period_minutes=row.period_minutes,
        rx_bytes=row.rx_bytes,
        tx_bytes=row.tx_bytes,
        total_bytes=row.total_bytes,
        limit_action=LimitAction(row.limit_action),
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
    )
