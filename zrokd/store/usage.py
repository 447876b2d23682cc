"""Usage samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import peewee

from zrokd.model.limits import Traffic, UsageSample
from zrokd.store import shares, tables
from zrokd.store.tables import UsagePeriod

SPANS_S = (300, 3600, 86400)
_DAY_MS = 86400 * 1000
_SOME = 500  # rows in one statement
_SAMPLES = "INSERT INTO usage_sample (account_id, env_z_id, share_token, rx_bytes, tx_bytes, at_ms) VALUES {rows}"
_PERIODS = """
INSERT INTO usage_period (account_id, env_z_id, share_token, span_s, begin_ms, rx_bytes, tx_bytes) VALUES {rows}
ON CONFLICT (share_token, span_s, begin_ms) DO UPDATE SET
  rx_bytes = usage_period.rx_bytes + excluded.rx_bytes, tx_bytes = usage_period.tx_bytes + excluded.tx_bytes
"""
_KEEP_SAMPLES_MS = _DAY_MS // 4
_KEEP_MS = {300: 31 * _DAY_MS, 3600: 93 * _DAY_MS, 86400: 3 * 366 * _DAY_MS}


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

    In SQL of our own, as there may be tens of thousands in five seconds, and a query of peewee's costs more to make
    than to carry out.
    """
    places = shares.places_of({sample.share_token for sample in samples})
    kept = [sample for sample in samples if sample.share_token in places]
    _insert(
        _SAMPLES,
        [(*places[one.share_token], one.share_token, one.rx_bytes, one.tx_bytes, one.at_ms) for one in kept],
    )
    _insert(_PERIODS, _periods(kept, places))
    return len(kept)


