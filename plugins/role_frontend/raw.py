"""Connections to shares that do not speak HTTP: dialled once each, bytes both ways, half-closes too."""

from __future__ import annotations

import logging
from functools import partial

from zrokd.contracts import Context, Stream
from zrokd.errors import LimitReached, ZrokdError
from zrokd.model.http import ConnectionSummary
from zrokd.net.relay import Relayed, relay

from .doors import Doors
from .reach import Reach


class RawHandler:
    """Relays each connection to one share: give it to a Listener as `handle`."""

    def __init__(self, share: str, reach: Reach, doors: Doors, ctx: Context) -> None:
        self._share, self._reach, self._doors, self._ctx = share, reach, doors, ctx

    def __call__(self, stream: Stream) -> None:
        """Serve one connection until both directions ended. Switches greenlets; the caller closes the stream."""
        since_s, done = self._ctx.clock.monotonic(), Relayed(0, 0, "cut")
        try:
            done = self._relayed(stream)
        except ZrokdError as error:
            # A flood must not fill the log.
            level = logging.DEBUG if isinstance(error, LimitReached) else logging.WARNING
            self._ctx.log.log(level, "a connection to share %s failed: %s", self._share, error)
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
                    raw=True,
                )
            )

    def _relayed(self, stream: Stream) -> Relayed:
        with self._doors.visitors.enter(stream.peer) as welcome:
            if not welcome:
                raise LimitReached("too many connections of one address")
            there = self._reach.dial(self._share)
            try:
                idle_s = self._doors.settings.limits.stream_idle
                return relay(stream, there, idle_s=idle_s, on_bytes=partial(self._doors.meter.add, self._share))
            finally:
                there.close()
