"""Bytes that accounts have used up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zrokd.model.limits import LimitAction, Overrun
from zrokd.store import limit_classes, tables, usage
from zrokd.store.tables import AppliedLimitClass, LimitClass

_BYTES = (LimitClass.rx_bytes >= 0) | (LimitClass.tx_bytes >= 0) | (LimitClass.total_bytes >= 0)


def to_judge(since_ms: int, *, everybody: bool) -> list[int]:
    """Accounts that something is known to be used up of, and those with bytes since then that may be limited.

    Those are in a class that counts bytes; or `everybody` may.
    """
    classed = AppliedLimitClass.select(AppliedLimitClass.account).join(LimitClass).where(_BYTES)
    moved = usage.active_accounts(since_ms, None if everybody else classed)
    standing: Any = tables.Overrun.select(tables.Overrun.account).distinct().tuples()
    return sorted(moved | {int(row[0]) for row in standing})


def of_account(account_id: int) -> tuple[Overrun, ...]:
    """What stands, oldest first."""
    rows = tables.Overrun.select().where(tables.Overrun.account == account_id).order_by(tables.Overrun.id)
    return tuple(_overrun(row) for row in rows)


def limits_account(account_id: int) -> bool:
    """Whether shares are limited of all modes that have no limit class of their own."""
    return any(one.action == LimitAction.LIMIT and not one.mode for one in of_account(account_id))


def limited_modes(account_id: int, modes: Iterable[str]) -> set[str]:
    """Those of the modes whose shares nobody is let through to."""
    limits = {one.mode for one in of_account(account_id) if one.action == LimitAction.LIMIT}
    own = {one.backend_mode for one in limit_classes.applied(account_id)} if limits else set()
    return {mode for mode in modes if (mode if mode in own else "") in limits}


def begin(overrun: Overrun) -> None:
    """It stands from now on. Idempotent."""
    tables.Overrun.insert(
        account=overrun.account_id,
        class_id=overrun.class_id,
        mode=overrun.mode,
        action=overrun.action.value,
        since_ms=overrun.since_ms,
    ).on_conflict_ignore().execute()


def end(overrun: Overrun) -> None:
    """It does not stand any more. Idempotent."""
    here = (tables.Overrun.account == overrun.account_id) & (tables.Overrun.class_id == overrun.class_id)
    tables.Overrun.delete().where(here, tables.Overrun.action == overrun.action.value).execute()


def _overrun(row: tables.Overrun) -> Overrun:
    return Overrun(
        account_id=row.account_id,
        class_id=row.class_id,
        mode=row.mode,
        action=LimitAction(row.action),
        since_ms=row.since_ms,
    )
