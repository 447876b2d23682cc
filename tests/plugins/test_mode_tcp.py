import socket

import pytest
from pydantic import ValidationError
from zrokd_plugins.mode_tcp import TcpMode, TcpSettings, zrokd_provide_modes

from zrokd.contracts import Caller
from zrokd.errors import StreamError
from zrokd.net.stream import pair


def make(ctx, target, **settings):
    mode = TcpMode(TcpSettings(target=target, **settings), ctx)
    mode.open()
    mode.share_token = "tok"
    return mode


def echo_to_the_end(stream):
    received = b""
    while piece := stream.recv(65536, 10):
        received += piece
    stream.send(b"got " + received)
    stream.send_eof()


def test_the_module_provides_the_mode():
    assert zrokd_provide_modes() == [TcpMode]
    assert (TcpMode.name, TcpMode.http, TcpMode.carries) == ("tcp", False, "stream")


def test_the_answer_still_comes_after_the_visitor_ended_its_half(small_ctx, origin, visit):
    visitor = visit(make(small_ctx, origin(echo_to_the_end)))
    visitor.send(b"a question")
    visitor.near.send_eof()
    assert visitor.ended() == b"got a question"


def test_a_connection_is_told_once_with_its_bytes(small_ctx, origin, visit):
    visitor = visit(make(small_ctx, origin(echo_to_the_end)))
    visitor.send(b"12345")
    visitor.near.send_eof()
    visitor.ended()
    [summary] = small_ctx.hooks.wait("on_connection_closed")
    assert (summary.role, summary.share_token, summary.rx_bytes, summary.tx_bytes) == ("backend", "tok", 5, 9)
    assert summary.outcome == "ok"
    assert summary.peer == "pid:1"


@pytest.mark.parametrize(
    ("version", "address", "header"),
    [
        ("v1", "pid:1", b"PROXY UNKNOWN\r\n"),
        ("v1", "", b"PROXY UNKNOWN\r\n"),
        ("v1", "203.0.113.9:4711", b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 %d\r\n"),
        ("v1", "[2001:db8::7]:4711", b"PROXY TCP6 2001:db8::7 :: 4711 %d\r\n"),
        ("v2", "ziti:router", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
    ],
)
def test_the_target_is_told_who_connects_as_far_as_the_overlay_tells(small_ctx, origin, version, address, header):
    port = origin(echo_to_the_end)
    mode = make(small_ctx, f"127.0.0.1:{port}", proxy_protocol=version)
    near, far = pair()
    serving = small_ctx.spawn(mode.serve, far, Caller(identity="x", address=address))
    near.send(b"hello")
    near.send_eof()
    got = b""
    while piece := near.recv(65536, 10):
        got += piece
    assert got == b"got " + (header % port if b"%d" in header else header) + b"hello"
    assert serving.join(10)
    near.close()
    far.close()


def test_megabytes_pass_in_both_directions(small_ctx, origin, visit):
    data = bytes(range(256)) * 4096 * 4

    def mirror(stream):
        while piece := stream.recv(65536, 10):
            stream.send(piece, 10)
        stream.send_eof()

    visitor = visit(make(small_ctx, origin(mirror)))
    sending = small_ctx.spawn(lambda: (visitor.near.send(data, 10), visitor.near.send_eof()))
    assert visitor.ended() == data
    assert sending.join(10)


def test_a_unix_socket_is_a_target_too(small_ctx, tmp_path, visit):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        visitor = visit(make(small_ctx, f"unix:{tmp_path}/s"))
        client, _ = sock.accept()
        client.sendall(b"hello")
        client.close()
        assert visitor.ended() == b"hello"


def test_a_target_that_is_down_breaks_the_connection_and_says_why(small_ctx, visit, caplog):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    mode = make(small_ctx, port)
    assert f"127.0.0.1:{port}" in mode.probe()
    visitor = visit(mode)
    assert visitor.ended() == b""
    [summary] = small_ctx.hooks.wait("on_connection_closed")
    assert "refused" in summary.outcome
    assert f"share tok: cannot connect to 127.0.0.1:{port}" in caplog.text


def test_a_target_that_takes_no_connection_is_given_up_in_time(small_ctx, crowded_port, visit):
    assert visit(make(small_ctx, crowded_port, connect_timeout=0.05)).ended() == b""
    [summary] = small_ctx.hooks.wait("on_connection_closed")
    assert "no answer within 0.05 s" in summary.outcome


def test_the_next_connection_tries_again(small_ctx, origin, visit):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    mode = make(small_ctx, port)
    visit(mode).ended()
    origin(echo_to_the_end, port)
    assert mode.probe() == ""
    visitor = visit(mode)
    visitor.near.send_eof()
    assert visitor.ended() == b"got "


def test_a_connection_on_which_nothing_moves_ends(small_ctx, origin, visit):
    def silent(stream):
        with pytest.raises(StreamError):
            while stream.recv(1, 10):
                pass
            raise StreamError("ended")

    visit(make(small_ctx, origin(silent), idle=0.05)).ended()
    [summary] = small_ctx.hooks.wait("on_connection_closed")
    assert summary.outcome == "idle"


def test_no_descriptor_is_left(small_ctx, origin, visit, descriptors, patient):
    mode = make(small_ctx, origin(echo_to_the_end))
    before = descriptors()
    for _ in range(50):
        visitor = visit(mode)
        visitor.near.send_eof()
        visitor.ended()
        visitor.close()
    patient(lambda: descriptors() <= before)


@pytest.mark.parametrize("bad", [{}, {"target": "x"}, {"target": True}, {"target": 1, "extra": 1}, {"target": 70000}])
def test_settings_are_strict(bad):
    with pytest.raises(ValidationError):
        TcpSettings(**bad)
