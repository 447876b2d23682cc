import os
import resource
import socket
import time
import types

import pytest

from zrokd.errors import StartError
from zrokd.host import systemd
from zrokd.host.systemd import Inherited, Notifier, take_sockets
from zrokd.model.units import Address, parse_address


@pytest.fixture
def manager(tmp_path):
    """A datagram socket as the service manager's, and its address."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(5)
    yield sock
    sock.close()


@pytest.fixture
def notifier(manager):
    made = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    yield made
    made.close()


def told(manager):
    return manager.recv(4096).decode().split("\n")


def test_ready_carries_a_status(notifier, manager):
    notifier.ready("controller, frontend")
    assert told(manager) == ["READY=1", "STATUS=controller, frontend"]


def test_reloading_carries_the_time(notifier, manager):
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second = told(manager)
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_stopping_and_watchdog(notifier, manager):
    notifier.stopping()
    notifier.watchdog()
    assert told(manager)[0] == "STOPPING=1"
    assert told(manager) == ["WATCHDOG=1"]


def test_an_abstract_socket_is_reached_too():
    name = f"@zrokd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:])
        sock.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": name})
        notifier.ready()
        notifier.close()
        assert told(sock)[0] == "READY=1"


def test_a_line_break_in_the_status_cannot_forge_a_message(notifier, manager):
    notifier.ready("x\nSTOPPING=1")
    assert told(manager) == ["READY=1", "STATUS=x STOPPING=1"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent/socket"}])
def test_without_a_manager_nothing_happens(environ):
    notifier = Notifier(environ)
    notifier.ready("x")
    notifier.close()


@pytest.fixture
def descriptors():
    """descriptors.use_up(): nothing can be opened until the end of the test, or give_back()."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def use_up():
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))

    def give_back():
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    yield types.SimpleNamespace(use_up=use_up, give_back=give_back)
    give_back()


def test_a_process_out_of_descriptors_still_shows_that_it_lives(notifier, manager, descriptors):
    notifier.ready()
    descriptors.use_up()
    notifier.watchdog()
    assert told(manager)[0] == "READY=1"
    assert told(manager) == ["WATCHDOG=1"]


def test_a_message_that_finds_no_descriptor_is_no_reason_to_fail(notifier, manager, descriptors):
    descriptors.use_up()
    notifier.watchdog()
    descriptors.give_back()
    notifier.ready()
    assert told(manager)[0] == "READY=1"


def test_nothing_is_said_after_the_end(notifier, manager):
    notifier.ready()
    notifier.close()
    notifier.close()
    notifier.watchdog()
    told(manager)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        told(manager)


@pytest.mark.parametrize(
    ("environ", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_period_is_for_this_process_only(environ, period_s):
    assert Notifier(environ).watchdog_s == period_s


# -- sockets from the manager ---


@pytest.fixture
def handed(monkeypatch):
    """handed(sock, ..., names=...): an environment as the manager would leave it."""
    kept = []

    def make(*socks, **changes):
        fds = [sock.detach() for sock in socks]
        monkeypatch.setattr(systemd, "_FIRST_FD", min(fds, default=3))
        kept.extend(fds)
        return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(fds)), **changes}

    yield make
    for fd in kept:
        try:
            os.close(fd)
        except OSError:
            continue  # the test closed it


def listening():
    return socket.create_server(("127.0.0.1", 0))


def test_sockets_are_taken_with_their_names_and_the_variables_go(handed):
    environ = handed(listening(), LISTEN_FDNAMES="http", OTHER="1")
    (one,) = take_sockets(environ)
    assert one.name == "http"
    assert not os.get_inheritable(one.sock.fileno())
    assert environ == {"OTHER": "1"}
    one.sock.close()


def test_a_missing_name_is_no_obstacle(handed):
    (one,) = take_sockets(handed(listening()))
    assert one.name == "unknown"
    one.sock.close()


@pytest.mark.parametrize("changes", [{"LISTEN_PID": "1"}, {"LISTEN_PID": ""}, {"LISTEN_FDS": "many"}])
def test_sockets_meant_for_another_process_are_left_alone(handed, changes):
    assert take_sockets(handed(listening(), **changes)) == []


def test_nothing_handed_over_is_nothing_taken():
    assert take_sockets({}) == []


def test_a_socket_that_does_not_listen_is_refused_by_name(handed):
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(StartError, match="the socket dns from the service manager is none that takes connections"):
        take_sockets(handed(plain, LISTEN_FDNAMES="dns"))


def test_a_descriptor_that_is_no_socket_is_refused(handed, monkeypatch, tmp_path):
    with (tmp_path / "file").open("w") as file:
        environ = handed()
        monkeypatch.setattr(systemd, "_FIRST_FD", file.fileno())
        with pytest.raises(StartError, match="is no socket"):
            take_sockets({**environ, "LISTEN_FDS": "1"})


@pytest.mark.parametrize(
    ("bound", "asked", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", False),
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "[::]", True),
        ("0.0.0.0", "127.0.0.1", False),
    ],
)
def test_tcp_sockets_are_matched_by_address(bound, asked, same):
    with socket.create_server((bound, 0)) as sock:
        port = sock.getsockname()[1]
        inherited = Inherited(sock, "http")
        assert inherited.matches(parse_address(f"{asked}:{port}")) is same
        assert not inherited.matches(parse_address(f"{asked}:{port - 1}"))
        assert not inherited.matches(Address(path="/run/x.sock"))


def test_unix_sockets_are_matched_by_path(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "x.sock"))
        inherited = Inherited(sock, "http")
        assert inherited.matches(Address(path=str(tmp_path / "x.sock")))
        assert not inherited.matches(Address(path=str(tmp_path / "y.sock")))
        assert not inherited.matches(Address(host="127.0.0.1", port=80))
        assert "http" in str(inherited)
