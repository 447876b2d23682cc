"""Freed memory goes back to the system, and who does not grow is left in peace."""

from __future__ import annotations

import gevent
import pytest

from zrokd.host import spare
from zrokd.host.spare import Spare, held_bytes

MIB = 1 << 20
pytestmark = pytest.mark.skipif(spare._TRIM is None, reason="only glibc can give memory back")


def at_once(function, *arguments):
    return function(*arguments)


def burst():
    """What a burst leaves: 60 MiB freed, with something that stays behind it."""
    pieces = [bytes(20_000) for _ in range(3_000)]
    stays = pieces[::100]
    pieces.clear()
    return stays


def test_what_a_burst_left_is_given_back():
    looking = Spare(at_once)
    looking.look()
    before = held_bytes()
    stays = burst()
    assert held_bytes() > before + 30 * MIB
    looking.look()
    assert held_bytes() < before + 10 * MIB
    assert len(stays) == 30


def test_who_does_not_grow_is_not_looked_through():
    calls = []
    looking = Spare(lambda *_: calls.append(True))
    looking.look()
    looking.look()
    assert calls == [True]


def test_it_looks_again_and_again(monkeypatch):
    monkeypatch.setattr(spare, "_EVERY_S", 0.001)
    monkeypatch.setattr(spare, "_WORTH_BYTES", -(1 << 50))
    twice, calls = gevent.event.Event(), []

    def called(*_):
        calls.append(True)
        if len(calls) == 2:
            twice.set()

    running = gevent.spawn(Spare(called).run)
    assert twice.wait(5)
    running.kill()


def test_where_there_is_no_way_it_ends_at_once(monkeypatch):
    monkeypatch.setattr(spare, "_TRIM", None)
    Spare(at_once).run()
