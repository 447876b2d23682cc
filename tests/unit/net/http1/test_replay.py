from __future__ import annotations

import gevent
import pytest

from zrokd.net.http1.replay import ReplayStream


@pytest.fixture
def replayed(make_pair):
    far, near = make_pair()
    return far, ReplayStream(near, b"early ")


def test_the_early_bytes_come_first(replayed):
    far, stream = replayed
    far.send(b"late")
    assert stream.recv(3) == b"ear"
    assert stream.recv(100) == b"ly "
    assert stream.recv(100, 5) == b"late"


def test_recv_into_gives_them_too(replayed):
    far, stream = replayed
    far.send(b"late")
    buffer = bytearray(4)
    assert stream.recv_into(memoryview(buffer)) == 4
    assert buffer == b"earl"
    assert stream.recv_into(memoryview(buffer)) == 2
    assert buffer[:2] == b"y "
    assert stream.recv_into(memoryview(buffer), 5) == 4
    assert buffer == b"late"


def test_it_is_readable_and_not_idle_until_they_are_gone(replayed):
    _far, stream = replayed
    assert stream.wait_readable(0.01)
    assert not stream.is_idle()
    stream.recv(100)
    assert not stream.wait_readable(0.01)
    assert stream.is_idle()


def test_the_kernel_cannot_see_them(replayed):
    assert replayed[1].fileno() == -1


def test_the_rest_passes_through(replayed):
    far, stream = replayed
    stream.send(b"out")
    stream.send_eof()
    assert far.recv(10, 5) == b"out"
    assert far.recv(10, 5) == b""
    stream.abort()
    stream.close()
    gevent.sleep(0)
    with pytest.raises(Exception, match="broke"):
        far.send(b"x")
