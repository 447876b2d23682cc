from __future__ import annotations

import os
import time

import gevent
import pytest
from gevent import Greenlet

from zrokd.net.waiter import Waiter


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_it_wakes_when_the_descriptor_is_ready(pipe, spawn):
    reader, writer = pipe
    waiter = Waiter(reader, Waiter.READ)
    waiting = spawn(waiter.wait, 5.0)
    gevent.sleep(0)
    os.write(writer, b"x")
    assert waiting.get(timeout=5) is True


def test_it_is_ready_at_once_when_bytes_are_there(pipe):
    reader, writer = pipe
    os.write(writer, b"x")
    assert Waiter(reader, Waiter.READ).wait(None) is True


@pytest.mark.parametrize("timeout_s", [0.0, 0.01, -1.0])
def test_it_gives_up_after_its_limit_and_can_wait_again(pipe, timeout_s):
    reader, writer = pipe
    waiter = Waiter(reader, Waiter.READ)
    assert waiter.wait(timeout_s) is False
    os.write(writer, b"x")
    assert waiter.wait(5.0) is True


def test_the_limit_begins_now_however_long_the_hub_was_kept_waiting(pipe):
    busy_until = time.monotonic() + 0.1
    while time.monotonic() < busy_until:
        pass
    since = time.monotonic()
    assert Waiter(pipe[0], Waiter.READ).wait(0.1) is False
    assert time.monotonic() - since > 0.08


@pytest.mark.parametrize("limit_s", [None, 30.0])
def test_cancel_wakes_who_waits(pipe, spawn, limit_s):
    waiter = Waiter(pipe[0], Waiter.READ)
    waiting = spawn(waiter.wait, limit_s)
    gevent.sleep(0)
    waiter.cancel()
    assert waiting.get(timeout=5) is False


def test_cancel_without_anybody_waiting_does_nothing(pipe):
    Waiter(pipe[0], Waiter.READ).cancel()
    gevent.sleep(0)


def test_a_greenlet_killed_between_cancel_and_waking_is_left_alone(pipe, spawn):
    reader, writer = pipe
    waiter = Waiter(reader, Waiter.READ)

    def stubborn() -> bool:
        try:
            return waiter.wait(None)
        except gevent.GreenletExit:
            return Waiter(reader, Waiter.READ).wait(5.0)

    waiting: Greenlet = spawn(stubborn)
    gevent.sleep(0)
    waiting.kill(block=False)
    waiter.cancel()
    gevent.sleep(0.01)
    assert not waiting.dead, "a late waking disturbed its next wait"
    os.write(writer, b"x")
    assert waiting.get(timeout=5) is True


def test_a_killed_greenlet_leaves_the_waiter_usable(pipe, spawn):
    reader, writer = pipe
    waiter = Waiter(reader, Waiter.READ)
    waiting = spawn(waiter.wait, 30.0)
    gevent.sleep(0)
    waiting.kill()
    os.write(writer, b"x")
    assert waiter.wait(5.0) is True


def test_a_second_greenlet_in_the_same_direction_is_a_mistake(pipe, spawn):
    waiter = Waiter(pipe[0], Waiter.READ)
    spawn(waiter.wait, None)
    gevent.sleep(0)
    with pytest.raises(RuntimeError, match="two greenlets"):
        waiter.wait(None)


@pytest.mark.parametrize(("before_s", "limit_s"), [(30.0, 0.05), (0.02, 0.1)])
def test_each_wait_has_a_limit_of_its_own_whatever_the_one_before_had(pipe, before_s, limit_s):
    reader, writer = pipe
    waiter = Waiter(reader, Waiter.READ)
    os.write(writer, b"x")
    assert waiter.wait(before_s) is True
    os.read(reader, 1)
    since = time.monotonic()
    assert waiter.wait(limit_s) is False
    assert limit_s <= time.monotonic() - since < 5.0
    waiter.cancel()


def test_bytes_for_which_nobody_waits_keep_no_loop_busy(pipe):
    reader, writer = pipe
    waiter = Waiter(reader, Waiter.READ)
    os.write(writer, b"x")
    assert waiter.wait(5.0) is True
    loop = gevent.get_hub().loop
    before = loop.iteration
    gevent.sleep(0.05)
    assert loop.iteration - before < 20
    assert waiter.wait(5.0) is True, "it waits again all the same"
    waiter.cancel()


def test_room_to_write_is_not_watched_between_waits(pipe):
    waiter = Waiter(pipe[1], Waiter.WRITE)
    assert waiter.wait(5.0) is True
    loop = gevent.get_hub().loop
    before = loop.iteration
    gevent.sleep(0.05)
    assert loop.iteration - before < 20
    waiter.cancel()
