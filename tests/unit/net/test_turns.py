from __future__ import annotations

import time

import gevent

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
