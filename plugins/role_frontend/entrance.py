"""The public entrance: one listener, every name that the controller knows."""

from __future__ import annotations

import socket

from zrokd.contracts import Context, Health
from zrokd.model.http import RequestHead, Route
from zrokd.net.listener import Listener
from zrokd.net.threshold import Threshold
from zrokd.proxy.route import route

from .doors import Doors
from .names import Names, Source
from .reach import Reach


class Entrance:
    """Listens on a socket, routes by Host, dials as this frontend."""

    def __init__(self, sock: socket.socket, source: Source, doors: Doors, ctx: Context) -> None:
        """`sock` is taken over."""
        self._sock, self._doors, self._ctx = sock, doors, ctx
        self._names = Names(source, ctx)
        reach = Reach(self._names.node.get, lambda: doors.settings.dial_timeout)
        self._pipeline = doors.make(self._route, reach, self._names.table.leads_to)
        self._threshold = Threshold(self._pipeline, ctx.offload, ctx.log, doors.visitors.has_room)
        self.change()
        self._names.on_gone = self._pipeline.pool.forget
        self._listeners: list[Listener] = []  # the one that accepts comes last

    def start(self) -> None:
        """Follow the controller and take connections."""
        self._names.start()
        self._listen(self._sock)

    def change(self) -> None:
        """Connections that come from now on pass TLS and balancers as the doors' settings say; those inside stay."""
        settings = self._doors.settings
        self._threshold.change(settings.tls, settings.proxy_protocol)

    def move(self, sock: socket.socket) -> None:
        """Take connections on another socket, which is taken over; those that run go on. Switches greenlets."""
        before = self._listeners[-1]
        self._listen(sock)
        before.stop()

    def health(self) -> Health:
        """Whether visitors can be served, and how old what we know is."""
        if not self._listeners or not self._listeners[-1].accepting:
            return Health(ok=False, detail="it does not listen")
        return self._names.health()

    def fileno(self) -> int:
        """The descriptor at which visitors are accepted now; -1 before the start and after the end."""
        return self._listeners[-1].fileno() if self._listeners else -1

    @property
    def active(self) -> int:
        """Connections of visitors inside."""
        return sum(listener.active for listener in self._listeners)

    def stop(self) -> None:
        """Take no more connections; those that run go on, by the names known now. Idempotent. Switches greenlets."""
        for listener in self._listeners:
            listener.stop()
        self._sock.close()
        self._names.stop()

    def drain(self, deadline_s: float) -> None:
        """Wait for connections to end, `deadline_s` seconds at most. Switches greenlets."""
        until_s = self._ctx.clock.monotonic() + deadline_s
        for listener in self._listeners:
            listener.drain(max(until_s - self._ctx.clock.monotonic(), 0.0))

    def close(self) -> None:
        """Cut what is left, stop following the controller. Idempotent. Switches greenlets."""
        self.stop()
        for listener in self._listeners:
            listener.close()
        self._names.close()

    def _listen(self, sock: socket.socket) -> None:
        limit, scales = self._doors.settings.limits.max_connections, self._ctx.scales
        listener = Listener(sock, self._threshold, log=self._ctx.log, limit=limit, scales=scales, name="frontend")
        listener.start()
        self._listeners.append(listener)
        self._ctx.log.info("visitors are served on %s://%s", self._threshold.scheme, listener.address)

    def _route(self, head: RequestHead) -> Route:
        return route(head, self._names.table)
