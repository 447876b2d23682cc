"""Sessions of HTTP calls that may be ended at any time."""

import gevent.socket
import pytest
import requests
from gevent.event import Event

from zrokd.net.sessions import new_session


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_call_that_is_ended_while_it_connects_leaves_no_socket(monkeypatch, scheme):
    connecting, sockets = Event(), []

    def connect(sock, address):
        sockets.append(sock)
        connecting.set()
        gevent.sleep(60)

    monkeypatch.setattr(gevent.socket.socket, "connect", connect)
    with new_session() as session:
        call = gevent.spawn(session.get, f"{scheme}://127.0.0.1:9", timeout=60)
        assert connecting.wait(10)
        call.kill(timeout=10)
    assert [sock.fileno() for sock in sockets] == [-1]


def test_a_peer_that_takes_no_connection_ends_it_in_time(monkeypatch):
    monkeypatch.setattr(gevent.socket.socket, "connect", _times_out)
    with new_session() as session, pytest.raises(requests.ConnectTimeout):
        session.get("http://127.0.0.1:9", timeout=10)


def _times_out(sock, address):
    raise TimeoutError("timed out")
