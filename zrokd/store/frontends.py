"""Frontends."""

from __future__ import annotations

from zrokd.model.frontend import Frontend
from zrokd.model.share import Permission
from zrokd.store import meta, tables
from zrokd.store.failures import taken


def ensure(name: str, digest: str, now_ms: int) -> None:
    """The frontend of this name holds the token of this digest. :raises Conflict: another one holds it."""
    meta.ensure_epoch()
    with taken("another frontend has this token; choose another"):
        changes = {tables.Frontend.digest: digest, tables.Frontend.updated_at_ms: now_ms}
        if not tables.Frontend.update(changes).where(tables.Frontend.name == name).execute():
            tables.Frontend.create(name=name, digest=digest, created_at_ms=now_ms, updated_at_ms=now_ms)


def by_digest(digest: str) -> str | None:
    """The name of the frontend that holds the token of this digest, or None."""
    row = tables.Frontend.get_or_none(tables.Frontend.digest == digest)
    return None if row is None else row.name


def find(name: str) -> int | None:
    """The row of this name, or None."""
    row = tables.Frontend.get_or_none(tables.Frontend.name == name)
    return None if row is None else row.id


def every() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(row.name for row in tables.Frontend.select().order_by(tables.Frontend.name))


def add(frontend: Frontend, digest: str, now_ms: int) -> None:
    """A new one. :raises Conflict: another has the name."""
    meta.ensure_epoch()
    with taken(f"there is a frontend {frontend.name!r} already"):
        tables.Frontend.create(digest=digest, created_at_ms=now_ms, updated_at_ms=now_ms, **_columns(frontend))


def by_token(token: str) -> tuple[int, Frontend] | None:
    """Row and frontend that the API calls so, or None."""
    row = tables.Frontend.get_or_none(tables.Frontend.token == token)
    return None if row is None else (row.id, _frontend(row))


def change(frontend_id: int, frontend: Frontend, now_ms: int) -> None:
    """Make its columns so. :raises Conflict: another has the name."""
    changes = {**_columns(frontend), "updated_at_ms": now_ms}
    with taken(f"there is a frontend {frontend.name!r} already"):
        tables.Frontend.update(changes).where(tables.Frontend.id == frontend_id).execute()


def note_identity(name: str, z_id: str) -> None:
    """Its overlay identity is this one."""
    here = (tables.Frontend.name == name) & (tables.Frontend.z_id != z_id)
    tables.Frontend.update(z_id=z_id).where(here).execute()


def remove(frontend_id: int) -> None:
    """It is gone, with its grants and the namespaces that it serves."""
    tables.Frontend.delete().where(tables.Frontend.id == frontend_id).execute()


def details() -> tuple[Frontend, ...]:
    """All, by name."""
    return tuple(_frontend(row) for row in tables.Frontend.select().order_by(tables.Frontend.name))


def _columns(frontend: Frontend) -> dict[str, str | bool]:
    return {
        "name": frontend.name,
        "token": frontend.token,
        "z_id": frontend.z_id,
        "url_template": frontend.url_template,
        "permission": frontend.permission.value,
        "dynamic": frontend.dynamic,
    }


def _frontend(row: tables.Frontend) -> Frontend:
    return Frontend(
        token=row.token,
        name=row.name,
        z_id=row.z_id,
        url_template=row.url_template,
        permission=Permission(row.permission),
        dynamic=row.dynamic,
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
    )
