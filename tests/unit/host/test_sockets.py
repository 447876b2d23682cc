import socket

import pytest

from zrokd.errors import StartError
from zrokd.host.sockets import Sockets
from zrokd.host.systemd import Inherited
from zrokd.model.units import Address


@pytest.fixture
def inherited():
    sock = socket.create_server(("127.0.0.1", 0))
    yield Inherited(sock, "http")
    sock.close()


def address_of(sock):
    return Address(host=sock.getsockname()[0], port=sock.getsockname()[1])


def test_a_socket_of_the_manager_is_given_for_its_address(inherited):
    sockets = Sockets([inherited])
    with sockets.listen(address_of(inherited.sock)) as sock:
        assert sock.getsockname() == inherited.sock.getsockname()
        assert sock.fileno() != inherited.sock.fileno()
    sockets.close()


def test_it_is_given_again_after_it_was_closed(inherited):
    sockets = Sockets([inherited])
    sockets.listen(address_of(inherited.sock)).close()
    with sockets.listen(address_of(inherited.sock)) as sock, socket.create_connection(sock.getsockname()) as client:
        server, _ = sock.accept()
        server.close()
        assert client.recv(1) == b""
    sockets.close()


def test_any_other_address_is_opened_anew(inherited):
    sockets = Sockets([inherited])
    with sockets.listen(Address(host="127.0.0.1", port=0)) as sock:
        assert sock.getsockname() != inherited.sock.getsockname()
    assert sockets.unused() == [inherited]
    sockets.close()


def test_what_was_asked_for_is_not_unused(inherited):
    sockets = Sockets([inherited])
    sockets.listen(address_of(inherited.sock)).close()
    assert sockets.unused() == []
    sockets.close()
    sockets.close()
    assert inherited.sock.fileno() == -1


def test_a_taken_port_is_told(inherited):
    with pytest.raises(StartError, match="another program listens there"):
        Sockets().listen(address_of(inherited.sock))
