import socket

from gevent.server import StreamServer


def echo(sock, _address):
    while data := sock.recv(65536):
        sock.sendall(data)


def test_a_private_port_is_opened_and_given_back(enabled, site):
    server = StreamServer(("127.0.0.1", 0), echo)
    server.start()
    enabled.start("share", "private", f"127.0.0.1:{server.server_port}", "--mode", "tcp", "-s", "my-port")
    out, _ = enabled.until("zrokd access private my-port")
    share = enabled._running[-1]
    enabled.start("access", "private", "my-port", "--bind", "127.0.0.1:0")
    out, _ = enabled.until("-> private share my-port")
    host, _, port = out.split()[0].rpartition(":")
    with socket.create_connection((host, int(port))) as visitor:
        visitor.sendall(b"to and fro")
        assert visitor.recv(100) == b"to and fro"
    assert [row["share"] for row in enabled.lines("list", "accesses")] == ["my-port"]
    assert enabled.end() == 0  # the signal reaches both
    share.get(timeout=10)
    assert enabled.lines("list", "accesses") == []
    assert enabled.lines("list", "shares") == []
    server.stop(timeout=0.1)


def test_a_share_that_does_not_exist_is_one_sentence(enabled):
    out, err = enabled("access", "private", "never-made", "--bind", "127.0.0.1:0", code=1)
    assert out == ""
    assert "no such share" in err
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_named(enabled):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        _, err = enabled("access", "private", "any", "--bind", bind, code=1)
    assert bind.rpartition(":")[2] in err


def test_an_address_that_is_none_is_a_mistake_of_usage(enabled):
    assert "listen" in enabled("access", "private", "any", "--bind", "nowhere", code=2)[1]


def test_a_machine_that_is_not_enabled_is_told_how(shell):
    assert "zrokd enable TOKEN" in shell("access", "private", "any", code=1)[1]
