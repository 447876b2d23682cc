import errno
import logging
import os
import signal
import time
from itertools import pairwise

import gevent
import pytest
from gevent.monkey import get_original

from zrokd.host.greenlets import Greenlets
from zrokd.host.systemd import Notifier
from zrokd.host.watchdog import Watchdog

block = get_original("time", "sleep")
LOG = logging.getLogger("zrokd.test")


class Recording(Notifier):
    def __init__(self, period_s):
        super().__init__({})
        self.watchdog_s = period_s
        self.fed = []

    def watchdog(self):
        self.fed.append(time.monotonic())


@pytest.fixture
def watch():
    """watch(period_s): a running watchdog and what it feeds."""
    greenlets, made = Greenlets(LOG), []

    def start(period_s):
        notifier = Recording(period_s)
        made.append(Watchdog(notifier, greenlets, LOG))
        made[-1].start()
        return made[-1], notifier.fed

    yield start
    for one in made:
        one.stop()
        one.stop()
    assert len(greenlets) == 0


def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        gevent.sleep(0.005)


def test_it_feeds_at_least_four_times_a_period(watch):
    _, fed = watch(0.4)
    until(lambda: len(fed) >= 4)
    assert max(b - a for a, b in pairwise(fed)) < 0.3


def test_without_a_period_nothing_is_fed(watch, monkeypatch):
    monkeypatch.setattr("zrokd.host.watchdog._BEAT_S", 0.01)
    one, fed = watch(None)
    until(lambda: one.worst_lag_s > 0)
    assert fed == []


def test_a_hub_that_stood_still_is_not_fed_for(watch):
    one, fed = watch(0.2)
    until(lambda: fed)
    before = len(fed)
    block(0.3)
    until(lambda: one.worst_lag_s > 0.1)
    assert len(fed) == before
    until(lambda: len(fed) > before)


@pytest.mark.blocks_hub("it shows what is logged then")
def test_a_long_stand_is_logged(watch, caplog):
    one, _ = watch(0.2)
    gevent.sleep(0.01)
    block(0.7)
    until(lambda: one.worst_lag_s > 0.5)
    assert "the event loop stood still for 0." in caplog.text


def test_a_process_that_was_stopped_is_no_loop_that_stood_still(watch, monkeypatch, caplog):
    monkeypatch.setattr("zrokd.host.watchdog._BEAT_S", 0.01)
    monkeypatch.setattr("zrokd.host.watchdog._SLOW_S", 0.05)
    caplog.set_level(logging.INFO, LOG.name)
    one, _ = watch(None)
    gevent.sleep(0.02)
    block(0.2)
    os.kill(os.getpid(), signal.SIGCONT)  # as it comes after a stop
    until(lambda: one.worst_lag_s > 0.1)
    until(lambda: "this process was stopped for" in caplog.text)
    assert "stood still" not in caplog.text


def test_a_sign_of_life_that_fails_is_not_the_last(watch, monkeypatch, caplog):
    def fail_once(self):
        monkeypatch.undo()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Recording, "watchdog", fail_once)
    _, fed = watch(0.04)
    until(lambda: fed)
    assert "no sign of life could be given" in caplog.text
