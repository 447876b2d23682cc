"""Usage samples, and what they add up to. Sums of what is long enough ago stand in `usage_periods`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import peewee

from zrokd.model.limits import Traffic, UsageSample
from zrokd.store import tables, told, usage_periods
from zrokd.store.usage_periods import SHORTEST_MS, SPANS_S, Part

_HOUR_MS = 3600 * 1000
_KEEP_MS = _HOUR_MS + SHORTEST_MS  # windows of less than an hour are counted in samples
_ADD = """
INSERT INTO usage_sample (account_id, env_z_id, share_token, rx_bytes, tx_bytes, at_ms)
SELECT environment.account_id, coalesce(environment.z_id, ''), share.token, cast(told.value ->> 1 AS bigint),
  cast(told.value ->> 2 AS bigint), cast(told.value ->> 3 AS bigint)
FROM {told} JOIN share ON share.token = told.value ->> 0 JOIN environment ON environment.id = share.environment_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose bytes: all of an account's, or only those of one of its environments or shares."""

    account_id: int
    env_z_id: str = ""
    share_token: str = ""

    def of(self, table: Any) -> peewee.Expression:
        """The rows of `table` that count."""
        where: peewee.Expression = table.account == self.account_id
        if self.env_z_id:
            where &= table.env_z_id == self.env_z_id
        if self.share_token:
            where &= table.share_token == self.share_token
        return where


def add(samples: Sequence[UsageSample]) -> int:
    """Keep those of shares that we know, live or on their way. How many.

    One of a time whose sums are made already counts as of the time after it.
    """
    earliest_ms = usage_periods.sealed_ms()
    rows = [
        (one.share_token, one.rx_bytes, one.tx_bytes, max(one.at_ms, earliest_ms))
        for one in sorted(samples, key=lambda one: one.share_token)  # beside each other in the index, too
    ]
    return int(told.run(_ADD, rows).rowcount)


