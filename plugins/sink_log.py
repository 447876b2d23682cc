"""Usage to the daemon's log: one line a share and batch."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import Settings, Sink
from zrokd.model.limits import UsageSample


class LogSinkSettings(Settings):
    """Settings of sink.log."""

    level: Literal["debug", "info"] = Field(default="info", description="The level of its lines.")


class LogSink(Sink):
    """Writes what each share received and sent."""

    name = "log"
    Settings = LogSinkSettings

    def write(self, batch: Sequence[UsageSample]) -> None:
        """One line a share, in the order of the batch."""
        totals: dict[str, tuple[int, int]] = {}
        for sample in batch:
            rx, tx = totals.get(sample.share_token, (0, 0))
            totals[sample.share_token] = (rx + sample.rx_bytes, tx + sample.tx_bytes)
        level = logging.getLevelNamesMapping()[self.settings.level.upper()]
        for token, (rx, tx) in totals.items():
            self.ctx.log.log(level, "usage of share %s: rx_bytes=%d tx_bytes=%d", token, rx, tx)


@hookimpl
def zrokd_provide_sinks() -> Iterable[type[Sink]]:
    """The sink of this module."""
    return [LogSink]
