"""Circuits that are over are told to routers as long as the network's controller answers, and wait while it is away."""

import gevent
import pytest
from gevent.event import Event
from zrokd_plugins.overlay_ziti.closings import Closings
from zrokd_plugins.overlay_ziti.frames import Kind

from tests.plugins.overlay_ziti.fakes import eventually
from zrokd.errors import OverlayError


class Line:
    """A channel that notes what is posted."""

    def __init__(self):
        self.told, self.alive = [], True

    def post(self, kind, headers, body):
        assert (kind, headers) == (Kind.CIRCUIT_CLOSE, b"")
        self.told.append(body)


class Controller:
    """Answers, or not."""

    def __init__(self):
        self.away, self.asked, self.back = False, 0, Event()

    def ask(self):
        self.asked += 1
        gevent.sleep(0)
        if self.away:
            raise OverlayError("it cannot be reached")

    def wait_back(self, timeout_s):
        self.back.wait(timeout_s)
        self.back.clear()


@pytest.fixture
def controller():
    return Controller()


@pytest.fixture
def closings(controller, zrokd_bench):
    return Closings(controller.ask, controller.wait_back, zrokd_bench.ctx.log, zrokd_bench.ctx.spawn)


@pytest.fixture
def line():
    return Line()


def test_the_controller_is_asked_once_for_all_that_end_at_a_time(closings, controller, line):
    for circuit in (b"a", b"b", b"c"):
        closings.add(line, circuit)
    assert line.told == []
    eventually(lambda: line.told == [b"a", b"b", b"c"])
    closings.add(line, b"d")
    assert line.told[-1] == b"d", "it answered a moment ago"
    assert controller.asked == 1


def test_a_dial_that_was_answered_is_as_good(closings, controller, line):
    closings.answered()
    closings.add(line, b"a")
    assert (line.told, controller.asked) == ([b"a"], 0)


def test_while_it_is_away_nothing_is_told_and_then_all(closings, controller, line):
    controller.away = True
    closings.add(line, b"a")
    eventually(lambda: controller.asked)
    closings.add(line, b"b")
    gevent.sleep(0.02)
    assert line.told == []
    controller.away = False
    controller.back.set()
    eventually(lambda: line.told == [b"a", b"b"])


def test_a_channel_that_ended_takes_its_circuits_along(closings, controller, line):
    controller.away = True
    closings.add(line, b"a")
    eventually(lambda: controller.asked)
    line.alive = False
    controller.back.set()
    gevent.sleep(0.02)
    assert controller.asked == 1, "there is nobody left to tell"
    assert line.told == []
