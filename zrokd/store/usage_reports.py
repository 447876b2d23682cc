"""Which report of usage each reporter made last, so that one that is made again counts once."""

from __future__ import annotations

import peewee

from zrokd.store.tables import UsageReporter

_KEEP_MS = 7 * 86400 * 1000  # a reporter that is silent for longer has ended


def take(source: str, reporter: str, batch: str, now_ms: int) -> bool:
    """Note the report that is made now; False: it is the one that this reporter of the source made last, again."""
    row = {"source": source, "reporter": reporter, "batch": batch, "at_ms": now_ms}
    noted = UsageReporter.insert(row).on_conflict(
        conflict_target=[UsageReporter.source, UsageReporter.reporter],
        update={UsageReporter.batch: peewee.EXCLUDED.batch, UsageReporter.at_ms: peewee.EXCLUDED.at_ms},
        where=UsageReporter.batch != batch,
    )
    return bool(noted.as_rowcount().execute())


def prune(now_ms: int) -> int:
    """Forget who is silent for long. How many."""
    return int(UsageReporter.delete().where(UsageReporter.at_ms < now_ms - _KEEP_MS).execute())