def series(scope: Scope, since_ms: int, until_ms: int, step_ms: int) -> tuple[Traffic, ...]:
    """What went through, in steps of `step_ms` that end in (since, until + step]; a step without bytes counts 0.

    Steps begin at `since_ms`. Steps of five minutes and more are made of periods, shorter ones of samples.
    """
    steps = max(1, -(-(until_ms - since_ms) // step_ms))
    rx, tx = [0] * steps, [0] * steps
    for step, received, sent in _counted(scope, since_ms, until_ms, step_ms):
        place = min(max(0, step), steps - 1)
        rx[place] += received
        tx[place] += sent
    return tuple(
        Traffic(rx_bytes=rx[step], tx_bytes=tx[step], at_ms=since_ms + (step + 1) * step_ms) for step in range(steps)
    )


def total(account_id: int, since_ms: int, now_ms: int) -> tuple[int, int]:
    """Bytes of the account in a window that ends now: from visitors, and to them.

    A window of less than an hour is counted in samples. A longer one is counted in periods that begin in it, its first
    part in short ones and the rest in long ones: a month is some 60 rows a share. What a clock that was far ahead left
    is counted when its time comes.
    """
    whose, end_ms = Scope(account_id=account_id), now_ms + usage_periods.AHEAD_MS
    if now_ms - since_ms < _HOUR_MS:
        parts = iter([Part(span_s=0, begin_ms=since_ms + 1, end_ms=end_ms)])
    else:
        parts = usage_periods.parts(-(-since_ms // SHORTEST_MS) * SHORTEST_MS, end_ms)
    sums = [_sum(part, whose) for part in parts]
    return sum(rx for rx, _ in sums), sum(tx for _, tx in sums)


def active_shares(account_id: int, since_ms: int) -> set[str]:
    """Tokens of the account's shares through which bytes went since then (to five minutes)."""
    whose, found = Scope(account_id=account_id), set()
    for part in usage_periods.parts(since_ms // SHORTEST_MS * SHORTEST_MS, None, longest_s=SPANS_S[0]):
        table = part.table
        moved = (table.rx_bytes > 0) | (table.tx_bytes > 0)
        rows = table.select(table.share_token).where(whose.of(table), part.within(), moved)
        found |= {row.share_token for row in rows.distinct().namedtuples()}
    return found


def active_accounts(since_ms: int, among: peewee.ModelSelect[Any] | None = None) -> set[int]:
    """Accounts through whose shares bytes went since then (to five minutes); of those that `among` selects, or all."""
    found: set[int] = set()
    for part in usage_periods.parts(since_ms // SHORTEST_MS * SHORTEST_MS, None, longest_s=SPANS_S[0]):
        moved = part.table.select().where(part.table.account == tables.Account.id, part.within())
        rows = tables.Account.select(tables.Account.id).where(peewee.fn.EXISTS(moved))
        found |= {row.id for row in (rows if among is None else rows.where(tables.Account.id << among)).namedtuples()}
    return found


def prune_some(now_ms: int, most: int) -> int:
    """Forget some samples and periods that are too old to be asked for. How many; 0: there are no more."""
    return _prune_samples(now_ms, most) or usage_periods.prune_some(now_ms, most)


def of_share(share_token: str, since_ms: int = 0) -> tuple[UsageSample, ...]:
    """What was counted for a share, oldest first."""
    known = (tables.UsageSample.share_token == share_token) & (tables.UsageSample.at_ms >= since_ms)
    return tuple(
        UsageSample(share_token=row.share_token, rx_bytes=row.rx_bytes, tx_bytes=row.tx_bytes, at_ms=row.at_ms)
        for row in tables.UsageSample.select().where(known).order_by(tables.UsageSample.at_ms, tables.UsageSample.id)
    )


def _prune_samples(now_ms: int, most: int) -> int:
    """By their numbers, which grow with time: an index of times alone would cost more than all else that is done.

    Those of a clock that was ahead, which is set right now, hold up none that came after them.
    """
    table = tables.UsageSample
    before_ms = min(now_ms - _KEEP_MS, usage_periods.rolled_ms(SPANS_S[0]))
    oldest = table.select(table.id).where(table.at_ms <= now_ms).order_by(table.id).limit(most)
    return int(table.delete().where(table.id << oldest, table.at_ms < before_ms).execute())


def _sum(part: Part, whose: Scope) -> tuple[int, int]:
    table = part.table
    columns = (usage_periods.summed(table.rx_bytes), usage_periods.summed(table.tx_bytes))
    row = table.select(*columns).where(whose.of(table), part.within()).tuples().get()
    return int(row[0] or 0), int(row[1] or 0)


def _counted(scope: Scope, since_ms: int, until_ms: int, step_ms: int) -> Iterator[tuple[int, int, int]]:
    """Number of a step, and bytes of it; several times the same, and beyond the ends. Added up by the database."""
    begin_ms, parts = since_ms + 1, iter([Part(span_s=0, begin_ms=since_ms + 1, end_ms=until_ms + 1)])
    if step_ms >= SHORTEST_MS:  # of a shorter one, what ends with it is its own
        longest_s = max((span_s for span_s in SPANS_S if step_ms % (span_s * 1000) == 0), default=SPANS_S[0])
        first_ms = since_ms // (longest_s * 1000) * longest_s * 1000
        begin_ms, parts = since_ms, usage_periods.parts(first_ms, until_ms + 1, longest_s=longest_s)
    for part in parts:
        table = part.table
        step = ((part.column - begin_ms) / step_ms).alias("step")
        rows = table.select(step, usage_periods.summed(table.rx_bytes), usage_periods.summed(table.tx_bytes))
        found: Any = rows.where(scope.of(table), part.within()).group_by(peewee.SQL("step")).tuples()
        yield from ((int(number), int(rx), int(tx)) for number, rx, tx in found)
