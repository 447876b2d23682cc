"""Calls between our two ends, and what a peer that does otherwise makes of them. grpcio is in tests/wire."""

import gevent
import h2.connection
import h2.events
import pytest

from zrokd.errors import CallFailed, StreamError, StreamTimeout
from zrokd.net import grpc
from zrokd.net.grpc import Code

HEAD = [(":method", "POST"), (":scheme", "http"), (":path", "/A/B"), (":authority", "x")]
KIND = ("content-type", "application/grpc")
EMPTY = b"\0\0\0\0\0"


def echo(method, message):
    return method.encode() + b":" + message


@pytest.fixture
def ends(make_pair, spawn):
    """Two ends; `handle` answers at the far one."""

    def made(handle=echo, idle_s=5.0):
        near, far = make_pair()
        return near, spawn(grpc.serve, far, handle, idle_s=idle_s)

    return made


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 65_536, 300_000, grpc.MOST_BYTES - 5])
def test_a_message_goes_there_and_another_comes_back(ends, size):
    near, serving = ends()
    assert grpc.call(near, "/A/B", b"x" * size, timeout_s=5) == b"/A/B:" + b"x" * size
    near.close()
    serving.get(timeout=5)


@pytest.mark.parametrize("sentence", ["no such share", "50 % of «nothing»\nreally", ""])
def test_a_refusal_comes_with_its_code_and_words(ends, sentence):
    def refuse(method, message):
        raise CallFailed(Code.NOT_FOUND, sentence)

    near, _ = ends(refuse)
    with pytest.raises(CallFailed) as caught:
        grpc.call(near, "/A/B", b"", timeout_s=5)
    assert (caught.value.code, str(caught.value)) == (Code.NOT_FOUND, sentence)


def test_an_answer_that_does_not_come_is_not_waited_for(ends):
    near, _ = ends(lambda method, message: gevent.sleep(60))
    with pytest.raises(StreamTimeout):
        grpc.call(near, "/A/B", b"", timeout_s=0.05)


def test_a_peer_that_ends_the_stream_is_told_of(make_pair):
    near, far = make_pair()
    far.close()
    with pytest.raises(StreamError):
        grpc.call(near, "/A/B", b"", timeout_s=5)


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"SSH-2.0-x\r\n"])
def test_a_peer_that_speaks_something_else_is_told_of(make_pair, noise):
    near, far = make_pair()
    far.send(noise)
    far.send_eof()
    with pytest.raises(StreamError, match=r"speak gRPC|ended"):
        grpc.call(near, "/A/B", b"", timeout_s=5)


def test_a_silent_caller_is_sent_away(ends):
    _, serving = ends(idle_s=0.05)
    with pytest.raises(StreamTimeout):
        serving.get(timeout=5)


class Peer:
    """HTTP/2 by hand: the far end, or the near one."""

    def __init__(self, stream, *, is_client):
        self.stream, self.http = stream, h2.connection.H2Connection(h2.config.H2Configuration(client_side=is_client))
        self.http.initiate_connection()

    def say(self):
        self.stream.send(self.http.data_to_send())

    def hear(self, kind):
        """The first event of a kind."""
        while True:
            for event in self.http.receive_data(self.stream.recv(65536, 5)):
                if isinstance(event, kind):
                    return event
            self.say()


@pytest.mark.parametrize(
    ("fields", "data", "outcome"),
    [
        ([(":status", "200"), KIND], b"\1\0\0\0\0", CallFailed),  # compressed, which was not asked for
        ([(":status", "200"), KIND], b"\0\0\0\0\5ab", CallFailed),  # cut off
        ([(":status", "200"), KIND], EMPTY * 2, CallFailed),
        ([(":status", "200"), KIND], b"", CallFailed),
        ([(":status", "502")], b"", StreamError),
        ([(":status", "200"), KIND, ("grpc-status", "x")], b"", StreamError),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(make_pair, spawn, fields, data, outcome):
    near, far = make_pair()
    calling = spawn(grpc.call, near, "/A/B", b"", timeout_s=5)
    peer = Peer(far, is_client=False)
    peer.hear(h2.events.StreamEnded)
    peer.http.send_headers(1, fields, end_stream=not data and fields[0][1] == "502")
    if fields[0][1] == "200":
        peer.http.send_data(1, data)
        with_status = [] if any(name == "grpc-status" for name, _ in fields) else [("grpc-status", "0")]
        peer.http.send_headers(1, with_status or [("x", "y")], end_stream=True)
    peer.say()
    with pytest.raises(outcome):
        calling.get(timeout=5)


@pytest.mark.parametrize(
    ("fields", "data", "name", "value"),
    [
        ([("content-type", "text/html")], EMPTY, b":status", b"415"),
        ([KIND], b"\1\0\0\0\0", b"grpc-status", b"12"),
        ([KIND], b"", b"grpc-status", b"13"),
        ([KIND], b"\0\0\0\0\5ab", b"grpc-status", b"13"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(ends, fields, data, name, value):
    near, _ = ends()
    peer = Peer(near, is_client=True)
    peer.http.send_headers(1, HEAD + fields)
    peer.http.send_data(1, data, end_stream=True)
    peer.say()
    assert (name, value) in peer.hear(h2.events.ResponseReceived).headers


def test_a_message_that_is_too_long_is_refused(ends):
    near, _ = ends()
    with pytest.raises(CallFailed, match="may have") as caught:
        grpc.call(near, "/A/B", b"x" * (grpc.MOST_BYTES + 1), timeout_s=5)
    assert caught.value.code == Code.RESOURCE_EXHAUSTED


def test_a_call_that_is_given_up_leaves_the_next_one_alone(ends):
    near, _ = ends()
    peer = Peer(near, is_client=True)
    peer.http.send_headers(1, [*HEAD, KIND])
    peer.http.reset_stream(1)
    peer.http.send_headers(3, [*HEAD, KIND])
    peer.http.send_data(3, EMPTY, end_stream=True)
    peer.say()
    assert peer.hear(h2.events.DataReceived).data == b"\0\0\0\0\5/A/B:"


def test_noise_at_the_serving_end_is_told_of(ends):
    near, serving = ends()
    near.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(StreamError, match="gRPC"):
        serving.get(timeout=5)
