from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import textwrap

import gevent
import pytest
from gevent.event import Event

from zrokd.errors import StreamClosed, StreamError
from zrokd.model.units import Address
from zrokd.net.listener import Listener
from zrokd.net.listening import listen
from zrokd.net.stream import connect

LOG = logging.getLogger("test.listener")
HERE = Address("127.0.0.1", 0)
PROBED = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
)


@pytest.fixture
def serve():
    """Makes started listeners."""
    made: list[Listener] = []

    def make(handle, address: Address = HERE, **named) -> Listener:
        listener = Listener(listen(address), handle, log=LOG, **named)
        made.append(listener)
        listener.start()
        return listener

    yield make
    for listener in made:
        listener.close()


def echo(stream) -> None:
    while data := stream.recv(65536):
        stream.send(data)


def ask(address: Address, data: bytes = b"hello") -> bytes:
    stream = connect(address, 5)
    try:
        stream.send(data)
        return stream.recv(65536, 5)
    finally:
        stream.close()


def until(condition, deadline_s: float = 5.0) -> None:
    with gevent.Timeout(deadline_s):
        while not condition():
            gevent.sleep(0.005)


def test_each_connection_is_handled(serve):
    listener = serve(echo)
    assert [ask(listener.address, b"%d" % n) for n in range(20)] == [b"%d" % n for n in range(20)]
    assert listener.accepted == 20


def test_unix_sockets_are_served_and_the_peer_has_a_name(serve, tmp_path):
    peers = []

    def note(stream) -> None:
        peers.append(stream.peer)
        echo(stream)

    address = Address(path=str(tmp_path / "s"))
    listener = serve(note, address)
    assert ask(address) == b"hello"
    assert peers == [str(address)]
    assert listener.address == address


def test_the_peer_of_a_tcp_connection_is_its_address(serve):
    peers = []
    listener = serve(lambda stream: peers.append(stream.peer))
    stream = connect(listener.address, 5)
    assert stream.recv(1, 5) == b""
    stream.close()
    assert peers[0].startswith("127.0.0.1:")


def test_the_stream_is_closed_when_the_handler_returns(serve):
    listener = serve(lambda stream: None)
    stream = connect(listener.address, 5)
    assert stream.recv(1, 5) == b""
    stream.close()


@pytest.mark.parametrize(
    ("error", "level", "traceback"),
    [(StreamError("broke"), "DEBUG", False), (StreamClosed("closed"), "DEBUG", False), (KeyError("x"), "ERROR", True)],
)
def test_a_failing_handler_hurts_nobody_else(serve, caplog, error, level, traceback):
    caplog.set_level(logging.DEBUG)

    def fail(stream) -> None:
        if stream.recv(10, 5) == b"fail":
            raise error
        stream.send(b"fine")

    listener = serve(fail)
    assert ask(listener.address, b"fail") == b""
    assert ask(listener.address, b"work") == b"fine"
    assert [record.levelname for record in caplog.records] == [level]
    assert bool(caplog.records[0].exc_info) is traceback


def test_more_connections_than_the_limit_wait_for_their_turn(serve):
    release = Event()

    def hold(stream) -> None:
        release.wait(5)
        stream.send(b"x")

    listener = serve(hold, limit=2)
    streams = [connect(listener.address, 5) for _ in range(4)]
    until(lambda: listener.active == 2)
    gevent.sleep(0.02)
    assert listener.active == 2
    release.set()
    assert [stream.recv(1, 5) for stream in streams] == [b"x"] * 4
    for stream in streams:
        stream.close()


def test_stop_takes_nothing_new_and_lets_the_rest_live(serve):
    listener = serve(echo)
    old = connect(listener.address, 5)
    until(lambda: listener.active == 1)
    listener.stop()
    listener.stop()
    assert not listener.accepting
    with pytest.raises(StreamError, match="refused"):
        connect(listener.address, 5)
    old.send(b"still here")
    assert old.recv(100, 5) == b"still here"
    assert listener.drain(0.01) is False
    old.close()
    assert listener.drain(5) is True


def test_close_ends_what_is_left(serve):
    listener = serve(echo)
    assert listener.accepting
    stream = connect(listener.address, 5)
    until(lambda: listener.active == 1)
    listener.close()
    listener.close()
    assert listener.active == 0
    assert stream.recv(1, 5) == b""
    stream.close()


