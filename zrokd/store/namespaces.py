"""Namespaces, who may use them, and which frontends serve them."""

from __future__ import annotations

from collections.abc import Collection

import peewee

from zrokd.errors import Conflict
from zrokd.model.frontend import NamespaceFrontend as MappedFrontend
from zrokd.model.naming import Namespace
from zrokd.store import tables
from zrokd.store.failures import taken
from zrokd.store.tables import NamespaceFrontend, NamespaceGrant

_LIVE = tables.Namespace.deleted_at_ms.is_null()


def add(namespace: Namespace, now_ms: int) -> int:
    """The id of a new namespace. :raises Conflict: its token or zone is taken."""
    with taken(f"there is a namespace {namespace.token!r}, or one with the zone {namespace.zone}, already"):
        return tables.Namespace.create(created_at_ms=now_ms, updated_at_ms=now_ms, **_columns(namespace)).id


def change(namespace_id: int, namespace: Namespace, now_ms: int) -> None:
    """Make its columns so. :raises Conflict: another has the zone."""
    changes = {**_columns(namespace), "updated_at_ms": now_ms}
    with taken(f"there is another namespace with the zone {namespace.zone}"):
        tables.Namespace.update(changes).where(tables.Namespace.id == namespace_id).execute()


def remove(namespace_id: int, now_ms: int) -> None:
    """Only history is left of it."""
    tables.Namespace.update(deleted_at_ms=now_ms).where(tables.Namespace.id == namespace_id).execute()
    NamespaceGrant.delete().where(NamespaceGrant.namespace == namespace_id).execute()


def find(token: str) -> tuple[int, Namespace] | None:
    """Row and namespace of this token, or None."""
    row = tables.Namespace.get_or_none(_LIVE & (tables.Namespace.token == token))
    return None if row is None else (row.id, _namespace(row))


def every() -> tuple[Namespace, ...]:
    """All, by token."""
    return _list(tables.Namespace.select().where(_LIVE))


def usable(account_id: int) -> tuple[Namespace, ...]:
    """Open ones and those granted to the account, by token."""
    return _list(tables.Namespace.select().where(_LIVE, _usable(account_id)))


def is_usable(namespace_id: int, account_id: int) -> bool:
    """Whether the account may take names in it."""
    return tables.Namespace.select().where(tables.Namespace.id == namespace_id, _usable(account_id)).exists()


def grant(namespace_id: int, account_id: int) -> None:
    """Let the account use it. Idempotent."""
    NamespaceGrant.insert(namespace=namespace_id, account=account_id).on_conflict_ignore().execute()


def revoke(namespace_id: int, account_id: int) -> None:
    """Take that back. Idempotent."""
    here = NamespaceGrant.namespace == namespace_id
    NamespaceGrant.delete().where(here, NamespaceGrant.account == account_id).execute()


def set_frontends(namespace_id: int, frontend_ids: Collection[int]) -> bool:
    """Let these frontends and no others serve it. Whether that was a change."""
    here = NamespaceFrontend.namespace == namespace_id
    if {row.frontend_id for row in NamespaceFrontend.select().where(here)} == set(frontend_ids):
        return False
    NamespaceFrontend.delete().where(here).execute()
    for frontend_id in set(frontend_ids):
        NamespaceFrontend.create(namespace=namespace_id, frontend=frontend_id)
    return True


def add_frontend(namespace_id: int, frontend_id: int, now_ms: int, *, is_default: bool) -> None:
    """Let the frontend serve it, too. :raises Conflict: it does already, or has another default."""
    if is_default and any(one.is_default for one in served_by(frontend_id)):
        raise Conflict("the frontend has another namespace as its default")
    with taken("the frontend serves this namespace already"):
        NamespaceFrontend.create(
            namespace=namespace_id, frontend=frontend_id, is_default=is_default, created_at_ms=now_ms
        )


def remove_frontend(namespace_id: int, frontend_id: int) -> bool:
    """The frontend does not serve it any more. Whether it did."""
    both = (NamespaceFrontend.namespace == namespace_id) & (NamespaceFrontend.frontend == frontend_id)
    return bool(NamespaceFrontend.delete().where(both).execute())


def frontends_of(namespace_id: int) -> tuple[MappedFrontend, ...]:
    """Which frontends serve it, oldest first."""
    return _served(NamespaceFrontend.namespace == namespace_id)


def served_by(frontend_id: int) -> tuple[MappedFrontend, ...]:
    """Which namespaces a frontend serves, oldest first."""
    return _served(NamespaceFrontend.frontend == frontend_id)


def _served(where: peewee.Expression) -> tuple[MappedFrontend, ...]:
    rows = (
        NamespaceFrontend.select(NamespaceFrontend, tables.Namespace, tables.Frontend)
        .join(tables.Namespace)
        .switch(NamespaceFrontend)
        .join(tables.Frontend)
        .where(_LIVE, where)
        .order_by(NamespaceFrontend.id)
    )
    return tuple(
        MappedFrontend(
            namespace=row.namespace.token,
            frontend=row.frontend.token,
            is_default=row.is_default,
            created_at_ms=row.created_at_ms,
        )
        for row in rows
    )


def _usable(account_id: int) -> peewee.Expression:
    granted = NamespaceGrant.select(NamespaceGrant.namespace).where(NamespaceGrant.account == account_id)
    return (tables.Namespace.open == True) | (tables.Namespace.id << granted)  # noqa: E712 - an SQL expression


def _list(query: peewee.ModelSelect[tables.Namespace]) -> tuple[Namespace, ...]:
    return tuple(_namespace(row) for row in query.order_by(tables.Namespace.token))


def _columns(namespace: Namespace) -> dict[str, str | bool]:
    return {
        "token": namespace.token,
        "zone": namespace.zone,
        "description": namespace.description,
        "open": namespace.open,
        "url": namespace.url,
    }


def _namespace(row: tables.Namespace) -> Namespace:
    return Namespace(
        token=row.token,
        zone=row.zone,
        description=row.description,
        open=row.open,
        url=row.url,
        created_at_ms=row.created_at_ms,
    )
