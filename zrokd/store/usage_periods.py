"""Usage by period: sums of samples in five minutes, of these in an hour, of these in a day.

They are made once, when a period is over, and stand from then on. Up to where is noted by span, so that whoever asks
adds what is shorter and later, and samples last. To keep sums up to date with each sample took four times what this
does. Where a clock was set back they are made again, of samples some of which may be forgotten: a sum never gets less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import peewee

from zrokd.store import meta, tables
from zrokd.store.tables import UsagePeriod, UsageSample

SPANS_S = (300, 3600, 86400)
SHORTEST_MS = SPANS_S[0] * 1000
AHEAD_MS = 2 * SHORTEST_MS  # by less the clocks of controllers differ
_SEALED, _ROLLED = "sealed", "rolled {}"
_DAY_MS = 86400 * 1000
_KEEP_MS = {300: 31 * _DAY_MS, 3600: 93 * _DAY_MS, 86400: 3 * 366 * _DAY_MS}
#: Shares that come next in a table with an index by share: one look into it each, however many rows a share has.
_NEXT = """
WITH RECURSIVE next(token, n) AS (
  SELECT (SELECT min(share_token) FROM {table} WHERE share_token > {value}), 1
  UNION ALL SELECT (SELECT min(share_token) FROM {table} WHERE share_token > next.token), n + 1 FROM next
  WHERE next.token IS NOT NULL AND n < {value}
)
"""
_LAST = _NEXT + "SELECT max(token) FROM next"  # noqa: S608 - both are our own words
#: A sum of whatever numbers we were told: of whole ones, one that is too large for a column would end all of it.
_SUM = f"cast(CASE WHEN sum({{0}} * 1.0) < {2**53} THEN sum({{0}} * 1.0) ELSE {2**53} END AS bigint)"
#: CROSS: share by share, as by their times all rows of all shares would be looked at for each few.
_ROLL = (
    _NEXT
    + """
