from __future__ import annotations

import time

import gevent
from gevent import socket

from zrokd.net import turns as module
from zrokd.net.turns import Turns


def test_others_run_when_a_turn_is_over_and_not_before(monkeypatch):
    now, ran = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    turns = Turns()
    gevent.Greenlet.spawn(ran.append, 1)
    turns.pass_on()
    assert ran == []
    now[0] += 0.01
    turns.pass_on()
    assert ran == [1]
    gevent.Greenlet.spawn(ran.append, 2)
    turns.pass_on()
    assert ran == [1], "a new turn began"
    gevent.sleep(0)


def test_who_waits_for_a_descriptor_or_for_a_time_has_a_turn_too(monkeypatch):
    monkeypatch.setattr(module, "_TURN_S", 0.0)
    ran, turns = [], Turns()
    one, other = socket.socketpair()
    with one, other:
        waiting = [gevent.spawn(lambda: ran.append(other.recv(1))), gevent.spawn_later(1e-6, ran.append, b"later")]
        gevent.sleep(0)  # they wait now
        one.send(b"x")
        turns.pass_on()
        for _ in range(10):  # more would do; without it, some fifty times nobody of these is looked at
            turns.pass_on()
        assert sorted(ran) == [b"later", b"x"]
        gevent.joinall(waiting, raise_error=True)
