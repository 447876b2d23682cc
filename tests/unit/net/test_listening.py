from __future__ import annotations

import os
import socket
import stat

import pytest

from zrokd.errors import StartError
from zrokd.model.units import Address
from zrokd.net.listening import is_served, listen, listen_unix


def test_port_0_finds_a_free_port():
    with listen(Address("127.0.0.1", 0)) as sock:
        assert sock.getsockname()[1] > 0
        assert sock.gettimeout() == 0.0


def test_ipv6_addresses_work():
    with listen(Address("::1", 0)) as sock:
        assert sock.getsockname()[0] == "::1"


def test_names_are_looked_up():
    with listen(Address("localhost", 0)) as sock:
        assert sock.getsockname()[0] in ("127.0.0.1", "::1")


def test_several_processes_can_share_a_port_when_asked():
    first = listen(Address("127.0.0.1", 0), reuse_port=True)
    with first, listen(Address(*first.getsockname()), reuse_port=True) as second:
        assert second.getsockname() == first.getsockname()


def test_a_taken_port_says_what_to_do():
    with listen(Address("127.0.0.1", 0)) as taken:
        address = Address(*taken.getsockname())
        with pytest.raises(StartError, match=f"cannot listen on {address}: another program listens there; stop it"):
            listen(address)


def test_an_address_of_another_machine_is_named():
    with pytest.raises(StartError, match="this machine has no such address"):
        listen(Address("192.0.2.1", 0))


def test_a_name_that_does_not_resolve_is_named(monkeypatch):
    def fail(*_args: object, **_named: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("zrokd.net.listening.gsocket.getaddrinfo", fail)
    with pytest.raises(StartError, match="'nowhere.invalid' does not resolve"):
        listen(Address("nowhere.invalid", 80))


def test_a_low_port_says_what_to_do(monkeypatch):
    def refuse(self: socket.socket, _name: object) -> None:
        raise PermissionError(13, "Permission denied")

    class Refusing(socket.socket):
        bind = refuse  # type: ignore[assignment]

    monkeypatch.setattr("zrokd.net.listening.socket.socket", Refusing)
    with pytest.raises(StartError, match="ports below 1024"):
        listen(Address("127.0.0.1", 80))


def test_a_unix_socket_gets_its_permissions(tmp_path):
    path = tmp_path / "s"
    with listen_unix(path, mode=0o620):
        assert stat.S_IMODE(path.stat().st_mode) == 0o620
        assert is_served(path)
    assert not is_served(path)


def test_a_stale_unix_socket_is_replaced(tmp_path):
    path = tmp_path / "s"
    listen(Address(path=str(path))).close()
    assert path.exists()
    with listen(Address(path=str(path))):
        assert is_served(path)


def test_a_served_unix_socket_is_left_alone(tmp_path):
    path = tmp_path / "s"
    with listen(Address(path=str(path))):
        with pytest.raises(StartError, match="another program listens there"):
            listen(Address(path=str(path)))
        assert is_served(path)


def test_a_file_in_the_way_is_left_alone(tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(StartError, match="no socket stands there; move it away"):
        listen(Address(path=str(path)))
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("path", "text"),
    [("missing/s", "folder does not exist"), ("file/s", "is a file, not a folder"), ("x" * 120, "107 bytes")],
)
def test_a_bad_path_says_what_to_do(tmp_path, path, text):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=text):
        listen(Address(path=str(tmp_path / path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_says_what_to_do(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StartError, match="cannot be written to"):
        listen(Address(path=str(tmp_path / "s")))
    tmp_path.chmod(0o700)
