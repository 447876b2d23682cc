"""Bytes, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from zrokd.model.account import Principal
from zrokd.model.limits import UsageReport, UsageSample
from zrokd.service.core import Core, account_of
from zrokd.service.environments import require_environment
from zrokd.service.saga import on_overlay
from zrokd.store import mappings, shares, usage, usage_periods, usage_reports

_SOME_SHARES, _SOME_ROWS = 500, 4000  # in one transaction, so that it takes some 50 ms
_FEW_SHARES = 20  # where many periods were not made in time


class Usage:
    """Usage samples on their way into the store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._behind = False  # whether the clock was behind what is sealed when sums were made last

    def ingest(self, samples: Iterable[UsageSample]) -> int:
        """Keep them; samples of unknown shares are dropped. How many were kept."""
        batch = tuple(samples)
        return self._core.store.write(usage.add, batch) if batch else 0

    def report(self, frontend: str, report: UsageReport) -> int:
        """Keep what a frontend (by name) counted until now; shares that it does not serve are dropped. How many."""
        return self._core.store.write(
            lambda: self._keep(f"frontend {frontend}", report, lambda tokens: mappings.served_tokens(frontend, tokens))
        )

    def report_environment(self, z_id: str, report: UsageReport, principal: Principal) -> tuple[str, ...]:
        """Keep what went through shares of one of the account's environments until now, as its backend counted it.

        Others are dropped: nobody pays for what is said by somebody else. Which of the environment's shares, of all,
        let nobody in.
        :raises NotFound: no such environment of the account's.
        """
        work, account_id = self._core.store.write if report.samples else self._core.store.read, account_of(principal)
        return work(self._report_environment, z_id, report, account_id)

    def collect(self) -> tuple[UsageSample, ...]:
        """Take what the overlay counted since the last call, keep it, and give it back.

        :raises OverlayError: not now.
        """
        samples = on_overlay(lambda: tuple(self._core.overlay.usage()))
        self.ingest(samples)
        return samples

    def roll_up(self) -> int:
        """Make the sums of the periods that are over. How many times a period was made of some shares.

        Killed midway, it is done again from there. A few shares at a time, so that whoever writes waits for moments.
        """
        self._heed_clock()
        return sum(self.roll_up_span(span_s) for span_s in usage_periods.SPANS_S)

    def roll_up_span(self, span_s: int) -> int:
        """The same of the periods of one span."""
        store, last, times = self._core.store, "", 0
        begin_ms, end_ms = store.write(usage_periods.seal, span_s, self._core.clock.now_ms())
        if begin_ms == end_ms:
            return 0
        some = max(_FEW_SHARES, _SOME_SHARES * span_s * 1000 // (end_ms - begin_ms))
        while last := store.write(usage_periods.roll_some, span_s, begin_ms, end_ms, last, some):
            times += 1
        store.write(usage_periods.note_rolled, span_s, end_ms)
        return times

    def _heed_clock(self) -> None:
        """Believe a clock that was set back the second time: one that is behind while a machine starts does no harm."""
        now_ms = self._core.clock.now_ms()
        self._behind = self._core.store.write(usage_periods.heed_clock, now_ms, believe=self._behind)

    def prune(self) -> int:
        """Forget what is too old to be asked for, some at a time. How many."""
        now_ms, gone = self._core.clock.now_ms(), 0
        while some := self._core.store.write(usage.prune_some, now_ms, _SOME_ROWS):
            gone += some
        return gone + self._core.store.write(usage_reports.prune, now_ms)

    def _report_environment(self, z_id: str, report: UsageReport, account_id: int) -> tuple[str, ...]:
        environment = require_environment(z_id, account_id)
        if report.samples:
            self._keep(f"environment {z_id}", report, lambda tokens: shares.tokens_of(environment.id, tokens))
        return shares.limited_of_environment(environment.id)

    def _keep(self, source: str, report: UsageReport, pick: Callable[[set[str]], set[str]]) -> int:
        now_ms = self._core.clock.now_ms()
        if report.batch and not usage_reports.take(source, report.reporter, report.batch, now_ms):
            return 0
        picked = pick({sample.share_token for sample in report.samples})
        counted = [replace(sample, at_ms=now_ms) for sample in report.samples if sample.share_token in picked]
        return usage.add(counted)
