"""Bytes, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from zrokd.model.limits import UsageSample
from zrokd.service.core import Core
from zrokd.service.saga import on_overlay
from zrokd.store import frontends, mappings, usage


class Usage:
    """Usage samples on their way into the store."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def ingest(self, samples: Iterable[UsageSample]) -> int:
        """Keep them; samples of unknown shares are dropped. How many were kept."""
        batch = tuple(samples)
        return self._core.store.write(usage.add, batch) if batch else 0

    def report(self, frontend: str, samples: Iterable[UsageSample], batch: str = "") -> int:
        """Keep what a frontend (by name) counted until now; shares that it does not serve are dropped.

        `batch` names this report: made again, because no answer arrived, it counts once. How many were kept.
        """
        now_ms = self._core.clock.now_ms()
        counted = tuple(replace(sample, at_ms=now_ms) for sample in samples)
        return self._core.store.write(_report, frontend, counted, batch) if counted else 0

    def collect(self) -> tuple[UsageSample, ...]:
        """Take what the overlay counted since the last call, keep it, and give it back.

        :raises OverlayError: not now.
        """
        samples = on_overlay(lambda: tuple(self._core.overlay.usage()))
        self.ingest(samples)
        return samples

    def prune(self) -> int:
        """Forget what is too old to be asked for. How many."""
        return self._core.store.write(usage.prune, self._core.clock.now_ms())


def _report(frontend: str, samples: tuple[UsageSample, ...], batch: str) -> int:
    if batch and not frontends.take_batch(frontend, batch):
        return 0
    served = mappings.served_tokens(frontend, {sample.share_token for sample in samples})
    return usage.add([sample for sample in samples if sample.share_token in served])