def _periods(kept: Iterable[UsageSample], places: Mapping[str, tuple[int, str]]) -> list[tuple[Any, ...]]:
    """A row a share and period, in one order for all writers, so that no two wait for each other."""
    sums: dict[tuple[str, int, int], tuple[int, int]] = {}
    for sample in kept:
        for span_s in SPANS_S:
            key = (sample.share_token, span_s, sample.at_ms // (span_s * 1000) * span_s * 1000)
            rx_bytes, tx_bytes = sums.get(key, (0, 0))
            sums[key] = rx_bytes + sample.rx_bytes, tx_bytes + sample.tx_bytes
    return [(*places[key[0]], *key, *sums[key]) for key in sorted(sums)]


def _insert(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    database: Any = tables.database
    for start in range(0, len(rows), _SOME):
        some = rows[start : start + _SOME]
        row = f"({', '.join([database.param] * len(some[0]))})"
        database.execute_sql(statement.format(rows=", ".join([row] * len(some))), [*chain.from_iterable(some)])


def series(scope: Scope, since_ms: int, until_ms: int, step_ms: int) -> tuple[Traffic, ...]:
    """What went through, in steps of `step_ms` that end in (since, until + step]; a step without bytes counts 0.

    Steps begin at `since_ms`. Steps of five minutes and more are made of periods, shorter ones of samples.
    """
    steps = max(1, -(-(until_ms - since_ms) // step_ms))
    rx, tx = [0] * steps, [0] * steps
    for at_ms, received, sent in _counted(scope, since_ms, until_ms, step_ms):
        step = min(max(0, (at_ms - since_ms) // step_ms), steps - 1)
        rx[step] += received
        tx[step] += sent
    return tuple(
        Traffic(rx_bytes=rx[step], tx_bytes=tx[step], at_ms=since_ms + (step + 1) * step_ms) for step in range(steps)
    )


def total(account_id: int, since_ms: int, now_ms: int) -> tuple[int, int]:
    """Bytes of the account in a window that ends now: from visitors, and to them.

    A window of less than an hour is counted in samples. A longer one is counted in periods that begin in it, its first
    part in short ones and the rest in long ones: a month is some 60 rows a share.
    """
    whose = Scope(account_id=account_id)
    if now_ms - since_ms < SPANS_S[1] * 1000:
        table = tables.UsageSample
        return _sum(table, whose.of(table) & (table.at_ms > since_ms))
    rx_bytes, tx_bytes, begin_ms = 0, 0, since_ms
    for span_s, longer_s in zip(SPANS_S, (*SPANS_S[1:], None), strict=True):
        end_ms = -(-begin_ms // (longer_s * 1000)) * longer_s * 1000 if longer_s else now_ms + 1
        here = (UsagePeriod.span_s == span_s) & UsagePeriod.begin_ms.between(begin_ms, end_ms - 1)
        received, sent = _sum(UsagePeriod, whose.of(UsagePeriod) & here)
        rx_bytes, tx_bytes, begin_ms = rx_bytes + received, tx_bytes + sent, end_ms
    return rx_bytes, tx_bytes


def active_shares(account_id: int, since_ms: int) -> set[str]:
    """Tokens of the account's shares through which bytes went since then (to five minutes)."""
    span_ms = SPANS_S[0] * 1000
    rows = UsagePeriod.select(UsagePeriod.share_token).where(
        UsagePeriod.account == account_id,
        UsagePeriod.span_s == SPANS_S[0],
        UsagePeriod.begin_ms > since_ms - span_ms,
        (UsagePeriod.rx_bytes > 0) | (UsagePeriod.tx_bytes > 0),
    )
    return {row.share_token for row in rows.distinct().namedtuples()}


def prune(now_ms: int) -> int:
    """Forget samples and periods that are too old to be asked for. How many."""
    gone = int(tables.UsageSample.delete().where(tables.UsageSample.at_ms < now_ms - _KEEP_SAMPLES_MS).execute())
    for span_s, keep_ms in _KEEP_MS.items():
        old = (UsagePeriod.span_s == span_s) & (UsagePeriod.begin_ms < now_ms - keep_ms)
        gone += int(UsagePeriod.delete().where(old).execute())
    return gone


def _sum(table: Any, where: peewee.Expression) -> tuple[int, int]:
    row = table.select(peewee.fn.SUM(table.rx_bytes), peewee.fn.SUM(table.tx_bytes)).where(where).tuples().get()
    return int(row[0] or 0), int(row[1] or 0)


def _counted(scope: Scope, since_ms: int, until_ms: int, step_ms: int) -> Iterable[tuple[int, int, int]]:
    spans_s = [span_s for span_s in SPANS_S if span_s * 1000 <= step_ms and step_ms % (span_s * 1000) == 0]
    if step_ms >= SPANS_S[0] * 1000:
        span_s = max(spans_s, default=SPANS_S[0])
        rows: Any = UsagePeriod.select(UsagePeriod.begin_ms, UsagePeriod.rx_bytes, UsagePeriod.tx_bytes).where(
            scope.of(UsagePeriod), UsagePeriod.span_s == span_s, UsagePeriod.begin_ms > since_ms - span_s * 1000,
            UsagePeriod.begin_ms <= until_ms,
        )  # fmt: skip
        return [(int(at), int(rx), int(tx)) for at, rx, tx in rows.tuples()]
    table = tables.UsageSample
    samples: Any = table.select(table.at_ms, table.rx_bytes, table.tx_bytes).where(
        scope.of(table), table.at_ms > since_ms, table.at_ms <= until_ms
    )
    return [(int(at) - 1, int(rx), int(tx)) for at, rx, tx in samples.tuples()]


def of_share(share_token: str, since_ms: int = 0) -> tuple[UsageSample, ...]:
    """What was counted for a share, oldest first."""
    known = (tables.UsageSample.share_token == share_token) & (tables.UsageSample.at_ms >= since_ms)
    return tuple(
        UsageSample(share_token=row.share_token, rx_bytes=row.rx_bytes, tx_bytes=row.tx_bytes, at_ms=row.at_ms)
        for row in tables.UsageSample.select().where(known).order_by(tables.UsageSample.at_ms, tables.UsageSample.id)
    )
