"""Long bodies between kernel sockets: all that holds of short ones holds of them, too."""

from __future__ import annotations

import os

import pytest

from tests.unit.net.long_bodies import GET, MIB, OK, head, post, take
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.pipes import PIPES, PipePool
from zrokd.net.stream import SocketStream


@pytest.fixture
def spliced(monkeypatch):
    """Counts the bytes that go from a socket into a pipe."""
    moved = [0]
    splice = SocketStream.splice_some

    def count(stream, pipe, max_bytes):
        some = splice(stream, pipe, max_bytes)
        moved[0] += some or 0
        return some

    monkeypatch.setattr(SocketStream, "splice_some", count)
    return moved


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_long_answer_goes_through_the_kernel_and_both_ends_are_used_again(proxy, spawn, spliced, kind):
    counted = [0, 0]
    p = proxy(kind=kind, on_bytes=lambda rx, tx: counted.__setitem__(1, counted[1] + tx))
    body = os.urandom(MIB) * 8 + b"tail"
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    spawn(p.backend.stream.send, head(len(body)) + body, 5)
    assert take(p.client, len(head(len(body)))) == head(len(body))
    assert take(p.client, len(body)) == body
    assert len(body) - 2 * MIB < spliced[0] <= len(body)
    p.backend.seen.clear()
    p.client.send(GET)
    assert p.backend.read_until(b"\r\n\r\n") == GET
    p.backend.stream.send(OK)
    assert take(p.client, len(OK)) == OK
    assert p.results[0].tx == counted[1] - 2 == len(body)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_long_upload_goes_through_the_kernel(proxy, spawn, spliced, kind):
    p = proxy(kind=kind)
    body = os.urandom(MIB) * 8 + b"tail"
    spawn(p.client.send, post(len(body)) + body + GET, 5)
    assert p.backend.read_until(b"\r\n\r\n").startswith(b"POST")
    rest = len(post(len(body)) + body) - len(p.backend.seen)
    assert (bytes(p.backend.seen) + take(p.backend.stream, rest)).endswith(body)
    assert len(body) - 2 * MIB < spliced[0] <= len(body), "and nothing of the request behind it"
    p.backend.stream.send(OK)
    assert take(p.client, len(OK)) == OK
    p.backend.seen.clear()
    assert p.backend.read_until(b"\r\n\r\n") == GET
    assert p.results[0].rx == len(body)


def test_a_long_answer_cut_short_reaches_the_client_cut_short(proxy, spawn, spliced):
    p = proxy(kind="tcp")
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")

    def half() -> None:
        p.backend.stream.send(head(8 * MIB) + bytes(4 * MIB), 5)
        p.backend.stream.send_eof()

    spawn(half)
    take(p.client, len(head(8 * MIB)))
    with pytest.raises(Exception, match="broke"):
        take(p.client, 8 * MIB)
    result = p.result()
    assert "short" in result.outcome
    assert (result.reusable_client, result.reusable_upstream) == (False, False)
    assert spliced[0] > MIB


def test_a_long_upload_cut_short_is_no_whole_request(proxy, spawn, spliced):
    p = proxy(HttpLimits(linger_s=0.05), kind="tcp")

    def half() -> None:
        p.client.send(post(8 * MIB) + bytes(4 * MIB), 5)
        p.client.send_eof()

    spawn(half)
    p.backend.read_until(b"\r\n\r\n")
    with pytest.raises(Exception, match="broke"):
        take(p.backend.stream, 8 * MIB)
    assert p.result().outcome.startswith("client: ")
    assert spliced[0] > MIB


def test_a_client_that_takes_nothing_of_a_long_answer_is_gone_in_time(proxy, spawn):
    p = proxy(HttpLimits(write_stall_s=0.1), kind="tcp")
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    spawn(p.backend.stream.send, head(64 * MIB) + bytes(64 * MIB), 5)
    result = p.result()
    assert result.outcome.startswith("client: ")
    assert "took nothing" in result.outcome


def test_an_upload_that_stops_in_the_kernel_is_given_up_in_time(proxy, spawn, spliced):
    p = proxy(HttpLimits(body_idle_s=0.1, linger_s=0.05), kind="tcp")
    spawn(p.client.send, post(8 * MIB) + bytes(2 * MIB), 5)
    p.backend.read_until(b"\r\n\r\n")
    with pytest.raises(Exception, match="broke"):
        take(p.backend.stream, 8 * MIB)
    result = p.result()
    assert (result.status, result.answer) == (0, 408)
    assert spliced[0] > MIB / 2


def test_without_pipes_a_long_answer_is_copied(proxy, spawn, spliced, monkeypatch):
    monkeypatch.setattr(PipePool, "take", lambda _self: None)
    p = proxy(kind="tcp")
    body = os.urandom(MIB) * 2
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    spawn(p.backend.stream.send, head(len(body)) + body, 5)
    take(p.client, len(head(len(body))))
    assert take(p.client, len(body)) == body
    assert spliced[0] == 0


def test_a_body_of_chunks_is_read(proxy, spawn, spliced):
    p = proxy(kind="tcp")
    p.client.send(GET)
    p.backend.read_until(b"\r\n\r\n")
    start = b"HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    spawn(p.backend.stream.send, start + b"100000\r\n" + bytes(MIB) + b"\r\n0\r\n\r\n", 5)
    take(p.client, MIB)
    assert spliced[0] == 0


def test_pipes_come_back_empty(proxy, spawn):
    PIPES.clear()
    p = proxy(kind="tcp")
    for _ in range(2):
        p.client.send(GET)
        p.backend.read_until(b"\r\n\r\n")
        p.backend.seen.clear()
        spawn(p.backend.stream.send, head(4 * MIB) + b"x" * (4 * MIB), 5)
        take(p.client, len(head(4 * MIB)))
        assert take(p.client, 4 * MIB) == b"x" * (4 * MIB)
