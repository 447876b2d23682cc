"""Accesses."""

from __future__ import annotations

import peewee

from zrokd.model.share import Access
from zrokd.store import environments, shares, tables
from zrokd.store.tables import AccessGrant, Environment, Share

_LIVE = tables.Access.live == True  # noqa: E712 - an SQL expression


def reserve(environment_id: int, share_id: int, token: str, bind_address: str, description: str, now_ms: int) -> None:
    """An access that is not live yet; it counts already."""
    tables.Access.create(
        environment=environment_id,
        share=share_id,
        token=token,
        bind_address=bind_address,
        description=description,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def make_live(token: str, now_ms: int) -> Access | None:
    """The access, live from now on; None: it, its share or its environment went away meanwhile."""
    changed = (
        tables.Access.update(live=True, updated_at_ms=now_ms)
        .where(
            tables.Access.token == token,
            environments.is_live(tables.Access.environment),
            shares.is_live(tables.Access.share),
        )
        .execute()
    )
    return _first(_query().where(tables.Access.token == token)) if changed else None


def make_leave(token: str, now_ms: int) -> None:
    """It is not live any more."""
    changes = {"live": False, "updated_at_ms": now_ms}
    tables.Access.update(changes).where(tables.Access.token == token).execute()


def make_leave_around(environment_id: int, now_ms: int) -> None:
    """None in the environment or onto its shares is live any more."""
    ours = Share.select(Share.id).where(Share.environment == environment_id)
    here = (tables.Access.environment == environment_id) | (tables.Access.share << ours)
    tables.Access.update(live=False, updated_at_ms=now_ms).where(here, _LIVE).execute()


def forget(token: str) -> None:
    """Delete the row. A live one stays."""
    tables.Access.delete().where(tables.Access.token == token, ~_LIVE).execute()


def change(token: str, bind_address: str, description: str, now_ms: int) -> None:
    """Replace both texts."""
    changes = {"bind_address": bind_address, "description": description, "updated_at_ms": now_ms}
    tables.Access.update(changes).where(tables.Access.token == token).execute()


def find(token: str, account_id: int, *, leaving: bool = False) -> Access | None:
    """The account's live access of this token; with `leaving` also one that is being taken away."""
    mine = (tables.Access.token == token) & (Environment.account == account_id)
    return _first(_query().where(mine if leaving else mine & _LIVE))


def by_id(access_id: int, account_id: int) -> Access | None:
    """The account's live access of this row, or None."""
    return _first(_query().where(tables.Access.id == access_id, Environment.account == account_id, _LIVE))


def of_account(account_id: int) -> tuple[Access, ...]:
    """The account's live ones, oldest first."""
    return _accesses(_query().where(_LIVE, Environment.account == account_id))


def around(environment_id: int) -> tuple[Access, ...]:
    """All in the environment or onto its shares, live or not, oldest first."""
    return _accesses(_query().where(_around(environment_id)))


def live_around(environment_id: int) -> tuple[Access, ...]:
    """Live ones in the environment or onto its shares, oldest first."""
    return _accesses(_query().where(_around(environment_id), _LIVE))


def of_share(share_token: str) -> tuple[Access, ...]:
    """All onto the share, live or not, oldest first."""
    return _accesses(_query().where(Share.token == share_token))


def live_of_share(share_token: str) -> tuple[Access, ...]:
    """Live ones onto the share, oldest first."""
    return _accesses(_query().where(Share.token == share_token, _LIVE))


def not_granted(share_id: int, owner_id: int) -> tuple[Access, ...]:
    """Live ones onto the share, of accounts that neither own it nor were granted it, oldest first."""
    granted = AccessGrant.select(AccessGrant.account).where(AccessGrant.share == share_id)
    strangers = (Environment.account != owner_id) & Environment.account.not_in(granted)
    return _accesses(_query().where(tables.Access.share == share_id, _LIVE, strangers))


def count(share_id: int) -> int:
    """How many there are onto the share, with those on their way."""
    return tables.Access.select().where(tables.Access.share == share_id).count()


def _around(environment_id: int) -> peewee.Expression:
    return (tables.Access.environment == environment_id) | (Share.environment == environment_id)


def _query() -> peewee.ModelSelect[tables.Access]:
    return (
        tables.Access.select(tables.Access, Environment, Share)
        .join(Environment)
        .switch(tables.Access)
        .join(Share)
        .order_by(tables.Access.id)
    )


def _first(query: peewee.ModelSelect[tables.Access]) -> Access | None:
    return next(iter(_accesses(query)), None)


def _accesses(query: peewee.ModelSelect[tables.Access]) -> tuple[Access, ...]:
    return tuple(_access(row) for row in query)


def _access(row: tables.Access) -> Access:
    return Access(
        id=row.id,
        token=row.token,
        share_token=row.share.token,
        env_z_id=row.environment.z_id or "",
        mode=row.share.mode,
        bind_address=row.bind_address,
        description=row.description,
        limited=row.share.limited,
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
    )
