"""Frontends."""

from __future__ import annotations

from zrokd.store import meta
from zrokd.store.failures import taken
from zrokd.store.tables import Frontend


def ensure(name: str, digest: str, now_ms: int) -> None:
    """The frontend of this name holds the token of this digest. :raises Conflict: another one holds it."""
    meta.ensure_epoch()
    with taken("another frontend has this token; choose another"):
        changes = {Frontend.digest: digest, Frontend.updated_at_ms: now_ms}
        if not Frontend.update(changes).where(Frontend.name == name).execute():
            Frontend.create(name=name, digest=digest, created_at_ms=now_ms, updated_at_ms=now_ms)


def by_digest(digest: str) -> str | None:
    """The name of the frontend that holds the token of this digest, or None."""
    row = Frontend.get_or_none(Frontend.digest == digest)
    return None if row is None else row.name


def find(name: str) -> int | None:
    """The row of this name, or None."""
    row = Frontend.get_or_none(Frontend.name == name)
    return None if row is None else row.id


def every() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(row.name for row in Frontend.select().order_by(Frontend.name))
