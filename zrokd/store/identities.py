"""Overlay identities that the operator asked for."""

from __future__ import annotations

from zrokd.store.failures import taken
from zrokd.store.tables import OperatorIdentity


def add(name: str, z_id: str, now_ms: int) -> None:
    """A new one. :raises Conflict: the name is taken."""
    with taken(f"there is an identity {name!r} already"):
        OperatorIdentity.create(name=name, z_id=z_id, created_at_ms=now_ms)


def has_name(name: str) -> bool:
    """Whether one is called so."""
    return OperatorIdentity.select().where(OperatorIdentity.name == name).exists()


def exists(z_id: str) -> bool:
    """Whether there is one of this id."""
    return OperatorIdentity.select().where(OperatorIdentity.z_id == z_id).exists()


def remove(z_id: str) -> bool:
    """Forget it. Whether it was there."""
    return bool(OperatorIdentity.delete().where(OperatorIdentity.z_id == z_id).execute())
