"""Who may hold connections to the API, so that those who only hold them leave room for those who ask."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.contracts import Stream
from zrokd.net.http1.answer import refuse
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.wsgi import WsgiHandler
from zrokd.proxy.visitors import Visitors

from .settings import ControllerSettings

_CROWDED = 0.8  # of max_connections


class Crowd:
    """Give it to a Listener as `handle`."""

    def __init__(self, handler: WsgiHandler, settings: ControllerSettings, active: Callable[[], int]) -> None:
        """`active`: how many connections are open now."""
        self._handler, self._active = handler, active
        self._crowded = _CROWDED * settings.max_connections
        self._visitors = Visitors(settings.per_address, settings.trusted_proxies)

    def change(self, settings: ControllerSettings) -> None:
        """Count by these from now on; connections that are open stay."""
        self._visitors.change(settings.per_address, settings.trusted_proxies)

    def welcomes(self, peer: str) -> bool:
        """Whether one more connection from `peer` would be answered."""
        return self._visitors.has_room(peer)

    def __call__(self, stream: Stream) -> None:
        """Answer the requests of one connection until it ends. Switches greenlets. :raises StreamError: it broke."""
        if self._active() > self._crowded:
            self._handler.relieve()
        with self._visitors.enter(stream.peer) as welcome:
            if welcome:
                self._handler(stream)
            else:
                refuse(HttpConnection(stream, HttpLimits()), 429, "too many connections of one address")
