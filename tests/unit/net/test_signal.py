from __future__ import annotations

import gevent

from zrokd.net.signal import Bell


def test_waiting_for_a_version_that_is_past_returns_at_once():
    bell = Bell()
    bell.ring()
    assert bell.wait(0, 30) == 1


def test_a_ring_wakes_everybody_who_waits(spawn):
    bell = Bell()
    waiting = [spawn(bell.wait, 0, 30) for _ in range(3)]
    gevent.sleep(0)
    bell.ring()
    assert [greenlet.get(timeout=5) for greenlet in waiting] == [1, 1, 1]


def test_without_a_ring_the_wait_ends_with_the_old_version():
    assert Bell().wait(0, 0.01) == 0


def test_rings_while_nobody_waits_are_not_lost():
    bell = Bell()
    for _ in range(5):
        bell.ring()
    assert bell.wait(3, 30) == 5
    assert bell.wait(5, 0.01) == 5


def test_a_ring_between_two_waits_is_seen_by_the_second(spawn):
    bell = Bell()
    seen = []

    def follow() -> None:
        version = 0
        while version < 3:
            version = bell.wait(version, 30)
            seen.append(version)

    following = spawn(follow)
    for _ in range(3):
        gevent.sleep(0)
        bell.ring()
    following.get(timeout=5)
    assert seen[-1] == 3


def test_nobody_waits_for_one_that_is_retired():
    bell = Bell()
    waiting = gevent.spawn(bell.wait, 0, 10)
    gevent.sleep(0)
    bell.retire()
    assert waiting.get(timeout=1) == 1
    with gevent.Timeout(1):
        assert bell.wait(bell.version, 10) == 1