INSERT INTO usage_period (account_id, env_z_id, share_token, span_s, begin_ms, rx_bytes, tx_bytes)
SELECT max(account_id), max(env_z_id), share_token, {span_s}, {at} / {span_ms} * {span_ms}, {rx}, {tx}
FROM next CROSS JOIN {table} WHERE share_token = next.token AND {at} >= {value} AND {at} < {value} {finer}
GROUP BY share_token, {at} / {span_ms}
ON CONFLICT (share_token, span_s, begin_ms) DO UPDATE SET rx_bytes = excluded.rx_bytes, tx_bytes = excluded.tx_bytes
WHERE excluded.rx_bytes >= usage_period.rx_bytes AND excluded.tx_bytes >= usage_period.tx_bytes
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of time that is counted in periods of `span_s`, or in samples: 0. Milliseconds; without its end."""

    span_s: int
    begin_ms: int
    end_ms: int | None

    @property
    def table(self) -> Any:
        """Where its rows are."""
        return UsagePeriod if self.span_s else UsageSample

    @property
    def column(self) -> Any:
        """When they are of."""
        return UsagePeriod.begin_ms if self.span_s else UsageSample.at_ms

    def within(self) -> peewee.Expression:
        """Those that are its own."""
        here: peewee.Expression = self.column >= self.begin_ms
        if self.end_ms is not None:
            here &= self.column < self.end_ms
        return here & (UsagePeriod.span_s == self.span_s) if self.span_s else here


def summed(column: Any) -> Any:
    """The sum of a column, which may be larger than what a column holds."""
    return peewee.fn.SUM(column * peewee.SQL("1.0"))


def parts(begin_ms: int, end_ms: int | None, longest_s: int = SPANS_S[-1]) -> Iterator[Part]:
    """What to count so that each byte since `begin_ms`, where a period of five minutes begins, is counted once.

    Of periods up to `longest_s` as few as there are.
    """
    marks = meta.usage_marks()
    rolled = {span_s * 1000: marks.get(_ROLLED.format(span_s), 0) for span_s in SPANS_S if span_s <= longest_s}
    while end_ms is None or begin_ms < end_ms:
        fitting = [span for span, until_ms in rolled.items() if begin_ms % span == 0 and begin_ms < until_ms]
        if not fitting:
            yield Part(span_s=0, begin_ms=begin_ms, end_ms=end_ms)
            return
        span_ms = fitting[-1]
        longer = (-(-begin_ms // span) * span for span, until_ms in rolled.items() if span_ms < span)
        stops = [at_ms for at_ms in longer if begin_ms < at_ms < rolled[span_ms]]
        last_ms = rolled[span_ms] if end_ms is None else min(rolled[span_ms], end_ms)
        stop_ms = min([last_ms, *stops])
        yield Part(span_s=span_ms // 1000, begin_ms=begin_ms, end_ms=stop_ms)
        begin_ms = stop_ms


def rolled_ms(span_s: int) -> int:
    """Where the periods of this span end."""
    return meta.usage_marks().get(_ROLLED.format(span_s), 0)


def sealed_ms() -> int:
    """There is no sample of before that comes yet."""
    return meta.usage_marks().get(_SEALED, 0)


def heed_clock(now_ms: int, *, believe: bool) -> bool:
    """Whether more is sealed than this clock can have: it is wrong, or was before.

    When this one is to be believed, that is taken back, so that what is added now counts as of now.
    """
    ahead = sealed_ms() > now_ms + AHEAD_MS
    if ahead and believe:
        known_ms = _floor(now_ms, SPANS_S[0]) + SHORTEST_MS  # of this period samples may be forgotten already
        meta.set_usage_mark(_SEALED, known_ms)
        for span_s in SPANS_S:
            known_ms = min(rolled_ms(span_s), _floor(known_ms, span_s))
            meta.set_usage_mark(_ROLLED.format(span_s), known_ms)
    return ahead


def seal(span_s: int, now_ms: int) -> tuple[int, int]:
    """From where to where periods of this span can be made now; nothing is added to what they are made of any more.

    Spans go from short to long: each is made of the one before it.
    """
    if span_s == SPANS_S[0]:
        meta.set_usage_mark(_SEALED, max(sealed_ms(), _floor(now_ms, span_s)))
    begin_ms, end_ms = rolled_ms(span_s), _floor(_made_up_to(span_s), span_s)
    return begin_ms, max(begin_ms, end_ms)


def _made_up_to(span_s: int) -> int:
    """What periods of this span are made of is complete up to there."""
    shorter = SPANS_S.index(span_s) - 1
    return sealed_ms() if shorter < 0 else rolled_ms(SPANS_S[shorter])


def _floor(at_ms: int, span_s: int) -> int:
    return at_ms // (span_s * 1000) * span_s * 1000


def roll_some(span_s: int, begin_ms: int, end_ms: int, after: str, most: int) -> str:
    """Make those periods of the next `most` shares behind token `after`. The last of these; "": there are no more."""
    shorter = SPANS_S.index(span_s) - 1
    source = {"table": "usage_period", "at": "begin_ms", "finer": f"AND span_s = {SPANS_S[shorter]}"}
    if shorter < 0:
        source = {"table": "usage_sample", "at": "at_ms", "finer": ""}
    last = _run(_LAST, source, (after, most)).fetchone()[0]
    if last is None:
        return ""
    sums = {"rx": _SUM.format("rx_bytes"), "tx": _SUM.format("tx_bytes")}
    _run(_ROLL, {**source, **sums, "span_s": span_s, "span_ms": span_s * 1000}, (after, most, begin_ms, end_ms))
    return str(last)


def note_rolled(span_s: int, end_ms: int) -> None:
    """The periods of this span are made up to there. Unless the clock was set back while they were."""
    if end_ms <= _made_up_to(span_s):
        meta.set_usage_mark(_ROLLED.format(span_s), end_ms)


def prune_some(now_ms: int, most: int) -> int:
    """Forget some periods that are too old to be asked for. How many; 0: there are no more."""
    for span_s, keep_ms in _KEEP_MS.items():
        old = (UsagePeriod.span_s == span_s) & (UsagePeriod.begin_ms < now_ms - keep_ms)
        some = UsagePeriod.select(UsagePeriod.id).where(old).limit(most)
        gone = int(UsagePeriod.delete().where(UsagePeriod.id << some).execute())
        if gone:
            return gone
    return 0


def _run(statement: str, words: dict[str, Any], values: tuple[Any, ...]) -> Any:
    database: Any = tables.database
    return database.execute_sql(statement.format(value=database.param, **words), values)
