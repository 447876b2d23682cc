"""Connections to shares that do not speak HTTP: dialled once each, bytes both ways, half-closes too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from zrokd.contracts import Context, Stream
from zrokd.errors import ZrokdError
from zrokd.model.http import ConnectionSummary
from zrokd.net.meter import Meter
from zrokd.net.relay import Relayed, relay


class RawHandler:
    """Relays each connection to one share: give it to a Listener as `handle`."""

    def __init__(
        self, share: str, dial: Callable[[str], Stream], meter: Meter, ctx: Context, idle_s: Callable[[], float]
    ) -> None:
        self._share, self._dial, self._meter, self._ctx, self._idle_s = share, dial, meter, ctx, idle_s

    def __call__(self, stream: Stream) -> None:
        """Serve one connection until both directions ended. Switches greenlets; the caller closes the stream."""
        since_s, done = self._ctx.clock.monotonic(), Relayed(0, 0, "cut")
        try:
            done = self._relayed(stream)
        except ZrokdError as error:
            self._ctx.log.warning("a connection to share %s failed: %s", self._share, error)
            stream.abort()
            done = Relayed(0, 0, str(error))
        finally:
            self._ctx.hooks.on_connection_closed(
                ConnectionSummary(
                    role="frontend",
                    peer=stream.peer,
                    share_token=self._share,
                    rx_bytes=done.a_to_b,
                    tx_bytes=done.b_to_a,
                    duration_s=self._ctx.clock.monotonic() - since_s,
                    outcome=done.outcome,
                )
            )

    def _relayed(self, stream: Stream) -> Relayed:
        there = self._dial(self._share)
        try:
            return relay(stream, there, idle_s=self._idle_s(), on_bytes=partial(self._meter.add, self._share))
        finally:
            there.close()
