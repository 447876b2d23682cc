"""Our gRPC against gRPC's own library (grpcio), both ways, over a UNIX socket."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import gevent
import pytest

from zrokd.errors import CallFailed, StreamError
from zrokd.net import grpc
from zrokd.net.grpc import Code
from zrokd.net.stream import SocketStream

pytestmark = pytest.mark.slow
PEER = [sys.executable, str(Path(__file__).parent / "grpc_peer.py")]


@pytest.fixture
def server(tmp_path):
    """A grpcio server; calls it."""
    path = str(tmp_path / "s")
    with subprocess.Popen([*PEER, "serve", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"

        def ask(method, message):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            stream = SocketStream(sock, "grpcio")
            try:
                return grpc.call(stream, method, message, timeout_s=10)
            finally:
                stream.close()

        yield ask
        process.communicate(timeout=10)
    assert process.returncode == 0


def serve_once(stream, handle):
    with contextlib.suppress(StreamError):  # it ends its process, and with it the stream
        grpc.serve(stream, handle, idle_s=20)
    stream.close()


@pytest.fixture
def ask(tmp_path):
    """Calls of grpcio to our serving end."""

    def made(handle, method, message):
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            listening.settimeout(20)
            asking = gevent.spawn(subprocess.run, [*PEER, "call", path, method], input=message, capture_output=True)
            stream = SocketStream(listening.accept()[0], "grpcio")
            serving = gevent.spawn(serve_once, stream, handle)
            done = asking.get(timeout=20)
            serving.get(timeout=20)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    return made


@pytest.mark.parametrize("size", [0, 1, 70_000, grpc.MOST_BYTES - 7])
def test_grpcio_answers_us(server, size):
    assert server("/A/Yes", b"x" * size) == b"/A/Yes:" + b"x" * size


def test_grpcio_refuses_us(server):
    with pytest.raises(CallFailed, match="no such share: «ä 50 %»") as caught:
        server("/A/No", b"")
    assert caught.value.code == Code.NOT_FOUND


@pytest.mark.parametrize("size", [0, 1, 70_000, grpc.MOST_BYTES])
def test_we_answer_grpcio(ask, size):
    assert ask(lambda method, message: method.encode() + message, "/A/Yes", b"x" * size) == b"/A/Yes" + b"x" * size


def test_we_refuse_grpcio(ask):
    def refuse(method, message):
        raise CallFailed(Code.ALREADY_EXISTS, "the name is taken: «ä 50 %»\nby another")

    assert ask(refuse, "/A/No", b"").decode() == "6 the name is taken: «ä 50 %»\nby another\n"
