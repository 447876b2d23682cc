"""Streams, greenlets and a small proxy for the tests of `net`; each test gives back what it took."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from gevent import Greenlet
from gevent.pool import Group

from zrokd.errors import MessageError, StreamError
from zrokd.net.http1.answer import refuse
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.forward import Forwarded, forward
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.stream import SocketStream, pair
from zrokd.net.twins import TwinStream

Spawn = Callable[..., Greenlet]
Pair = tuple[SocketStream, SocketStream]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    group = Group()
    yield group.spawn
    group.kill(timeout=5)


def tcp_pair() -> Pair:
    with socket.create_server(("127.0.0.1", 0)) as server:
        left = socket.create_connection(server.getsockname())
        right, _ = server.accept()
    return SocketStream(left, "left"), SocketStream(right, "right")


def twin_pair() -> tuple[TwinStream, TwinStream]:
    left, right = (TwinStream(each) for each in socket.socketpair())
    left.join(right)
    return left, right


@pytest.fixture
def make_pair() -> Iterator[Callable[[str], Pair]]:
    makers = {"unix": pair, "tcp": tcp_pair, "twins": twin_pair}
    made: list[SocketStream] = []

    def make(kind: str = "unix") -> Pair:
        both = makers[kind]()
        made.extend(both)
        return both

    yield make
    for stream in made:
        stream.close()


@pytest.fixture(params=["unix", "tcp"])
def both(request, make_pair) -> Pair:
    return make_pair(request.param)


def read_all(stream: SocketStream, timeout_s: float = 5.0) -> bytes:
    """Everything until the end, or until the stream breaks."""
    data = bytearray()
    try:
        while piece := stream.recv(65536, timeout_s):
            data += piece
    except StreamError:
        data += b"<broken>"
    return bytes(data)


@dataclass
class Backend:
    """The far end of a proxy's upstream stream; a test writes answers and reads requests by hand."""

    stream: SocketStream
    seen: bytearray = field(default_factory=bytearray)

    def read_until(self, mark: bytes, timeout_s: float = 5.0) -> bytes:
        while mark not in self.seen:
            piece = self.stream.recv(65536, timeout_s)
            if not piece:
                break
            self.seen += piece
        return bytes(self.seen)


@dataclass
class Proxy:
    """client <-> (HttpConnection, forward, HttpConnection) <-> backend."""

    client: SocketStream
    backend: Backend
    results: list[Forwarded | MessageError]
    greenlet: Greenlet
    connections: list[HttpConnection]  # the one to the client

    def result(self) -> Forwarded | MessageError:
        """How the first exchange ended."""
        self.greenlet.join(10)
        assert self.greenlet.dead, "the proxy does not end"
        self.greenlet.get()
        return self.results[0]


def serve(
    client: HttpConnection, upstream: HttpConnection, results: list[Forwarded | MessageError], how: dict[str, Any]
) -> None:
    """Forward until one of both cannot be used again."""
    while True:
        try:
            head = client.read_request()
            if head is None:
                return
            result = forward(client, head, upstream, **how)
        except MessageError as error:
            results.append(error)
            refuse(client, error.status, str(error))
            return
        results.append(result)
        if not result.status and result.answer:
            refuse(client, result.answer, "no answer")
        if not (result.reusable_client and result.reusable_upstream):
            return


@pytest.fixture
def proxy(make_pair, spawn) -> Callable[..., Proxy]:
    """Makes proxies that serve one client and one upstream stream until one cannot be used again."""

    def make(
        limits: HttpLimits | None = None,
        kind: str = "unix",
        client: Pair | None = None,
        backend: Pair | None = None,
        **how: Any,
    ) -> Proxy:
        """`client` and `backend`: the far and the near end of its streams, where these are no pairs of `kind`."""
        limits = limits or HttpLimits()
        client_far, client_near = client or make_pair(kind)
        backend_far, backend_near = backend or make_pair(kind)
        results: list[Forwarded | MessageError] = []
        connections: list[HttpConnection] = []

        def run() -> None:
            client, upstream = HttpConnection(client_near, limits), HttpConnection(backend_near, limits)
            connections.append(client)
            try:
                serve(client, upstream, results, how)
            finally:
                client_near.close()
                backend_near.close()

        return Proxy(client_far, Backend(backend_far), results, spawn(run), connections)

    return make
