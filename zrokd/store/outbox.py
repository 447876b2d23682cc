"""Letters that wait to be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from zrokd.model.naming import new_token
from zrokd.model.site import Letter
from zrokd.store.tables import OutboxLetter

REGISTER, RESET, READY, NOBODY = "register", "reset", "ready", "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One letter; of READY ones the whole of it, of others what they are about."""

    id: int
    key: str  # tells it from all others, also when it is sent again
    kind: str
    email: str
    letter: Letter | None
    tries: int


def add(kind: str, email: str, now_ms: int) -> None:
    """A letter that is written when it is sent; one to NOBODY never is, and costs the same."""
    OutboxLetter.create(key=new_token(), kind=kind, email=email, content="", due_at_ms=now_ms)


def add_ready(letter: Letter, now_ms: int) -> None:
    """A letter as it is. It must not hold a secret."""
    content = json.dumps({"subject": letter.subject, "text": letter.text, "html": letter.html})
    OutboxLetter.create(key=new_token(), kind=READY, email=letter.to, content=content, due_at_ms=now_ms)


def due(now_ms: int, most: int) -> tuple[Waiting, ...]:
    """Some that may be sent now, the longest due first."""
    ready = OutboxLetter.select().where(OutboxLetter.due_at_ms <= now_ms)
    return tuple(_waiting(row) for row in ready.order_by(OutboxLetter.due_at_ms, OutboxLetter.id).limit(most))


def take(one: Waiting, again_at_ms: int) -> bool:
    """It is ours to send, and due again then if nobody tells that it is out. False: somebody else took it first."""
    same = (OutboxLetter.id == one.id) & (OutboxLetter.tries == one.tries)
    return bool(OutboxLetter.update(tries=one.tries + 1, due_at_ms=again_at_ms).where(same).execute())


def end(letter_id: int) -> None:
    """It is out, or will not be sent."""
    OutboxLetter.delete().where(OutboxLetter.id == letter_id).execute()


def _waiting(row: Any) -> Waiting:
    letter = Letter(to=row.email, key=row.key, **json.loads(row.content)) if row.content else None
    return Waiting(id=row.id, key=row.key, kind=row.kind, email=row.email, letter=letter, tries=row.tries)
