from __future__ import annotations

import hashlib
import os
import time

import gevent
import pytest

from zrokd.errors import StreamError
from zrokd.net.http1.replay import ReplayStream
from zrokd.net.pipes import PipePool
from zrokd.net.relay import relay

MIB = 1 << 20


@pytest.fixture
def relayed(make_pair, spawn):
    """Starts a relay between two pairs; gives the far ends and the greenlet."""

    def start(kinds: tuple[str, str] = ("tcp", "unix"), idle_s: float | None = 10.0, **named):
        left_far, left = make_pair(kinds[0])
        right, right_far = make_pair(kinds[1])

        def run():
            try:
                return relay(left, right, idle_s=idle_s, **named)
            finally:
                left.close()
                right.close()

        return left_far, right_far, spawn(run)

    return start


def send_all(stream, data: bytes) -> None:
    for at in range(0, len(data), MIB):
        stream.send(data[at : at + MIB], 10)
    stream.send_eof()


def send_in_vain(stream) -> None:
    with pytest.raises(StreamError):
        stream.send(bytes(64 * MIB), 5)


def digest_all(stream) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while piece := stream.recv(1 << 18, 10):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def told(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kinds", [("tcp", "tcp"), ("tcp", "unix"), ("unix", "tcp"), ("unix", "unix")])
def test_50_mib_each_way_at_once_arrive_unchanged(relayed, spawn, kinds):
    left, right, relaying = relayed(kinds)
    up, down = os.urandom(MIB) * 50 + b"tail", b"head" + os.urandom(MIB) * 50
    spawn(send_all, left, up)
    spawn(send_all, right, down)
    got_up, got_down = spawn(digest_all, right), spawn(digest_all, left)
    assert got_up.get(timeout=25) == told(up)
    assert got_down.get(timeout=25) == told(down)
    assert relaying.get(timeout=5) == (len(up), len(down), "ok")


def test_bulk_goes_by_splice(relayed, spawn, monkeypatch):
    calls = []
    splice = os.splice
    monkeypatch.setattr("zrokd.net.stream.os.splice", lambda *a, **k: calls.append(a) or splice(*a, **k))
    left, right, relaying = relayed()
    data = os.urandom(MIB) * 8
    spawn(send_all, left, data)
    assert digest_all(right) == told(data)
    right.send_eof()
    assert relaying.get(timeout=5).outcome == "ok"
    assert calls


def test_without_pipes_bulk_is_copied(relayed, spawn, monkeypatch):
    monkeypatch.delattr("zrokd.net.stream.os.splice")
    left, right, relaying = relayed(pipes=PipePool(limit=0))
    data = os.urandom(MIB) * 8
    spawn(send_all, left, data)
    assert digest_all(right) == told(data)
    right.send_eof()
    assert relaying.get(timeout=5) == (len(data), 0, "ok")


def test_a_stream_without_a_kernel_socket_is_copied(make_pair, spawn):
    left_far, left = make_pair()
    right, right_far = make_pair()
    relaying = spawn(relay, ReplayStream(left, b"first "), right, idle_s=5)
    data = os.urandom(MIB) * 4
    spawn(send_all, left_far, data)
    right_far.send_eof()
    assert digest_all(right_far) == told(b"first " + data)
    assert relaying.get(timeout=5).outcome == "ok"


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 262144, MIB, MIB + 1])
def test_messages_of_every_size_pass_at_once(relayed, spawn, size):
    left, right, _ = relayed()
    for _ in range(3):
        data = os.urandom(size)
        spawn(left.send, data, 5)
        got = b""
        while len(got) < size:
            got += right.recv(MIB, 5)
        assert got == data


@pytest.mark.parametrize("first", ["left", "right"])
def test_half_close_passes_and_the_other_direction_goes_on(relayed, first):
    left, right, relaying = relayed()
    one, other = (left, right) if first == "left" else (right, left)
    one.send(b"question")
    one.send_eof()
    got = b""
    while piece := other.recv(100, 5):
        got += piece
    assert got == b"question"
    for _ in range(3):
        other.send(b"answer")
        assert one.recv(100, 5) == b"answer"
    other.send_eof()
    assert one.recv(100, 5) == b""
    assert sorted(relaying.get(timeout=5)[:2]) == [8, 18]


def test_nothing_moving_ends_it(relayed):
    left, right, relaying = relayed(idle_s=0.05)
    left.send(b"x")
    assert right.recv(10, 5) == b"x"
    assert relaying.get(timeout=5) == (1, 0, "idle")
    assert left.recv(1, 5) == right.recv(1, 5) == b""


