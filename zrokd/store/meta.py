"""Facts about the store itself: who we are, in which epoch the names are counted, and how far."""

from __future__ import annotations

import secrets
from typing import Any

from zrokd.model.audit import Link
from zrokd.model.naming import new_token
from zrokd.store.base import database
from zrokd.store.tables import Meta

_INSTANCE, _EPOCH, _VERSION, _PRUNED = "instance", "epoch", "mapping_version", "mapping_pruned"
_BOOT, _TRIAL = "boot", "trial"
_TRIAL_BYTES = 64 * 1024  # more than any change of ours: a full disk may still have room for a small one
_AUDIT_HEAD, _AUDIT_CHECKPOINT = "audit_head", "audit_checkpoint"


def instance_id() -> str:
    """Who we are on the overlay: a random text made once per store. For `Store.write`."""
    return _get_or_make(_INSTANCE, new_token())


def epoch() -> str:
    """What the versions of names are counted in; "" while there was never a frontend."""
    return _get(_EPOCH, "")


def ensure_epoch() -> None:
    """There is an epoch from now on."""
    _get_or_make(_EPOCH, new_token())


def begin_epoch() -> None:
    """Make every frontend ask for all names again."""
    _set(_EPOCH, new_token())


def note_boot(boot: str) -> bool:
    """Whether the machine of this store started anew since the last call; then a new epoch begins.

    A power cut takes the last transactions with it, and the versions they gave are given again, to other changes: a
    frontend that heard of the first would never hear of the second.
    """
    if _get(_BOOT, "") == boot:
        return False
    _set(_BOOT, boot)
    if epoch():
        begin_epoch()
    return True


def version() -> int:
    """The version of the latest change of names."""
    return int(_get(_VERSION, "0"))


def next_version() -> int:
    """One more. Until this transaction ends, nobody else gets one, so versions become visible in their order."""
    _get_or_make(_VERSION, "0")
    Meta.update(value=Meta.value).where(Meta.key == _VERSION).execute()  # locks the row
    following = version() + 1
    _set(_VERSION, str(following))
    return following


def pruned_version() -> int:
    """Deletions up to this version are forgotten: whoever knows less needs all names."""
    return int(_get(_PRUNED, "0"))


def set_pruned_version(value: int) -> None:
    """Deletions up to `value` are forgotten now."""
    _set(_PRUNED, str(value))


def begin_trial() -> None:
    """Write something of size, to find out whether the database takes it. For `Store.write`, as `end_trial`."""
    _set(_TRIAL, secrets.token_hex(_TRIAL_BYTES // 2))


def end_trial() -> None:
    """Take it away again. Idempotent."""
    Meta.delete().where(Meta.key == _TRIAL).execute()


def audit_head() -> Link:
    """The last record of the audit trail."""
    return _link(_AUDIT_HEAD)


def set_audit_head(head: Link) -> None:
    """It is this one now."""
    if not _quick("update meta set value = ? where key = ?", str(head), _AUDIT_HEAD).rowcount:
        _set(_AUDIT_HEAD, str(head))


def audit_checkpoint() -> Link:
    """The last record that was pruned."""
    return _link(_AUDIT_CHECKPOINT)


def set_audit_checkpoint(checkpoint: Link) -> None:
    """It is this one now."""
    _set(_AUDIT_CHECKPOINT, str(checkpoint))


def usage_marks() -> dict[str, int]:
    """Unix milliseconds up to which what is done with usage; what is not there is not done yet."""
    rows = _quick("select key, value from meta where key like ?", "usage %").fetchall()
    return {key.removeprefix("usage "): int(value) for key, value in rows}


def set_usage_mark(name: str, at_ms: int) -> None:
    """It is done up to there now."""
    _set(f"usage {name}", str(at_ms))


def _link(key: str) -> Link:
    seq, _, digest = (_quick("select value from meta where key = ?", key).fetchone() or ("0:",))[0].partition(":")
    return Link(seq=int(seq), digest=digest)


def _quick(sql: str, *values: str) -> Any:
    """For what every change does: peewee takes ten times as long to build the same."""
    run: Any = database.execute_sql
    return run(sql.replace("?", database.param), values)


def _get(key: str, default: str) -> str:
    row = Meta.get_or_none(Meta.key == key)
    return default if row is None else row.value


def _get_or_make(key: str, value: str) -> str:
    Meta.insert(key=key, value=value).on_conflict_ignore().execute()
    return _get(key, value)


def _set(key: str, value: str) -> None:
    Meta.insert(key=key, value=value).on_conflict(conflict_target=[Meta.key], update={Meta.value: value}).execute()
