"""ModeContract: every mode passes it, and so does yours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import gevent
import pytest
from gevent.pool import Group

from zrokd.contracts import PING_PATH, Caller, Mode, Stream
from zrokd.errors import StreamError
from zrokd.net.http1.ping import pong
from zrokd.net.stream import pair
from zrokd.testing import leaks
from zrokd.testing.contracts.component import ComponentContract
from zrokd.testing.plugin import Bench

WAIT_S = 10.0
CALLER = Caller(identity="contract", address="192.0.2.1:1234")
Visit = Callable[[], tuple[Stream, Any]]


class ModeContract(ComponentContract):
    """The suite for slot mode. In `make_settings` give it a target that answers."""

    @pytest.fixture
    def visit(self, component: Mode, zrokd: Bench) -> Iterator[Visit]:
        """visit(): a visitor's stream, and the greenlet that serves its other end."""
        zrokd.ctx.offload(int)
        component.share_token = "contract"
        group, streams = Group(), []

        def serve(stream: Stream) -> None:
            try:
                with suppress(StreamError):
                    component.serve(stream, CALLER)
            finally:
                stream.close()

        def make() -> tuple[Stream, Any]:
            near, far = pair()
            streams.append(near)
            return near, group.spawn(serve, far)

        yield make
        for stream in streams:
            stream.close()
        group.kill()

    def test_it_carries_streams_or_datagrams(self) -> None:
        assert self.Component.carries in ("stream", "datagram")  # type: ignore[attr-defined]

    def test_its_probe_says_nothing_when_all_is_well(self, component: Mode) -> None:
        assert component.probe() == ""

    def test_it_answers_the_ping_itself(self, visit: Visit, component: Mode) -> None:
        if not component.http:
            return
        near, _ = visit()
        component.share_token = "a-share"
        near.send(b"GET " + PING_PATH + b"?once HTTP/1.1\r\nHost: a.example\r\n\r\n", WAIT_S)
        answer = near.recv(65536, WAIT_S)
        assert answer.startswith(b"HTTP/1.1 204")
        [(name, value)] = pong("a-share", PING_PATH + b"?once")
        assert name + b": " + value in answer

    def test_it_answers_http(self, visit: Visit, component: Mode) -> None:
        if not component.http:
            return
        near, _ = visit()
        near.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", WAIT_S)
        answer = b"".join(iter(lambda: near.recv(65536, WAIT_S), b""))
        assert answer.startswith(b"HTTP/1.1 ")
        assert b"\r\n\r\n" in answer

    def test_it_ends_when_the_visitor_leaves(self, visit: Visit) -> None:
        near, serving = visit()
        near.close()
        serving.join(WAIT_S)
        assert serving.ready()

    def test_it_ends_when_the_visitor_leaves_within_a_request(self, visit: Visit) -> None:
        near, serving = visit()
        near.send(b"GET / HT", WAIT_S)
        near.close()
        serving.join(WAIT_S)
        assert serving.ready()

    def test_nonsense_does_not_break_it(self, visit: Visit, component: Mode) -> None:
        near, serving = visit()
        with suppress(StreamError):
            near.send(b"\x00\xff\x16\x03\x01" * 100 + b"\r\n\r\n", WAIT_S)
            near.send_eof()
            while near.recv(65536, WAIT_S):
                continue
        near.close()
        serving.join(WAIT_S)
        assert serving.ready()
        assert component.health().ok

    def test_it_serves_several_at_once(self, visit: Visit) -> None:
        visits = [visit() for _ in range(20)]
        gevent.sleep(0)
        for near, _ in visits:
            near.close()
        gevent.joinall([serving for _, serving in visits], timeout=WAIT_S)
        assert all(serving.ready() for _, serving in visits)

    def test_a_drain_ends_idle_connections(self, visit: Visit, component: Mode) -> None:
        near, serving = visit()
        if component.http:
            near.send(b"GET " + PING_PATH + b" HTTP/1.1\r\nHost: a.example\r\n\r\n", WAIT_S)
            near.recv(65536, WAIT_S)
            component.drain(WAIT_S)
        else:
            component.drain(WAIT_S)
            near.close()
        serving.join(WAIT_S)
        assert serving.ready()

    def test_visits_leave_nothing_behind(self, visit: Visit) -> None:
        near, serving = visit()
        near.close()
        serving.join(WAIT_S)
        with leaks.nothing_left(WAIT_S):
            for _ in range(10):
                near, serving = visit()
                near.close()
                serving.join(WAIT_S)
