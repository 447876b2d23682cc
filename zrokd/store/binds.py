"""What backends tell of the shares they serve."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import peewee

from zrokd.model.bind import Bind
from zrokd.store import tables
from zrokd.store.tables import Backend, Environment, Share

_SOME = 500  # rows in one statement
_MOST = 64  # backends of one environment that are kept; the others were heard of longer ago
_WHY = 500  # characters


class Told(NamedTuple):
    """What one backend said of one share; `heard_at_ms` and `all_proven_at_ms` are about the backend."""

    share_token: str
    ends: int
    why: str
    since_ms: int
    proven_at_ms: int
    heard_at_ms: int
    all_proven_at_ms: int


def hear(environment_id: int, key: str, now_ms: int, proven_at_ms: int) -> int | None:
    """The row of a backend that is heard of now; None: it is not known."""
    here = (Backend.environment == environment_id) & (Backend.key == key)
    heard = {"heard_at_ms": now_ms, "proven_at_ms": proven_at_ms}
    if not Backend.update(heard).where(here).execute():
        return None
    return Backend.get(here).id


def take(environment_id: int, key: str, now_ms: int, proven_at_ms: int) -> int:
    """The row of a backend of which nothing stands yet, new or emptied."""
    row = hear(environment_id, key, now_ms, proven_at_ms)
    if row is not None:
        tables.Bind.delete().where(tables.Bind.backend == row).execute()
        return row
    known = Backend.select(Backend.id).where(Backend.environment == environment_id)
    extra = [one.id for one in known.order_by(Backend.heard_at_ms.desc()).offset(_MOST - 1).limit(_MOST)]
    Backend.delete().where(Backend.id << extra).execute()
    fresh = {"environment": environment_id, "key": key, "heard_at_ms": now_ms, "proven_at_ms": proven_at_ms}
    return Backend.create(**fresh).id


def ids(environment_id: int, tokens: Collection[str]) -> dict[str, int]:
    """Rows of the environment's shares of these tokens; others are left out."""
    found: dict[str, int] = {}
    for some in peewee.chunked(sorted(set(tokens)), _SOME):
        chosen = Share.select(Share.id, Share.token).where(Share.environment == environment_id, Share.token << some)
        found.update({row.token: row.id for row in chosen.namedtuples()})
    return found


def put(backend: int, binds: Mapping[int, Bind], now_ms: int) -> None:
    """This is what it says of these shares (by row) now."""
    rows = [
        {
            "backend": backend,
            "share": share,
            "ends": bind.ends,
            "why": bind.why[:_WHY],
            "since_ms": now_ms - round(bind.since_s * 1000),
            "proven_at_ms": 0 if bind.proven_s is None else now_ms - round(bind.proven_s * 1000),
        }
        for share, bind in sorted(binds.items())
    ]
    table = tables.Bind
    kept = (table.ends, table.why, table.since_ms, table.proven_at_ms)
    for some in peewee.chunked(rows, _SOME):
        table.insert_many(some).on_conflict(conflict_target=[table.backend, table.share], preserve=kept).execute()


def drop(backend: int, share_ids: Iterable[int]) -> None:
    """It serves these shares (by row) no more."""
    for some in peewee.chunked(sorted(share_ids), _SOME):
        tables.Bind.delete().where(tables.Bind.backend == backend, tables.Bind.share << some).execute()


def of_account(account_id: int) -> tuple[Told, ...]:
    """What is told of the account's shares."""
    return _told(Environment.account == account_id)


def of_share(share_id: int) -> tuple[Told, ...]:
    """What is told of one share."""
    return _told(Share.id == share_id)


def prune(before_ms: int) -> int:
    """Forget backends that were not heard of since. How many."""
    return int(Backend.delete().where(Backend.heard_at_ms < before_ms).execute())


def _told(where: peewee.Expression) -> tuple[Told, ...]:
    table = tables.Bind
    chosen = table.select(
        Share.token, table.ends, table.why, table.since_ms, table.proven_at_ms, Backend.heard_at_ms,
        Backend.proven_at_ms.alias("all_proven_at_ms"),
    )  # fmt: skip
    joined = chosen.join(Backend).switch(table).join(Share).join(Environment).where(where)
    rows: Any = joined.tuples()
    return tuple(Told(*row) for row in rows)
