"""The rules for hostile requests over real sockets: visitor, frontend, overlay, backend, and a target that counts."""

from __future__ import annotations

import contextlib
import socket

import pytest
from gevent.server import StreamServer

from tests.unit.net.http1.rows import BODIES, GOOD, HEADS
from tests.unit.proxy.raw import OK, Recorder, statuses
from zrokd.testing.scenario import Scenario

pytestmark = pytest.mark.timeout(90)
WAIT_S = 10.0
HOST = b"Host: app.share.localhost\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
FIRST = b"GET /first HTTP/1.1\r\n" + HOST + b"\r\n"


class Counting:
    """A target on a port of its own that keeps every byte and answers what h11 takes for whole."""

    def __init__(self) -> None:
        self.connections: list[Recorder] = []
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port = self._server.server_port

    def _serve(self, sock: socket.socket, _address: object) -> None:
        told = Recorder([OK])
        self.connections.append(told)
        with sock, contextlib.suppress(OSError):
            while data := sock.recv(65536):
                told.send(data)
                sock.sendall(told.taken())

    @property
    def whole(self) -> int:
        return sum(told.whole for told in self.connections)

    @property
    def seen(self) -> bytes:
        return b"".join(told.seen for told in self.connections)

    def stop(self) -> None:
        self._server.stop(timeout=0.1)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    target = Counting()
    share = {"name": "app", "target": f"http://127.0.0.1:{target.port}"}
    limits = {"roles": {"frontend": {"limits": {"linger_time": "50ms"}}}}
    with Scenario(tmp_path_factory.mktemp("strict"), shares=[share], changes=limits) as zrokd:
        yield zrokd.frontend.port, target
    target.stop()


def say(port: int, *pieces: bytes) -> bytes:
    """What comes back until the end; the visitor goes on sending as long as it may."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock, contextlib.suppress(OSError):
        with contextlib.suppress(OSError):
            for piece in pieces:
                sock.sendall(piece)
        while data := sock.recv(65536):
            got += data
    return got


def here(data: bytes) -> bytes:
    return data.replace(b"Host: a\r\n", HOST, 1)


@pytest.mark.leaves_behind("the road is there for all tests of this module")
@pytest.mark.parametrize("before", [b"", FIRST], ids=["first", "pipelined"])
def test_a_head_in_doubt_never_reaches_the_target(road, before):
    port, target = road
    for _, data, allowed in HEADS:
        whole, seen = target.whole, len(target.seen)
        told = statuses(say(port, before + here(data) + NEXT))
        assert told[-1] in allowed, data
        assert told[:-1] == [200] * bool(before), data
        assert target.whole == whole + bool(before), data
        assert before or len(target.seen) == seen, data


@pytest.mark.leaves_behind("the road is there for all tests of this module")
@pytest.mark.parametrize("before", [b"", FIRST], ids=["first", "pipelined"])
def test_a_body_in_doubt_never_reaches_the_target_whole(road, before):
    port, target = road
    for _, data in BODIES:
        whole = target.whole
        told = statuses(say(port, before + here(data), NEXT))
        assert told[-1] in (400, 431), data
        assert target.whole == whole + bool(before), data


@pytest.mark.leaves_behind("the road is there for all tests of this module")
def test_what_is_good_reaches_the_target_as_exactly_that(road):
    port, target = road
    for _, data, (method, path, name, body) in GOOD:
        if name != b"a":
            continue
        whole, seen = target.whole, len(target.seen)
        assert statuses(say(port, FIRST + here(data), NEXT)) == [200] * 3, data
        assert target.whole == whole + 3, data
        assert method + b" " + path + b" HTTP/1.1\r\nHost: app.share.localhost\r\n" in target.seen[seen:], data
        assert body in target.seen
