from __future__ import annotations

import gevent
import pytest

from zrokd.errors import MessageError, StreamError
from zrokd.net.http1.body import NoBody
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import CHUNKED, NONE
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.upload import Upload


class Scripted:
    """A body reader that gives pieces, waits on None, raises errors."""

    trailers = ((b"T", b"v"),)
    in_kernel = False

    def __init__(self, *script) -> None:
        self.script = list(script)
        self.done = False

    def read(self, max_bytes: int = 65536) -> bytes:
        step = self.script.pop(0) if self.script else b""
        if step is None:
            gevent.sleep(30)
        if isinstance(step, Exception):
            raise step
        self.done = not step
        return step


@pytest.fixture
def upload(make_pair):
    def make(reader, framing=CHUNKED, *, here=True):
        far, near = make_pair("tcp")
        upstream = HttpConnection(near, HttpLimits())
        counted = []
        writer = upstream.writer(framing, b"HEAD ")
        made = Upload(reader, writer, upstream, lambda rx, tx: counted.append((rx, tx)), here=here)
        return far, made, counted

    return make


def test_a_body_that_is_here_goes_at_once_with_its_head(upload):
    far, up, counted = upload(Scripted(b"abc", b"de"))
    up.start()
    assert up.complete
    wire = b"HEAD 3\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
    got = b""
    while len(got) < len(wire):
        got += far.recv(1000, 5)
    assert got == wire
    assert (up.moved, counted) == (5, [(3, 0), (2, 0)])
    assert up.ended_at is not None


def test_a_request_without_body_is_its_head(upload):
    far, up, _ = upload(NoBody(), NONE)
    up.start()
    assert up.complete
    assert far.recv(1000, 5) == b"HEAD "


def test_the_head_does_not_wait_for_a_body_that_is_not_here(upload):
    far, up, _ = upload(Scripted(None), here=False)
    up.start()
    assert far.recv(1000, 5) == b"HEAD "
    assert not up.complete
    assert up.ended_at is None
    up.stop()
    up.stop()
    assert up.ended_at is not None
    assert not up.complete


@pytest.mark.parametrize("fault", [MessageError(400, "bad chunk"), StreamError("gone")])
def test_the_clients_fault_breaks_the_upstream(upload, fault):
    far, up, _ = upload(Scripted(b"abc", fault))
    up.start()
    assert up.client_fault is fault
    assert not up.complete
    got = b""
    with pytest.raises(StreamError):
        while piece := far.recv(1000, 5):
            got += piece
    assert b"0\r\n" not in got


def test_the_upstreams_fault_is_kept_for_who_reads_its_answer(upload):
    far, up, _ = upload(Scripted(*[bytes(65536)] * 1000))
    far.abort()
    up.start()
    assert up.upstream_fault is not None
    assert up.client_fault is None
    assert not up.complete
