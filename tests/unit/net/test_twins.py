"""A frontend and a backend in one process: long bodies pass the stream between them by, and nothing else changes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import gevent
import pytest

from tests.unit.net.conftest import Proxy
from tests.unit.net.long_bodies import GET, MIB, OK, head, post, take
from zrokd.errors import StreamClosed, StreamError, StreamTimeout
from zrokd.net.http1.body import BodyWriter
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import Framing
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.pipes import PIPES, PipePool
from zrokd.net.stream import SocketStream
from zrokd.net.twins import Shortcut, TwinStream

BODY = os.urandom(MIB) * 8 + b"tail"
LIMITS = HttpLimits()


@dataclass
class Both:
    """client <-> front <-> (twins) <-> back <-> target."""

    front: Proxy
    back: Proxy
    counted: list[int]  # by the front: from the client, to it

    @property
    def client(self) -> SocketStream:
        return self.front.client

    def ask(self) -> None:
        self.client.send(GET)
        self.back.backend.read_until(b"\r\n\r\n")


@pytest.fixture
def both_roles(make_pair, proxy):
    """Makes them; `between` are the ends of what is between them."""

    def make(front: HttpLimits = LIMITS, back: HttpLimits = LIMITS, between: str = "twins") -> Both:
        counted = [0, 0]

        def count(rx: int, tx: int) -> None:
            counted[0] += rx
            counted[1] += tx

        dialled, accepted = make_pair(between)
        first = proxy(front, "tcp", backend=(accepted, dialled), on_bytes=count)
        return Both(first, proxy(back, "tcp", client=(dialled, accepted)), counted)

    return make


@pytest.fixture
def through(monkeypatch):
    """Counts the bytes that are taken from a socket between two twins."""
    moved = [0]
    splice, recv = SocketStream.splice_some, SocketStream.recv

    def count_splice(stream, pipe, max_bytes):
        some = splice(stream, pipe, max_bytes)
        moved[0] += (some or 0) if isinstance(stream, TwinStream) else 0
        return some

    def count_recv(stream, *arguments):
        data = recv(stream, *arguments)
        moved[0] += len(data) if isinstance(stream, TwinStream) else 0
        return data

    monkeypatch.setattr(SocketStream, "splice_some", count_splice)
    monkeypatch.setattr(SocketStream, "recv", count_recv)
    return moved


@pytest.mark.parametrize(("between", "past"), [("twins", True), ("unix", False)])
def test_a_long_answer_goes_past_and_the_next_one_follows(both_roles, spawn, through, between, past):
    both = both_roles(between=between)
    for _ in range(2):
        both.ask()
        both.back.backend.seen.clear()
        spawn(both.back.backend.stream.send, head(len(BODY)) + BODY, 5)
        assert take(both.client, len(head(len(BODY)))) == head(len(BODY))
        assert take(both.client, len(BODY)) == BODY
    both.ask()
    both.back.backend.stream.send(OK)
    assert take(both.client, len(OK)) == OK
    assert both.counted[1] == 2 * len(BODY) + 2
    assert [result.tx for result in both.back.results[:2]] == [len(BODY)] * 2
    assert (0 < through[0] < 4 * MIB) == past


def test_a_long_upload_goes_past_and_the_next_request_follows(both_roles, spawn, through):
    both = both_roles()
    spawn(both.client.send, post(len(BODY)) + BODY + GET, 5)
    assert both.back.backend.read_until(b"\r\n\r\n").startswith(b"POST")
    rest = len(post(len(BODY)) + BODY) - len(both.back.backend.seen)
    assert (bytes(both.back.backend.seen) + take(both.back.backend.stream, rest)).endswith(BODY)
    both.back.backend.stream.send(OK)
    assert take(both.client, len(OK)) == OK
    both.back.backend.seen.clear()
    assert both.back.backend.read_until(b"\r\n\r\n") == GET
    assert both.counted[0] == len(BODY)
    assert through[0] < 4 * MIB


def test_an_answer_that_comes_before_the_end_of_an_upload_is_delivered_whole(both_roles, spawn):
    both = both_roles(front=replace(LIMITS, linger_s=0.05), back=replace(LIMITS, linger_s=0.05))
    sending = spawn(both.client.send, post(64 * MIB) + bytes(8 * MIB), 5)
    both.back.backend.read_until(b"\r\n\r\n")
    spawn(take, both.back.backend.stream, 7 * MIB).join(5)
    sending.kill()
    both.back.backend.stream.send(head(MIB) + BODY[:MIB], 5)
    answer = b""
    while len(answer) < MIB or not answer.endswith(BODY[MIB - 9 : MIB]):
        answer += both.client.recv(65536, 5)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert both.front.result().outcome == "ok"


def test_an_answer_that_is_cut_short_reaches_the_client_cut_short(both_roles, spawn):
    both = both_roles()
    both.ask()
    spawn(both.back.backend.stream.send, head(8 * MIB) + bytes(4 * MIB), 5).link(
        lambda _: both.back.backend.stream.send_eof()
    )
    take(both.client, len(head(8 * MIB)))
    with pytest.raises(StreamError, match="broke"):
        take(both.client, 8 * MIB)
    assert "short" in both.back.result().outcome
    assert both.front.result().outcome.startswith("upstream: ")


def test_an_upload_that_is_cut_short_is_no_whole_request(both_roles, spawn):
    both = both_roles(front=replace(LIMITS, linger_s=0.05))
    spawn(both.client.send, post(8 * MIB) + bytes(4 * MIB), 5).link(lambda _: both.client.send_eof())
    both.back.backend.read_until(b"\r\n\r\n")
    with pytest.raises(StreamError, match="broke"):
        take(both.back.backend.stream, 8 * MIB)
    assert both.front.result().outcome.startswith("client: ")


def test_a_client_that_takes_nothing_is_gone_in_time_and_is_said_to_be_at_fault(both_roles, spawn):
    """By the frontend's limit; that of answers that pause, which is shorter, is none of the client's."""
    both = both_roles(front=replace(LIMITS, write_stall_s=0.2, response_idle_s=0.05))
    both.ask()
    spawn(both.back.backend.stream.send, head(64 * MIB) + bytes(64 * MIB), 5)
    result = both.front.result()
    assert result.outcome.startswith("client: ")
    assert "took nothing" in result.outcome
    assert both.back.result().outcome.startswith("client: ")


def test_a_target_that_pauses_is_given_up_in_time(both_roles, spawn):
    both = both_roles(front=replace(LIMITS, response_idle_s=0.1))
    both.ask()
    spawn(both.back.backend.stream.send, head(8 * MIB) + bytes(4 * MIB), 5)
    take(both.client, len(head(8 * MIB)))
    with pytest.raises(StreamError, match="broke"):
        take(both.client, 8 * MIB)
    assert both.front.result().outcome == "upstream: the body stopped for 0.1 s"


def test_a_target_that_takes_no_more_of_an_upload_is_at_fault(both_roles, spawn):
    both = both_roles(back=replace(LIMITS, write_stall_s=0.1, first_byte_s=0.1))
    spawn(both.client.send, post(64 * MIB) + bytes(16 * MIB), 5)
    result = both.back.result()
    assert result.outcome.startswith("upstream: ")
    assert result.answer == 504


def test_who_cuts_the_dialled_end_ends_both(both_roles, spawn):
    """As a share does that is deleted: its streams are cut wherever their bytes go."""
    both = both_roles()
    both.ask()
    spawn(both.back.backend.stream.send, head(64 * MIB) + bytes(8 * MIB), 5)
    take(both.client, MIB)
    both.back.client.abort()
    with pytest.raises(StreamError, match="broke"):
        take(both.client, 64 * MIB)
    assert both.front.result().outcome.startswith("upstream: ")


def test_a_daemon_that_ends_meanwhile_leaves_nothing_behind(both_roles, spawn):
    both = both_roles()
    both.ask()
    spawn(both.back.backend.stream.send, head(64 * MIB) + bytes(8 * MIB), 5)
    take(both.client, MIB)
    both.front.greenlet.kill(timeout=5)
    assert both.back.result().outcome.startswith("client: ")


def test_who_copies_instead_sends_through_the_stream(both_roles, spawn, through, monkeypatch):
    """Where no pipe is to be had, and where a body is made here."""
    monkeypatch.setattr(PipePool, "take", lambda _self: None)
    both = both_roles()
    both.ask()
    spawn(both.back.backend.stream.send, head(len(BODY)) + BODY, 5)
    take(both.client, len(head(len(BODY))))
    assert take(both.client, len(BODY)) == BODY
    assert through[0] >= len(BODY)


# -- the two ends alone ---


class Taken:
    """Notes what a shortcut brings."""

    def __init__(self) -> None:
        self.came = b""

    def drain(self, pipe, count):
        self.came += os.read(pipe.reader, count)


@pytest.fixture
def pipe():
    pipe = PIPES.take()
    yield pipe
    PIPES.give(pipe, empty=False)


@pytest.fixture
def resting(make_pair, spawn):
    """Makes what rests at one end: the greenlet, the other end, and what came past."""

    def rest(most: int, idle_s: float = 5.0):
        near, far = make_pair("twins")
        taken = Taken()
        greenlet = spawn(near.take_shortcut, Shortcut(taken, lambda _count: None), most, idle_s)
        gevent.sleep(0)
        return greenlet, near, far, taken

    return rest


def test_no_more_goes_past_than_was_asked_for(resting, pipe):
    greenlet, near, far, taken = resting(3)
    os.write(pipe.writer, b"abcde")
    far.send_pipe(pipe, 5, 5)
    assert greenlet.get(timeout=5) == 3
    assert (taken.came, near.recv(10, 5)) == (b"abc", b"de")


@pytest.mark.parametrize("how", ["send", "send_some"])
def test_bytes_that_are_copied_come_after_those_that_went_past(resting, pipe, how):
    greenlet, near, far, taken = resting(10)
    os.write(pipe.writer, b"ab")
    far.send_pipe(pipe, 2, 5)
    getattr(far, how)(b"cd")
    assert greenlet.get(timeout=5) == 2
    os.write(pipe.writer, b"ef")
    far.send_pipe(pipe, 2, 5)
    assert (taken.came, take(near, 4)) == (b"ab", b"cdef")


def test_what_is_here_already_comes_first(make_pair):
    near, far = make_pair("twins")
    far.send(b"a")
    assert near.take_shortcut(Shortcut(Taken(), lambda _count: None), 10, 5.0) is None
    assert near.recv(10, 5) == b"a"


@pytest.mark.parametrize("how", ["close", "abort", "send_eof"])
def test_it_ends_with_the_writer(resting, how):
    greenlet, near, far, _ = resting(10)
    getattr(far, how)()
    assert greenlet.get(timeout=5) == 0
    assert near.recv(10, 5) == b""
    near.send_eof()


def test_it_ends_with_the_reader(resting):
    greenlet, near, _, _ = resting(10)
    near.close()
    with pytest.raises(StreamClosed):
        greenlet.get(timeout=5)


def test_a_writer_that_says_nothing_is_given_up(resting):
    greenlet, *_ = resting(10, 0.01)
    with pytest.raises(StreamTimeout, match="stopped for 0.01 s"):
        greenlet.get(timeout=5)


def test_a_closed_end_has_no_shortcut(make_pair):
    near, far = make_pair("twins")
    far.close()
    assert near.take_shortcut(Shortcut(Taken(), lambda _count: None), 10, 5.0) is None


def test_a_body_that_is_written_by_hand_is_read_as_ever(make_pair, spawn):
    """A mode that makes its answers here never sends by pipe; a reader asks it once."""
    near, far = make_pair("twins")
    reader = HttpConnection(near, LIMITS).reader(Framing("length", MIB))
    writer = HttpConnection(far, LIMITS).writer(Framing("length", MIB))
    asked = spawn(reader.rest, Shortcut(BodyWriter(writer, Framing("length", MIB)), lambda _count: None))
    gevent.sleep(0)
    spawn(writer.write, bytes(MIB))
    assert asked.get(timeout=5)
    assert not reader.rest(Shortcut(writer, lambda _count: None))
    assert take(near, MIB) == bytes(MIB)
