"""What went through is handed to the sinks, and to the ledger of what the controller is told, every few seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from zrokd.client.ledger import EVERY_S, Ledger
from zrokd.contracts import Context, Sink
from zrokd.model.limits import UsageSample
from zrokd.net.meter import Meter


def report(meter: Meter, ledger: Ledger | None, ctx: Context) -> None:
    """Hand over what was counted, every five seconds, for ever. Switches greenlets; ends by being killed."""
    while True:
        time.sleep(EVERY_S)
        flush(meter, ledger, ctx)


def flush(meter: Meter, ledger: Ledger | None, ctx: Context) -> None:
    """Hand over what was counted since the last call. One sink that fails loses its batch, the others do not."""
    batch = meter.take()
    if not batch:
        return
    if ledger:
        ledger.add(batch)
    for sink in ctx.components("sink"):
        _write(cast(Sink, sink), batch, ctx)


def _write(sink: Sink, batch: Sequence[UsageSample], ctx: Context) -> None:
    try:
        sink.write(batch)
    except Exception:
        ctx.log.exception("the sink %r failed, so it misses %d samples", sink.name, len(batch))
