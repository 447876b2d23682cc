"""What went through is handed to the sinks, every few seconds, each sink on its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from zrokd.contracts import Context, Sink
from zrokd.model.limits import UsageSample
from zrokd.net.meter import Meter

_EVERY_S = 5.0


def report(meter: Meter, ctx: Context) -> None:
    """Hand over what was counted, every five seconds, for ever. Switches greenlets; ends by being killed."""
    while True:
        time.sleep(_EVERY_S)
        flush(meter, ctx)


def flush(meter: Meter, ctx: Context) -> None:
    """Hand over what was counted since the last call. One sink that fails loses its batch, the others do not."""
    batch = meter.take()
    if not batch:
        return
    for sink in ctx.components("sink"):
        _write(cast(Sink, sink), batch, ctx)


def _write(sink: Sink, batch: Sequence[UsageSample], ctx: Context) -> None:
    try:
        sink.write(batch)
    except Exception:
        ctx.log.exception("the sink %r failed, so it misses %d samples", sink.name, len(batch))