def test_a_listener_that_never_started_can_be_closed():
    listener = Listener(listen(HERE), echo, log=LOG)
    assert not listener.accepting
    listener.close()


def test_many_connections_at_once_all_get_served(serve, spawn):
    listener = serve(echo)
    asking = [spawn(ask, listener.address) for _ in range(300)]
    assert [greenlet.get(timeout=10) for greenlet in asking] == [b"hello"] * 300


def test_a_broken_socket_ends_the_loop_and_says_so(serve, caplog, monkeypatch):
    import errno

    listener = serve(echo)
    error = OSError(errno.EBADF, "Bad file descriptor")
    with pytest.raises(OSError, match="Bad file"):
        listener._after_failure(error, 0.05)
    assert "stopped" in caplog.text


def test_a_connection_gone_before_accept_is_passed_over(serve):
    import errno

    assert serve(echo)._after_failure(OSError(errno.ECONNABORTED, "aborted"), 0.05) == 0.05


EXHAUSTED = """
    from gevent import monkey; monkey.patch_all()
    import json, logging, os, resource, socket, time
    import gevent
    from zrokd.model.units import Address
    from zrokd.net.listener import Listener
    from zrokd.net.listening import listen

    warnings = []
    class Keep(logging.Handler):
        def emit(self, record): warnings.append(record.getMessage())
    log = logging.getLogger("x"); log.addHandler(Keep()); log.propagate = False

    def echo(stream):
        while data := stream.recv(100):
            stream.send(data)

    listener = Listener(listen(Address("127.0.0.1", 0)), echo, log=log); listener.start()
    clients = [socket.create_connection(("127.0.0.1", listener.address.port)) for _ in range(30)]
    gevent.sleep(0.05)
    used = len(os.listdir("/proc/self/fd"))
    clients += [socket.socket() for _ in range(10)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 12, used + 12))
    for client in clients[30:]:
        client.connect(("127.0.0.1", listener.address.port))
    before = time.process_time()
    gevent.sleep(1.0)
    cpu = time.process_time() - before
    waiting = 40 - listener.accepted
    clients[0].sendall(b"alive"); alive = clients[0].recv(10).decode()
    for client in clients[:20]: client.close()
    since = time.monotonic()
    clients[-1].sendall(b"late"); late = clients[-1].recv(10).decode()
    print(json.dumps(dict(cpu=cpu, waiting=waiting, alive=alive, late=late, after=time.monotonic() - since,
                          warnings=warnings, accepting=listener.accepting)))
"""


@pytest.mark.slow
def test_without_descriptors_it_pauses_without_spinning_and_recovers():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EXHAUSTED)], capture_output=True, text=True, timeout=25, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["waiting"] > 0, "the limit was never reached"
    assert told["cpu"] < 0.2
    assert (told["alive"], told["late"], told["accepting"]) == ("alive", "late", True)
    assert told["after"] < 1.0
    assert len(told["warnings"]) == 1
    assert "connections wait" in told["warnings"][0]


def test_a_visitor_who_vanishes_is_found_by_the_kernel(serve):
    seen = []

    def look(stream) -> None:
        with socket.socket(fileno=os.dup(stream.fileno())) as sock:
            seen.append([sock.getsockopt(*option) for option in PROBED])

    listener = serve(look)
    stream = connect(listener.address, 5)
    assert stream.recv(1, 5) == b""
    look(stream)
    stream.close()
    assert seen == [[1, 30, 15, 3]] * 2, "75 s of silence, at both ends that are ours"


class Heavier:
    """Scales by which this process carries more than another, for so many looks."""

    def __init__(self, looks: int) -> None:
        self.left, self.asked = looks, 0

    @property
    def heavy(self):
        self.asked += 1
        self.left -= 1
        return self.left >= 0

    def weigh(self, count):
        pass

    def leave(self):
        pass


def test_connections_are_left_to_a_process_that_carries_less_until_it_carries_as_much(serve):
    scales = Heavier(10)
    listener = serve(echo, scales=scales)
    assert ask(listener.address) == b"hello"
    assert scales.asked >= 11


def test_one_that_does_not_take_them_is_waited_for_less_and_less(serve):
    scales = Heavier(10_000)
    listener = serve(echo, scales=scales)
    asked = []
    for _ in range(7):
        before = scales.asked
        assert ask(listener.address) == b"hello"
        asked.append(scales.asked - before)
    assert asked[-1] <= 6 < 16 < sum(asked[:2])
