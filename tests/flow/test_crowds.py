"""A frontend among thousands who want nothing good of it: what they hold costs nobody else a request."""

from __future__ import annotations

import contextlib
import resource
import socket

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Pool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
ATTACKERS, VISITS = 5000, 300
GONE_WITHIN_S = 15.0


@pytest.fixture(autouse=True)
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def attackers(three):
    """Connections, each in the midst of a head that goes on by a byte a second until the test ends."""
    made, stop = [], Event()

    def begin():
        sock = socket.create_connection(("127.0.0.1", three.port), 30)
        made.append(sock)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: ")

    pool = Pool(50)
    for _ in range(ATTACKERS):
        pool.spawn(begin)
    pool.join(raise_error=True)
    dripping = gevent.spawn(drip, made, stop)
    yield made
    stop.set()
    dripping.get()
    for sock in made:
        sock.close()


def drip(sockets, stop) -> None:
    while not stop.wait(1.0):
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.send(b"a")


def is_gone(sock) -> bool:
    sock.settimeout(0.0)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_five_thousand_slow_heads_cost_no_visitor_a_request_and_are_ended(three, attackers):
    assert [three.status() for _ in range(VISITS)] == [200] * VISITS
    with gevent.Timeout(GONE_WITHIN_S):
        while not all(is_gone(sock) for sock in attackers):
            gevent.sleep(0.1)
    assert three.frontend.ready()[0] == 200
