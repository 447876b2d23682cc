"""Private shares that are opened on this host: bytes both ways, half-closes too."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.client.access import Access
from zrokd.client.grants import Grants
from zrokd.contracts import Context, Stream
from zrokd.errors import Conflict, StartError, ZrokdError
from zrokd.model.http import ConnectionSummary
from zrokd.model.units import Address
from zrokd.net.relay import Relayed, relay

from .orders import AccessOrder

_IDLE_S = 3600.0


def open_access(
    share: str, places: list[Address], grants: Grants, dial: Callable[[str], Stream], ctx: Context, *, most: int
) -> Access:
    """An access on the first of these addresses that is free, not started. The caller closes it.

    :raises Conflict: none is free.
    """
    trouble: StartError | None = None
    for place in places:
        try:
            sock = ctx.listen(place)
        except StartError as error:
            trouble = error
        else:
            wanted = AccessOrder(share=share, listen=place)
            return Access(wanted, sock, grants, lambda share, *_: Relay(share, dial, ctx), most, ctx)
    raise Conflict(str(trouble))


class Relay:
    """Gives each connection a stream to one share."""

    def __init__(self, share: str, dial: Callable[[str], Stream], ctx: Context) -> None:
        self._share, self._dial, self._ctx = share, dial, ctx

    def __call__(self, stream: Stream) -> None:
        """Serve one connection until both directions ended. Switches greenlets; the caller closes the stream."""
        since_s, done = self._ctx.clock.monotonic(), Relayed(0, 0, "cut")
        try:
            there = self._dial(self._share)
            try:
                done = relay(stream, there, idle_s=_IDLE_S)
            finally:
                there.close()
        except ZrokdError as error:
            self._ctx.log.warning("a connection to share %s failed: %s", self._share, error)
            stream.abort()
            done = Relayed(0, 0, str(error))
        finally:
            self._ctx.hooks.on_connection_closed(
                ConnectionSummary(
                    role="backend",
                    peer=stream.peer,
                    share_token=self._share,
                    rx_bytes=done.a_to_b,
                    tx_bytes=done.b_to_a,
                    duration_s=self._ctx.clock.monotonic() - since_s,
                    outcome=done.outcome,
                    raw=True,
                )
            )
