from __future__ import annotations

import _socket
import contextlib
import errno
import hashlib
import os
import socket
import time

import gevent
import pytest

from zrokd.errors import StreamClosed, StreamError, StreamTimeout
from zrokd.model.units import Address
from zrokd.net.stream import SocketStream, connect, connect_unix, pair


def test_bytes_arrive_in_order_both_ways(both):
    left, right = both
    left.send(b"ab")
    left.send(memoryview(b"cd"))
    right.send(bytearray(b"back"))
    right.wait_readable(5)
    assert right.recv(3, 5) + right.recv(3, 5) == b"abcd"
    assert left.recv(100, 5) == b"back"


def test_recv_into_fills_the_buffer_it_is_given(both):
    left, right = both
    left.send(b"hello")
    buffer = bytearray(10)
    assert right.recv_into(memoryview(buffer), 5) == 5
    assert buffer == b"hello" + bytes(5)


def test_recv_into_waits_for_bytes(both, spawn):
    left, right = both
    waiting = spawn(right.recv_into, memoryview(bytearray(10)), 5)
    gevent.sleep(0)
    left.send(b"abc")
    assert waiting.get(timeout=5) == 3


def test_large_data_crosses_whole_while_both_ends_work(both, spawn):
    left, right = both
    data = os.urandom(1 << 20) * 8
    sending = spawn(left.send, data, 5)
    sending.link(lambda _: left.send_eof())
    digest, size = hashlib.sha256(), 0
    while piece := right.recv(65536, 5):
        digest.update(piece)
        size += len(piece)
    assert (size, digest.digest()) == (len(data), hashlib.sha256(data).digest())


def test_half_close_ends_one_direction_only(both):
    left, right = both
    left.send(b"request")
    left.send_eof()
    left.send_eof()
    assert right.recv(100, 5) == b"request"
    assert right.recv(100, 5) == b""
    right.send(b"answer")
    assert left.recv(100, 5) == b"answer"


@pytest.mark.parametrize("action", ["recv", "recv_into"])
def test_a_silent_peer_ends_a_limited_read(both, action):
    argument = 10 if action == "recv" else memoryview(bytearray(10))
    with pytest.raises(StreamTimeout, match="sent nothing for 0.01 s"):
        getattr(both[0], action)(argument, 0.01)


def test_a_peer_that_takes_nothing_ends_a_limited_send(both):
    with pytest.raises(StreamTimeout, match="took nothing"):
        both[0].send(bytes(32 << 20), 0.05)


@pytest.mark.slow
def test_the_limit_of_send_counts_from_the_last_progress(both, spawn):
    left, right = both
    data = bytes(16 << 20)
    started = time.monotonic()
    sending = spawn(left.send, data, 0.5)
    got = 0
    while got < len(data):
        if got < 12 << 20:
            gevent.sleep(0.005)  # a slow reader that never stops
        got += len(right.recv(64 << 10, 5))
    sending.get(timeout=5)
    assert time.monotonic() - started > 0.5


def test_a_slow_reader_stops_its_writer_and_memory_stays_bounded(both, spawn):
    left, right = both
    sent = 0

    def write() -> None:
        nonlocal sent
        while True:
            left.send(bytes(16 << 10))
            sent += 16 << 10

    spawn(write)
    last = -1
    while sent != last:  # until the kernel takes no more
        last = sent
        gevent.sleep(0.02)
    assert 0 < sent < 8 << 20
    right.recv(1, 5)


@pytest.mark.parametrize("wait", ["read", "write", "wait_readable"])
@pytest.mark.parametrize("end", ["close", "abort"])
def test_who_waits_on_a_stream_that_another_closes_is_told(both, spawn, wait, end):
    left, _right = both
    action = {
        "read": lambda: left.recv(10),
        "write": lambda: left.send(bytes(32 << 20)),
        "wait_readable": left.wait_readable,
    }[wait]

    def run() -> type:
        try:
            action()
        except StreamError as error:
            return type(error)
        return type(None)

    waiting = spawn(run)
    gevent.sleep(0.01)
    getattr(left, end)()
    assert waiting.get(timeout=5) is StreamClosed


@pytest.mark.parametrize(
    "use",
    [
        lambda stream: stream.recv(1),
        lambda stream: stream.recv_into(memoryview(bytearray(1))),
        lambda stream: stream.send(b"x"),
        lambda stream: stream.wait_readable(1),
        lambda stream: stream.wait_writable(1),
        lambda stream: stream.send_eof(),
    ],
)
def test_a_closed_stream_says_so(both, use):
    both[0].close()
    both[0].close()
    both[0].abort()
    with pytest.raises(StreamClosed):
        use(both[0])
    assert both[0].fileno() == -1
    assert not both[0].is_idle()


def test_abort_resets_a_tcp_peer(make_pair):
    left, right = make_pair("tcp")
    left.send(b"half of it")
    left.abort()
    with pytest.raises(StreamError, match="reset"):
        while right.recv(100, 5):
            pass


def test_abort_resets_a_unix_peer_whose_bytes_were_not_read(make_pair):
    left, right = make_pair("unix")
    right.send(b"unread")
    left.abort()
    with pytest.raises(StreamError, match="reset"):
        right.recv(100, 5)


