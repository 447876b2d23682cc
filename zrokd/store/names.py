"""Names, and which share uses which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import peewee

from zrokd.model.naming import Name
from zrokd.store import tables
from zrokd.store.failures import taken
from zrokd.store.tables import Namespace, ShareName

_LIVE = tables.Name.deleted_at_ms.is_null()
_SOME = 500  # ids per query: databases limit how many values one may carry
_COLUMNS = (  # of a Name
    Namespace.token, Namespace.zone, tables.Name.name, tables.Name.reserved, tables.Share.token,
    tables.Name.created_at_ms,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A name's row, and the row of the share that uses it (or None)."""

    id: int
    account_id: int
    reserved: bool
    share_id: int | None


def add(namespace_id: int, account_id: int, name: str, now_ms: int, *, reserved: bool) -> int:
    """The id of a new name. :raises Conflict: it is taken in this namespace."""
    with taken(f"the name {name!r} is taken"):
        return tables.Name.create(
            namespace=namespace_id,
            account=account_id,
            name=name,
            reserved=reserved,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        ).id


def find(namespace_id: int, name: str) -> Held | None:
    """Who holds the name, whoever that is."""
    row = _first(_query(tables.Name.id, tables.Name.account, tables.Name.reserved, ShareName.share), namespace_id, name)
    return None if row is None else Held(*row)


def with_email(namespace_id: int, name: str) -> tuple[Name, str] | None:
    """The name, and the e-mail address of the account that holds it; None when nobody does."""
    query = _query(*_COLUMNS, tables.Account.email).switch(tables.Name).join(tables.Account)
    row = _first(query, namespace_id, name)
    return None if row is None else (_name(row[:-1]), row[-1])


def of_account(account_id: int, namespace_id: int | None = None) -> tuple[Name, ...]:
    """The account's, of one namespace or all, oldest first."""
    mine = tables.Name.account == account_id
    where = mine if namespace_id is None else mine & (tables.Name.namespace == namespace_id)
    rows: Any = _query(*_COLUMNS).where(where).order_by(tables.Name.id).tuples()
    return tuple(_name(row) for row in rows)


def count_reserved(account_id: int) -> int:
    """How many names the account has reserved."""
    reserved = tables.Name.reserved == True  # noqa: E712 - an SQL expression
    return tables.Name.select().where(_LIVE, reserved, tables.Name.account == account_id).count()


def set_reserved(name_id: int, now_ms: int, *, reserved: bool) -> None:
    """Whether the name outlives the share that uses it."""
    changes = {"reserved": reserved, "updated_at_ms": now_ms}
    tables.Name.update(changes).where(tables.Name.id == name_id).execute()


def remove(name_id: int, now_ms: int) -> None:
    """Free the name."""
    tables.Name.update(deleted_at_ms=now_ms).where(tables.Name.id == name_id).execute()


def remove_of_account(account_id: int, now_ms: int) -> None:
    """Free all names of the account."""
    tables.Name.update(deleted_at_ms=now_ms).where(_LIVE, tables.Name.account == account_id).execute()


def remove_of_namespace(namespace_id: int, now_ms: int) -> None:
    """Free all names in the namespace."""
    tables.Name.update(deleted_at_ms=now_ms).where(_LIVE, tables.Name.namespace == namespace_id).execute()


def attach(share_id: int, name_id: int) -> None:
    """Let the share use the name. Idempotent. :raises Conflict: another one does."""
    if ShareName.select().where(ShareName.share == share_id, ShareName.name == name_id).exists():
        return
    with taken("the name is in use by another share"):
        ShareName.create(share=share_id, name=name_id)


def detach(share_id: int, now_ms: int, *, keep: Collection[int] = ()) -> None:
    """The share uses only the names of `keep`; of the others, those not reserved are freed."""
    dropped = [row.name_id for row in ShareName.select().where(ShareName.share == share_id) if row.name_id not in keep]
    ShareName.delete().where(ShareName.share == share_id, ShareName.name << dropped).execute()
    unreserved = tables.Name.reserved == False  # noqa: E712 - an SQL expression
    tables.Name.update(deleted_at_ms=now_ms).where(tables.Name.id << dropped, unreserved).execute()


def hosts_by_share(share_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Share row -> its host names, in the order they were given."""
    hosts: dict[int, list[str]] = {}
    for share_id, host, _, _ in _uses(share_ids):
        hosts.setdefault(share_id, []).append(host)
    return {share_id: tuple(found) for share_id, found in hosts.items()}


def urls_of_share(share_id: int) -> tuple[str, ...]:
    """Where people find the share."""
    return tuple(url.replace("{host}", host) for _, host, _, url in _uses([share_id]))


def namespaces_by_host(share_id: int) -> dict[str, int]:
    """Host name -> namespace row, of one share."""
    return {host: namespace_id for _, host, namespace_id, _ in _uses([share_id])}


def _uses(share_ids: Collection[int]) -> list[tuple[int, str, int, str]]:
    """Share row, host, namespace row, URL pattern: one for each name in use."""
    found: list[tuple[int, str, int, str]] = []
    ids = sorted(share_ids)
    for start in range(0, len(ids), _SOME):
        rows: Any = (
            ShareName.select(ShareName.share, tables.Name.name, Namespace.zone, Namespace.id, Namespace.url)
            .join(tables.Name)
            .join(Namespace)
            .where(ShareName.share << ids[start : start + _SOME])
            .order_by(ShareName.id)
            .tuples()
        )
        found += [(share, f"{name}.{zone}", namespace, url) for share, name, zone, namespace, url in rows]
    return found


def _query(*columns: Any) -> peewee.ModelSelect[tables.Name]:
    return (
        tables.Name.select(*columns)
        .join(Namespace)
        .switch(tables.Name)
        .join(ShareName, peewee.JOIN.LEFT_OUTER)
        .join(tables.Share, peewee.JOIN.LEFT_OUTER)
        .where(_LIVE)
    )


def _first(query: peewee.ModelSelect[tables.Name], namespace_id: int, name: str) -> Any:
    return query.where(tables.Name.namespace == namespace_id, tables.Name.name == name).tuples().first()


def _name(row: tuple[Any, ...]) -> Name:
    namespace, zone, name, reserved, share_token, created_at_ms = row
    return Name(
        namespace=namespace,
        zone=zone,
        name=name,
        reserved=reserved,
        share_token=share_token or "",
        created_at_ms=created_at_ms,
    )
