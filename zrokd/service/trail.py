"""The audit trail: read, pruned, and told of what was refused. What was done is told by those who do it."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from zrokd.contracts import Clock
from zrokd.errors import Conflict, Denied, LimitReached, NotFound, OverlayError, StoreError, ZrokdError
from zrokd.model.audit import FAILED, REFUSED, Link, Record, actor
from zrokd.store import audit, meta
from zrokd.store.database import Store

_REFUSALS = (Denied, NotFound, Conflict, LimitReached)
_MOST_A_MINUTE = 30  # of one actor: nobody fills the disk with what he may not do
_log = logging.getLogger("zrokd.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some records, and the two ends of the chain at the same moment."""

    checkpoint: Link
    head: Link
    records: tuple[Record, ...]


class Trail:
    """Who did what, when, from where, and how it ended."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._minute, self._counts, self._left_out = 0, Counter[str](), Counter[str]()

    def page(self, after: int, most: int, *, since_ms: int = 0, account: str = "") -> Page:
        """Records behind number `after`, oldest first; with `account` (an e-mail address) those by and about it."""
        return self._store.read(_page, after, most, since_ms, account)

    def refuse(self, what: str, error: ZrokdError, *, account: str = "") -> None:
        """Tell that the actor was refused, or that it failed. What has no end of its own (try again) is not told."""
        outcome = REFUSED if isinstance(error, _REFUSALS) else FAILED if isinstance(error, OverlayError) else ""
        if not outcome or not self._has_room():
            return
        who = actor().name
        facts: dict[str, Any] = {"reason": str(error)}
        if who in self._left_out:
            facts["left_out"] = self._left_out.pop(who)
        try:
            self._store.write(audit.note, what, account=account, outcome=outcome, **facts)
        except StoreError as failure:
            _log.warning("the audit trail misses that %s was %s %s: %s", who, outcome, what, failure)

    def prune(self, keep_s: float) -> int:
        """Forget what is older; how many."""
        return self._store.write(audit.prune, self._clock.now_ms() - int(keep_s * 1000))

    def _has_room(self) -> bool:
        who, minute = actor().name, int(self._clock.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[who] += 1
        if self._counts[who] > _MOST_A_MINUTE:
            self._left_out[who] += 1
            return False
        return True


def _page(after: int, most: int, since_ms: int, account: str) -> Page:
    records = audit.page(after, most, since_ms=since_ms, account=account)
    return Page(checkpoint=meta.audit_checkpoint(), head=meta.audit_head(), records=records)