def test_sending_to_a_peer_that_is_gone_is_an_error(both):
    left, right = both
    right.close()
    with pytest.raises(StreamError, match="broke"):
        for _ in range(100):
            left.send(bytes(65536), 5)
            gevent.sleep(0)


@pytest.mark.parametrize(
    ("before", "idle"), [(lambda s: None, True), (lambda s: s.send(b"x"), False), (lambda s: s.close(), False)]
)
def test_a_stream_is_idle_when_nothing_came(both, before, idle):
    left, right = both
    before(right)
    if not idle:
        left.wait_readable(5)
    assert left.is_idle() is idle


def test_a_reset_stream_is_not_idle(make_pair):
    left, right = make_pair("tcp")
    right.abort()
    left.wait_readable(5)
    assert not left.is_idle()


def test_wait_readable_tells_bytes_from_silence(both, spawn):
    left, right = both
    assert left.wait_readable(0.01) is False
    right.send(b"x")
    assert left.wait_readable(5) is True
    assert left.recv(10) == b"x"
    right.send_eof()
    assert left.wait_readable(5) is True


def test_one_greenlet_reads_while_another_writes(both, spawn):
    left, right = both
    reading = spawn(left.recv, 10, 5)
    writing = spawn(left.send, bytes(8 << 20), 5)
    gevent.sleep(0)
    right.send(b"here")
    assert reading.get(timeout=5) == b"here"
    got = 0
    while got < 8 << 20:
        got += len(right.recv(1 << 20, 5))
    writing.get(timeout=5)


def test_tcp_streams_send_at_once(make_pair):
    stream, _ = make_pair("tcp")
    with socket.socket(fileno=os.dup(stream.fileno())) as twin:
        assert twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_repr_names_peer_and_descriptor():
    left, right = pair()
    assert f"fd={left.fileno()}" in repr(left)
    left.close()
    right.close()
    assert "fd=-1" in repr(left)


def test_connect_reaches_a_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])
        stream = connect(address, 5)
        peer = SocketStream(server.accept()[0])
        peer.send(b"hello")
        assert (stream.recv(10, 5), stream.peer) == (b"hello", str(address))
        stream.close()
        peer.close()


class NoResolver:
    """Stands for a pool of threads that has no room."""

    def getaddrinfo(self, host, *_):
        raise AssertionError(f"{host} was looked up")


@pytest.mark.parametrize(("host", "looked_up"), [("127.0.0.1", False), ("127.1", False), ("localhost", True)])
def test_connect_looks_up_names_and_no_addresses(host, looked_up, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(host, server.getsockname()[1])
        connect(address, 5).close()
        monkeypatch.setattr(gevent.get_hub(), "resolver", NoResolver())
        with pytest.raises(AssertionError, match="was looked up") if looked_up else contextlib.nullcontext():
            connect(address, 5).close()


class Slow(_socket.socket):
    """Begins to connect, and is not there at once; `fault` is what comes of it."""

    fault = 0

    def connect_ex(self, place):
        return super().connect_ex(place) or errno.EINPROGRESS

    def getsockopt(self, level, option, *rest):
        return self.fault if option == socket.SO_ERROR else super().getsockopt(level, option, *rest)


@pytest.mark.parametrize("fault", [0, errno.ECONNRESET, errno.EHOSTUNREACH])
def test_connect_waits_and_tells_what_comes_of_it(fault, monkeypatch):
    monkeypatch.setattr("zrokd.net.stream._socket.socket", type("Made", (Slow,), {"fault": fault}))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])
        if not fault:
            connect(address, 5).close()
            return
        with pytest.raises(StreamError, match=f"cannot connect to {address}: {os.strerror(fault)}") as caught:
            connect(address, 5)
        assert caught.value.__cause__.errno == fault


def test_connect_says_where_and_why_it_failed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])
    with pytest.raises(StreamError, match=f"cannot connect to {address}: .*refused") as caught:
        connect(address, 5)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64, "..", ""])
def test_connect_refuses_what_no_resolver_takes(host, capsys):
    with pytest.raises(StreamError, match="is no name of a host"):
        connect(Address(host=host, port=80), 1.0)
    assert capsys.readouterr().err == ""


def test_connect_gives_up_in_time():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = Address(*server.getsockname())
        kept = []
        with pytest.raises(StreamTimeout, match="no answer within"):
            for _ in range(10):
                kept.append(connect(address, 0.1))
        for stream in kept:
            stream.close()


def test_connect_takes_the_path_of_a_unix_socket(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        stream = connect(Address(path=str(path)), 5)
        assert stream.peer == f"unix:{path}"
        stream.close()


@pytest.mark.parametrize(("there", "code"), [(True, errno.ECONNREFUSED), (False, errno.ENOENT)])
def test_connect_unix_keeps_the_reason(tmp_path, there, code):
    path = tmp_path / "s"
    if there:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
    with pytest.raises(StreamError, match=f"unix:{path}") as caught:
        connect_unix(path, 5)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == code


def test_connect_unix_waits_for_room_in_the_backlog(tmp_path, spawn):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)
        kept = [connect_unix(path, 5)]
        with pytest.raises(StreamTimeout, match="backlog"):
            kept.append(connect_unix(path, 0.05))
        waiting = spawn(connect_unix, path, 5)
        gevent.sleep(0)
        server.accept()[0].close()
        kept.append(waiting.get(timeout=5))
        for stream in kept:
            stream.close()
