"""The journal of sagas: what was begun on the overlay and is not settled here. Also the lock on each subject."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import peewee

from zrokd.errors import Unavailable
from zrokd.store import tables

CREATE, DELETE, REPAIR, ADOPT = "create", "delete", "repair", "adopt"
ENVIRONMENT, SHARE, ACCESS, IDENTITY, AGENT = "environment", "share", "access", "identity", "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Work begun. `subject` is an overlay name or token, unique among its kind; `worker` a run of a controller."""

    id: int
    verb: str
    kind: str
    subject: str
    payload: Mapping[str, Any]
    worker: str
    started_at_ms: int

    @property
    def abandoned(self) -> bool:
        """Whether nobody is at it."""
        return not self.worker


def begin(verb: str, kind: str, subject: str, worker: str, now_ms: int, **payload: str | int) -> Intent:
    """The subject is ours until `end`. :raises Unavailable: somebody else works on it."""
    text = json.dumps(payload)
    row = {"verb": verb, "kind": kind, "subject": subject, "payload": text, "worker": worker, "started_at_ms": now_ms}
    try:
        made = tables.Intent.create(**row)
    except peewee.IntegrityError as error:
        raise busy(kind, subject) from error
    return _intent(made)


def busy(kind: str, subject: str) -> Unavailable:
    """What those are told who would change what somebody works on."""
    return Unavailable(f"{kind} {subject} is being changed right now; try again", retry_after_s=1.0)


def holds(intent: Intent) -> bool:
    """Whether the work is still ours to settle."""
    return tables.Intent.select().where(_same(intent)).exists()


def end(intent: Intent) -> bool:
    """The work is settled. False: somebody (the reconciler) took it over before, and it is not ours any more."""
    return bool(tables.Intent.delete().where(_same(intent)).execute())


def abandon(intent: Intent) -> None:
    """We are not at it any more: whoever comes by may go on."""
    tables.Intent.update(worker="").where(_same(intent)).execute()


def workers() -> set[str]:
    """The runs that are at something."""
    return {row.worker for row in tables.Intent.select(tables.Intent.worker).distinct() if row.worker}


def abandon_of(gone: Collection[str]) -> int:
    """These runs are at nothing any more: whoever comes by may go on. How much was left."""
    return int(tables.Intent.update(worker="").where(tables.Intent.worker << list(gone)).execute())


def claim(intent: Intent, worker: str, now_ms: int) -> Intent | None:
    """The same work, ours from now on; None: it has changed hands since it was read."""
    changes = {"worker": worker, "started_at_ms": now_ms}
    if not tables.Intent.update(changes).where(_same(intent)).execute():
        return None
    return replace(intent, worker=worker, started_at_ms=now_ms)


def find(kind: str, subject: str) -> Intent | None:
    """The work going on for a subject, or None."""
    row = tables.Intent.get_or_none((tables.Intent.kind == kind) & (tables.Intent.subject == subject))
    return None if row is None else _intent(row)


def interrupted(worker: str, before_ms: int, *, alone: bool) -> tuple[Intent, ...]:
    """What nobody is at, oldest first: abandoned, begun up to `before_ms`, or (if we are alone) not begun by us."""
    stale = (tables.Intent.worker == "") | (tables.Intent.started_at_ms <= before_ms)
    if alone:
        stale |= tables.Intent.worker != worker
    return tuple(_intent(row) for row in tables.Intent.select().where(stale).order_by(tables.Intent.id))


def subjects(kind: str) -> set[str]:
    """All subjects of a kind that somebody works on."""
    return {row.subject for row in tables.Intent.select().where(tables.Intent.kind == kind)}


def _same(intent: Intent) -> peewee.Expression:
    return (
        (tables.Intent.id == intent.id)  # not enough: SQLite gives freed ids again
        & (tables.Intent.kind == intent.kind)
        & (tables.Intent.subject == intent.subject)
        & (tables.Intent.worker == intent.worker)
        & (tables.Intent.started_at_ms == intent.started_at_ms)
    )


def _intent(row: tables.Intent) -> Intent:
    return Intent(
        id=row.id,
        verb=row.verb,
        kind=row.kind,
        subject=row.subject,
        payload=json.loads(row.payload),
        worker=row.worker,
        started_at_ms=row.started_at_ms,
    )
