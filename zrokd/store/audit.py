"""The audit trail at rest. Records are written by the transaction whose work they tell of, as its last act."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from zrokd.model.audit import DONE, PRUNED, Link, Note, Record, actor
from zrokd.store import base, meta
from zrokd.store.tables import AuditRecord

_DAY_MS = 86_400_000
_MOST_PRUNED = 10_000  # in one transaction: all other writers wait for its end

_AS_THEY_ARE = ("seq", "at_ms", "actor", "via", "address", "event", "subject", "account", "outcome")

_notes: ContextVar[list[Note]] = ContextVar("notes")


def note(event: str, subject: str = "", *, account: str = "", outcome: str = DONE, **facts: Any) -> None:
    """Tell in the trail what this transaction does; it is kept if that is. Facts are JSON, and no secrets."""
    _notes.get().append(Note(event=event, subject=subject, account=account, outcome=outcome, facts=facts))


def begin() -> list[Note]:
    """Where `note` puts what it is told from now on, in this context."""
    notes: list[Note] = []
    _notes.set(notes)
    return notes


def seal(notes: Sequence[Note], now_ms: int) -> None:
    """Chain them to the last record, on behalf of the context's actor.

    Nobody else may append until this transaction ends: writers go one after another on every database (`dialects`),
    so the head needs no lock of its own, and no writer waits for it.
    """
    who, last = actor(), meta.audit_head()
    for one in notes:
        record = Record(
            seq=last.seq + 1,
            at_ms=now_ms,
            actor=who.name[:320],
            via=who.via[:128],
            address=who.address[:64],
            event=one.event,
            subject=one.subject[:255],
            account=one.account[:254],
            outcome=one.outcome,
            facts=json.loads(json.dumps(dict(one.facts))),
        )
        last = Link(seq=record.seq, digest=record.sealed(last.digest))
        _insert(record, last.digest)
    meta.set_audit_head(last)


def page(after: int, most: int, *, since_ms: int = 0, account: str = "") -> tuple[Record, ...]:
    """Records behind number `after`, oldest first; with `account` (an e-mail address) those by and about it."""
    query = AuditRecord.select().where(AuditRecord.id > after)
    if since_ms:
        query = query.where(AuditRecord.at_ms >= since_ms)
    if account:
        query = query.where((AuditRecord.account == account) | (AuditRecord.actor == account))
    return tuple(_record(row) for row in query.order_by(AuditRecord.id).limit(most))


def prune(before_ms: int) -> int:
    """Forget the oldest, as far as they are from before; how many. The last of them becomes the checkpoint.

    Once a day at most, as each time is a record itself.
    """
    checkpoint = meta.audit_checkpoint()
    oldest = AuditRecord.select().order_by(AuditRecord.id).first()
    if oldest is None or oldest.at_ms >= before_ms - _DAY_MS:
        return 0
    kept = AuditRecord.select().where(AuditRecord.at_ms >= before_ms).order_by(AuditRecord.id).first()
    end = kept.id if kept else meta.audit_head().seq + 1
    through = min(end - 1, checkpoint.seq + _MOST_PRUNED)
    last = AuditRecord.get_or_none(AuditRecord.id == through)
    if last is None:
        return 0
    count = int(AuditRecord.delete().where(AuditRecord.id <= through).execute())
    meta.set_audit_checkpoint(Link(seq=through, digest=last.digest))
    note(PRUNED, through=through, digest=last.digest)
    return count


def _insert(record: Record, digest: str) -> None:
    """As SQL: building it by peewee would take most of the time that a record costs each change."""
    values = [*(getattr(record, name) for name in _AS_THEY_ARE), json.dumps(record.facts), digest]
    columns = ", ".join(("id", *_AS_THEY_ARE[1:], "facts", "digest"))
    marks = ", ".join([base.database.param] * len(values))
    run: Any = base.database.execute_sql
    run(f"insert into audit_record ({columns}) values ({marks})", values)  # noqa: S608 - our own words


def _record(row: AuditRecord) -> Record:
    return Record(
        seq=row.id,
        at_ms=row.at_ms,
        actor=row.actor,
        via=row.via,
        address=row.address,
        event=row.event,
        subject=row.subject,
        account=row.account,
        outcome=row.outcome,
        facts=_facts(row.facts),
        digest=row.digest,
    )


def _facts(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # somebody wrote into the table: what is shown is what is there
        return text
