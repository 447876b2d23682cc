"""The line of writers."""

import gevent
import pytest

from zrokd.errors import StoreError, StoreLocked
from zrokd.store.line import Line


@pytest.fixture
def line():
    return Line(5.0)


def test_who_comes_again_and_again_does_not_pass_who_waits(line):
    had = []

    def one(name, times):
        for _ in range(times):
            with line.turn():
                gevent.sleep(0)
                had.append(name)

    gevent.joinall([gevent.spawn(one, "many", 5), gevent.spawn(one, "first", 1), gevent.spawn(one, "second", 1)])
    assert had == ["many", "first", "second", "many", "many", "many", "many"]


def test_who_waits_for_too_long_is_told_and_leaves_the_line():
    line = Line(0.01)
    with line.turn(), pytest.raises(StoreError, match="busy; try again"), line.turn():
        pass
    with line.turn():
        pass


@pytest.mark.parametrize("handed", [False, True])
def test_who_is_killed_while_waiting_leaves_the_line(line, handed):
    """Also when its turn had come and it had not noticed yet."""

    def wait():
        with line.turn():
            pass

    with line.turn():
        waiter = gevent.spawn(wait)
        gevent.sleep(0)
        if not handed:
            waiter.kill()
    waiter.kill(block=False)
    gevent.sleep(0)
    with gevent.Timeout(1), line.turn():
        pass


def test_who_waits_is_refused_with_the_one_whose_turn_it_is(line):
    told = []

    def wait():
        try:
            with line.turn():
                told.append("had it")
        except StoreError as error:
            told.append(str(error))

    with pytest.raises(StoreError), line.turn():
        waiting = [gevent.spawn(wait) for _ in range(3)]
        gevent.sleep(0)
        raise StoreLocked("the database is locked by another program; try again")
    gevent.joinall(waiting)
    assert told == ["the database is locked by another program; try again"] * 3
    with line.turn():
        pass


def test_after_a_refusal_nobody_tries_for_a_while():
    line = Line(5.0, pause_s=0.05)
    with pytest.raises(StoreError), line.turn():
        raise StoreLocked("locked")
    with pytest.raises(StoreError, match="locked"), line.turn():
        pytest.fail("it had a turn")
    gevent.sleep(0.06)
    with line.turn():
        pass


def test_a_failure_gives_the_turn_on(line):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), line.turn():
            raise ZeroDivisionError
