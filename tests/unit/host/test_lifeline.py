from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from zrokd.errors import StartError
from zrokd.host.lifeline import SILENCE_S, Leash, Lifeline

BIG = bytes(range(256)) * 4096  # more than the socket takes at once


@pytest.fixture
def ends() -> Iterator[tuple[Leash, Lifeline, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Leash(ours), Lifeline(theirs), theirs


def test_a_configuration_arrives_whole(ends):
    leash, lifeline, _ = ends
    giving = gevent.spawn(leash.give, BIG)
    lifeline.read()
    giving.get(timeout=5)
    assert lifeline.frozen == BIG


def test_further_ones_are_told_of_and_the_end_too(ends):
    leash, lifeline, _ = ends
    news: list[bytes] = []
    ended = Event()
    following = gevent.spawn(lifeline.follow, lambda: news.append(lifeline.frozen), ended.set)
    leash.give(b"one")
    leash.give(b"two")
    leash.close()
    assert ended.wait(5)
    following.get(timeout=5)
    assert news == [b"one", b"two"]


@pytest.mark.parametrize(
    "cut", [b"", b"\0\0\0", b"\0\0\0\0\0\0\0\5abc"], ids=["at once", "in the length", "in the text"]
)
def test_a_daemon_that_ends_first_is_an_error(ends, cut):
    leash, lifeline, _ = ends
    leash._sock.sendall(cut)
    leash.close()
    with pytest.raises(StartError, match="the daemon that started this worker is gone"):
        lifeline.read()


def test_signs_of_life_arrive(ends):
    leash, lifeline, _ = ends
    lifeline.ready("serving")
    assert leash.hear(5) == b"READY=1\nSTATUS=serving\n"
    lifeline.watchdog()
    assert leash.hear(5) == b"WATCHDOG=1\n"
    assert lifeline.watchdog_s == SILENCE_S


def test_silence_is_told_from_the_end(ends):
    leash, _, theirs = ends
    with pytest.raises(TimeoutError):
        leash.hear(0.01)
    theirs.close()
    assert leash.hear(5) == b""


def test_a_daemon_that_is_gone_is_no_reason_to_fail_while_telling_it(ends):
    leash, lifeline, _ = ends
    leash.close()
    lifeline.watchdog()
    with pytest.raises(StartError):
        lifeline.read()
