"""A frontend's pipeline between a visitor's stream and shares that answer from greenlets."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent
import pytest
from gevent import Greenlet

from zrokd.model.naming import Mapping, MappingChanges
from zrokd.model.share import Gating
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import HttpExchange, serve
from zrokd.net.meter import Meter
from zrokd.net.stream import SocketStream, pair
from zrokd.proxy.mapping import MappingTable
from zrokd.proxy.pipeline import Pipeline
from zrokd.proxy.route import route
from zrokd.proxy.rules import Rules
from zrokd.proxy.upstream import PoolLimits, UpstreamPool
from zrokd.proxy.visitors import Visitors

WAIT_S = 5.0
LOG = logging.getLogger("test.proxy")


class Told:
    """Keeps what the hooks are told."""

    def __init__(self) -> None:
        self.exchanges = []
        self.connections = []

    def hears(self, hook) -> bool:
        return True

    def on_exchange(self, summary) -> None:
        self.exchanges.append(summary)

    def on_connection_closed(self, summary) -> None:
        self.connections.append(summary)


class Visitor:
    """The visitor's end of a connection."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.got = b""

    def send(self, data: bytes) -> None:
        self.stream.send(data, WAIT_S)

    def ask(self, host: str = "a.zone", path: str = "/", method: str = "GET", *more: str, body: bytes = b"") -> bytes:
        """Send a request; the answer whole, head and body."""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {host}",
            *more,
            *([f"Content-Length: {len(body)}"] if body else []),
        ]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        return self.answer(method)

    def until(self, mark: bytes) -> bytes:
        """What comes, up to `mark` and with it."""
        while mark not in self.got:
            data = self.stream.recv(65536, WAIT_S)
            assert data, f"ended before {mark!r}: {self.got!r}"
            self.got += data
        before, _, self.got = self.got.partition(mark)
        return before + mark

    def exactly(self, count: int) -> bytes:
        while len(self.got) < count:
            data = self.stream.recv(65536, WAIT_S)
            assert data, f"ended after {self.got!r}"
            self.got += data
        data, self.got = self.got[:count], self.got[count:]
        return data

    def answer(self, method: str = "GET") -> bytes:
        head = self.until(b"\r\n\r\n")
        if method == "HEAD" or head.split(b" ")[1] in (b"204", b"304"):
            return head
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        if fields.get(b"Transfer-Encoding") == b"chunked":
            return head + self.until(b"\r\n0\r\n\r\n" if self.got[:1] != b"0" else b"0\r\n\r\n")
        return head + self.exactly(int(fields[b"Content-Length"]))

    def rest(self) -> bytes:
        """Everything up to the end."""
        while data := self.stream.recv(65536, WAIT_S):
            self.got += data
        data, self.got = self.got, b""
        return data


def echo(exchange: HttpExchange) -> None:
    """Answer with the request as it came."""
    body = b"".join(iter(exchange.read, b""))
    head = b"\n".join([exchange.head.method + b" " + exchange.head.target, *map(b": ".join, exchange.head.fields)])
    exchange.respond(200, ((b"Content-Type", b"text/plain"),), head + b"\n\n" + body)


class Rig:
    def __init__(self) -> None:
        self.shares: dict[str, Callable[[SocketStream], None] | Exception] = {"tok-a": speaking(echo)}
        self.dials: list[str] = []
        self.ends: dict[str, list[str]] = {}  # names of those who serve a share; they are shares "token/name"
        self.told = Told()
        self.table = MappingTable()
        self.meter = Meter(lambda: 0)
        self.gates, self.filters, self.greenlets, self.streams = {}, [], [], []
        self.limits, self.pool_limits, self.visitors = HttpLimits(), PoolLimits(), Visitors(100)
        self.names({"a.zone": "tok-a", "b.zone": "tok-b"})
        self._pipeline: Pipeline | None = None

    def names(self, names: dict[str, str], gating: Gating = Gating()) -> None:  # noqa: B008
        mappings = tuple(Mapping(version=1, host=host, token=token, gating=gating) for host, token in names.items())
        gone = self.table.replace(MappingChanges(epoch="e", version=1, full=True, mappings=mappings))
        if gone:
            self.pipeline.pool.forget(gone)

    def rules(self) -> Rules:
        return Rules(lambda head: route(head, self.table), self.gates, self.filters, LOG)

    @property
    def pipeline(self) -> Pipeline:
        if self._pipeline is None:
            pool = UpstreamPool(
                self.dial,
                self.limits,
                self.pool_limits,
                terminators=lambda token: self.ends.get(token, ()),
                allows=self.table.leads_to,
            )
            self._pipeline = Pipeline(
                self.rules(),
                pool,
                limits=self.limits,
                visitors=self.visitors,
                hooks=self.told,
                meter=self.meter,
                log=LOG,
            )
        return self._pipeline

    def dial(self, token: str, terminator: str | None = None) -> SocketStream:
        name = f"{token}/{terminator}" if terminator else token
        self.dials.append(name)
        share = self.shares[name]
        if isinstance(share, Exception):
            raise share
        near, far = pair()
        self.streams += [near, far]
        self.greenlets.append(Greenlet.spawn(share, far))
        return near

    def visit(self, peer: str = "192.0.2.1:999") -> Visitor:
        theirs, ours = pair()
        ours.peer = peer
        self.streams += [theirs, ours]
        self.greenlets.append(Greenlet.spawn(self._serve, ours))
        return Visitor(theirs)

    def _serve(self, stream: SocketStream) -> None:
        try:
            self.pipeline(stream)
        finally:
            stream.close()

    def ended(self, count: int = 1) -> None:
        """Wait until so many connections were told of."""
        with gevent.Timeout(WAIT_S):
            while len(self.told.connections) < count:
                gevent.sleep(0.001)

    def close(self) -> None:
        gevent.killall(self.greenlets)
        self.pipeline.pool.close()
        for stream in self.streams:
            stream.close()


def speaking(handler: Callable[[HttpExchange], None]) -> Callable[[SocketStream], None]:
    """A share that speaks HTTP with `handler`, and closes at the end."""

    def share(stream: SocketStream) -> None:
        try:
            serve(stream, handler, HttpLimits())
        finally:
            stream.close()

    return share


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def speak():
    return speaking
