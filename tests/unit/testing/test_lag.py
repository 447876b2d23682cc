import time

import gevent
import pytest
from gevent.monkey import get_original

from zrokd.testing.lag import LIMIT_S, HubWatch

block = get_original("time", "sleep")
pytestmark = pytest.mark.blocks_hub("these tests measure it")


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_test_that_waits_properly_is_fine():
    with HubWatch().watch() as seen:
        gevent.sleep(LIMIT_S + 0.2)
    assert seen.worst_s == 0


def test_a_greenlet_that_blocks_is_found():
    with HubWatch().watch() as seen:
        gevent.spawn(block, LIMIT_S + 0.2).join()
    assert seen.worst_s > LIMIT_S
    assert "Greenlet" in seen.culprit


def test_a_greenlet_that_computes_on_and_on_is_found():
    with HubWatch().watch() as seen:
        gevent.spawn(compute, LIMIT_S + 0.3).join()
    assert seen.worst_s > LIMIT_S


def test_the_test_itself_may_compute():
    with HubWatch().watch() as seen:
        compute(LIMIT_S + 0.2)
        gevent.sleep(0)
    assert seen.worst_s < LIMIT_S


def test_the_test_itself_may_not_block():
    with HubWatch().watch() as seen:
        block(LIMIT_S + 0.3)
    assert seen.worst_s > LIMIT_S


def test_short_stretches_do_not_add_up():
    with HubWatch().watch() as seen:
        for _ in range(8):
            gevent.spawn(block, 0.1).join()
    assert seen.worst_s == 0


def test_one_watch_inside_another_gives_the_outer_one_back():
    with HubWatch().watch() as outer:
        with HubWatch().watch():
            gevent.sleep(0)
        gevent.spawn(block, LIMIT_S + 0.2).join()
    assert outer.worst_s > LIMIT_S
