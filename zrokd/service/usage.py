"""Bytes, counted."""

from __future__ import annotations

from collections.abc import Iterable

from zrokd.model.limits import UsageSample
from zrokd.service.core import Core
from zrokd.service.saga import on_overlay
from zrokd.store import usage


class Usage:
    """Usage samples on their way into the store."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def ingest(self, samples: Iterable[UsageSample]) -> int:
        """Keep them; samples of unknown shares are dropped. How many were kept."""
        batch = tuple(samples)
        return self._core.store.write(usage.add, batch) if batch else 0

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
