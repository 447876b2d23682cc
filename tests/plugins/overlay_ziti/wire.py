"""Two channels joined back to back: what routers do between the ends of a circuit, without routers."""

from __future__ import annotations

from typing import Any

import gevent
from gevent import socket
from zrokd_plugins.overlay_ziti.channel import Channel
from zrokd_plugins.overlay_ziti.closings import Closings
from zrokd_plugins.overlay_ziti.crypto import KeyPair
from zrokd_plugins.overlay_ziti.dialled import DialledStream
from zrokd_plugins.overlay_ziti.flow import FlowLimits
from zrokd_plugins.overlay_ziti.frames import FrameReader, encode, pack
from zrokd_plugins.overlay_ziti.opened import Opened
from zrokd_plugins.overlay_ziti.reach import Reach
from zrokd_plugins.overlay_ziti.stream import ZitiStream

LIMITS = FlowLimits()


class Wire:
    """Two channels, and whatever is to happen to the messages between them."""

    def __init__(self, ctx: Any, settings: Any) -> None:
        self.drop: Any = lambda frame: False
        self.ctx, self._socks, self._pumps = ctx, [], []
        (a, a_far), (b, b_far) = socket.socketpair(), socket.socketpair()
        self._socks = [a_far, b_far]
        self._pumps = [gevent.spawn(self._pump, a_far, b_far), gevent.spawn(self._pump, b_far, a_far)]
        closings = Closings(lambda: None, gevent.sleep, ctx.log, ctx.spawn)
        common = {"settings": settings, "closings": closings, "log": ctx.log, "spawn": ctx.spawn}
        self.channels = [Channel(sock, "router", **common) for sock in (a, b)]

    def _pump(self, source: Any, target: Any) -> None:
        reader = FrameReader()
        while data := source.recv(65536):
            for frame in reader.feed(data):
                if not self.drop(frame):
                    target.sendall(encode(frame.kind, frame.sequence, pack(frame.headers.items()), frame.body))

    def streams(
        self,
        number: int = 7,
        *,
        encrypted: bool = True,
        flow: bool = True,
        limits: FlowLimits = LIMITS,
        reach: Reach | None = None,
    ) -> tuple[DialledStream, ZitiStream]:
        """Both ends of a circuit: the dialler's and the host's."""
        dialler, host = KeyPair(), KeyPair()
        keys = (dialler.dialler_keys(host.public), host.host_keys(dialler.public)) if encrypted else (None, None)
        circuit = b"circuit%d" % number
        ends = [Opened(number, circuit, hosting, flow, key) for hosting, key in zip((False, True), keys, strict=True)]
        near = DialledStream(self.channels[0], ends[0], limits, "peer", known=limits, reach=reach or Reach())
        far = ZitiStream(self.channels[1], ends[1], limits, "peer")
        far.begin()
        near.begin()
        return near, far

    def end(self) -> None:
        for channel in self.channels:
            channel.close("the test is over")
        gevent.killall(self._pumps)
        for sock in self._socks:
            sock.close()
