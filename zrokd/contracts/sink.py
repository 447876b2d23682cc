"""Where usage goes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from zrokd.contracts.component import Component
from zrokd.model.limits import UsageSample


class Sink(Component):
    """Takes usage samples, in batches, off the path of requests."""

    slot = "sink"

    @abstractmethod
    def write(self, batch: Sequence[UsageSample]) -> None:
        """Keep them. May switch greenlets. What it raises is logged and the batch is lost to this sink alone."""
