import os
import socket
import subprocess
import sys

import pytest
from gevent.server import StreamServer


def echo(sock, _address):
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.fixture
def target_port():
    """Of a server that gives everything back."""
    server = StreamServer(("127.0.0.1", 0), echo)
    server.start()
    yield server.server_port
    server.stop(timeout=0.1)


def test_a_private_port_is_opened_and_given_back(enabled, target_port):
    enabled.start("share", "private", f"127.0.0.1:{target_port}", "--mode", "tcp", "-s", "my-port")
    out, _ = enabled.until("zrokd access private my-port")
    share = enabled._running[-1]
    enabled.start("access", "private", "my-port", "--bind", "127.0.0.1:0")
    out, _ = enabled.until("-> private share my-port")
    host, _, port = out.split()[0].rpartition(":")
    with socket.create_connection((host, int(port))) as visitor:
        visitor.sendall(b"to and fro")
        assert visitor.recv(100) == b"to and fro"
        name = visitor.getsockname()
    who_opens, who_shares = f"{name[0]}:{name[1]}  in 10 B  out 10 B", f"pid:{os.getpid()}  in 10 B  out 10 B"
    out, _ = enabled.until(who_opens, who_shares)
    assert (out.count(who_opens), out.count(who_shares)) == (1, 1)
    assert [row["share"] for row in enabled.lines("list", "accesses")] == ["my-port"]
    assert enabled.end() == 0  # the signal reaches both
    share.get(timeout=10)
    assert enabled.lines("list", "accesses") == []
    assert enabled.lines("list", "shares") == []


def test_a_share_that_does_not_exist_is_one_sentence(enabled):
    out, err = enabled("access", "private", "never-made", "--bind", "127.0.0.1:0", code=1)
    assert out == ""
    assert err == "zrokd: no such share: never-made\n"


def test_a_port_that_is_taken_is_named(enabled):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        _, err = enabled("access", "private", "any", "--bind", bind, code=1)
    assert bind.rpartition(":")[2] in err


def test_an_address_that_is_none_is_a_mistake_of_usage(enabled):
    _, err = enabled("access", "private", "any", "--bind", "nowhere", code=2)
    assert err.startswith("zrokd: --bind: 'nowhere' is not an address")
    assert "roles." not in err


def test_a_machine_that_is_not_enabled_is_told_how(shell):
    assert "zrokd enable TOKEN" in shell("access", "private", "any", code=1)[1]


@pytest.mark.slow
def test_what_a_killed_access_left_is_ended(enabled, target_port):
    enabled.start("share", "private", f"127.0.0.1:{target_port}", "--mode", "tcp", "-s", "long-lived")
    enabled.until("zrokd access private long-lived")
    words = [sys.executable, "-m", "zrokd", "access", "private", "long-lived", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as killed:
        assert "-> private share long-lived" in killed.stdout.readline()
        assert len(enabled.lines("list", "accesses")) == 1
        killed.kill()
    assert enabled.lines("list", "accesses") == []
    assert [row["share"] for row in enabled.lines("list", "shares")] == ["long-lived"]
    assert enabled.end() == 0