def test_a_piece_as_large_as_the_buffer_does_not_hide_the_silence_after_it(relayed):
    left, right, relaying = relayed(("unix", "unix"), idle_s=0.05)
    right.send_eof()
    left.send(bytes(64 << 10))
    assert relaying.get(timeout=5) == (64 << 10, 0, "idle")


def test_one_moving_direction_keeps_the_silent_one_alive(relayed):
    left, right, relaying = relayed(idle_s=0.2)
    started = time.monotonic()
    while time.monotonic() - started < 0.5:
        left.send(b"x")
        assert right.recv(10, 5) == b"x"
        gevent.sleep(0.02)
    assert not relaying.dead
    right.send(b"at last")
    assert left.recv(10, 5) == b"at last"


def test_a_direction_whose_reader_stalls_ends_it(relayed, spawn):
    left, _right, relaying = relayed(idle_s=0.1)
    spawn(send_in_vain, left)
    assert relaying.get(timeout=5).outcome == "idle"


def test_a_slow_reader_holds_back_its_writer(relayed, spawn):
    left, right, relaying = relayed(("unix", "unix"))
    sent = 0

    def write() -> None:
        nonlocal sent
        while True:
            left.send(bytes(16 << 10))
            sent += 16 << 10

    spawn(write)
    last = -1
    while sent != last:
        last = sent
        gevent.sleep(0.03)
    assert 0 < sent < 4 * MIB
    assert not relaying.dead
    right.recv(1, 5)


def test_a_slow_reader_does_not_hold_back_the_other_direction(relayed, spawn):
    left, right, _ = relayed()
    spawn(left.send, bytes(64 * MIB), 5)
    gevent.sleep(0.05)
    right.send(b"quick")
    assert left.recv(10, 5) == b"quick"


@pytest.mark.slow
def test_a_busy_relay_leaves_time_for_others(relayed, spawn):
    left, right, _ = relayed()
    spawn(send_all, left, bytes(64 * MIB))
    reading = spawn(digest_all, right)
    turns = 0
    while not reading.dead:
        gevent.sleep(0)
        turns += 1
    assert turns > 20


def test_a_source_that_never_pauses_leaves_time_for_others_while_splicing(relayed, spawn, monkeypatch):
    turns, seen = 0, []

    def endless(*_args: object, **_named: object) -> int:
        seen.append(turns)
        return 0 if len(seen) > 2000 else 1

    def turn() -> None:
        nonlocal turns
        while True:
            gevent.sleep(0)
            turns += 1

    monkeypatch.setattr("zrokd.net.relay._SPLICE_AFTER", 0)
    monkeypatch.setattr("zrokd.net.stream.os.splice", endless)
    left, right, relaying = relayed()
    spawn(turn)
    right.send_eof()
    left.send(b"never read, so always readable")
    relaying.get(timeout=5)
    assert seen[-1] - seen[0] > 30


@pytest.mark.parametrize("bulk", [0, 2 * MIB])
def test_a_broken_stream_breaks_the_other(relayed, spawn, bulk):
    left, right, relaying = relayed(("tcp", "tcp"))
    if bulk:
        sending = spawn(left.send, bytes(bulk), 5)
        got = 0
        while got < bulk:
            got += len(right.recv(MIB, 5))
        sending.get(timeout=5)
    left.abort()
    outcome = relaying.get(timeout=5).outcome
    assert "reset" in outcome
    with pytest.raises(Exception, match="reset"):
        while right.recv(MIB, 5):
            pass


def test_a_reader_that_goes_away_ends_a_splicing_writer(relayed, spawn):
    left, right, relaying = relayed(("tcp", "tcp"))
    spawn(send_in_vain, left)
    got = 0
    while got < 4 * MIB:
        got += len(right.recv(MIB, 5))
    right.abort()
    assert "broke" in relaying.get(timeout=5).outcome


def test_increments_are_told_per_direction(relayed):
    told_bytes = []
    left, right, relaying = relayed(on_bytes=lambda up, down: told_bytes.append((up, down)))
    left.send(b"abc")
    assert right.recv(10, 5) == b"abc"
    right.send(b"de")
    assert left.recv(10, 5) == b"de"
    left.send_eof()
    right.send_eof()
    assert relaying.get(timeout=5) == (3, 2, "ok")
    assert told_bytes == [(3, 0), (0, 2)]


def test_killing_it_ends_both_directions(relayed):
    left, right, relaying = relayed()
    gevent.sleep(0)
    relaying.kill()
    assert left.recv(1, 5) == right.recv(1, 5) == b""
