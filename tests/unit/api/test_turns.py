"""Turns of accounts."""

import gevent
import pytest

from zrokd.api import turns as module
from zrokd.api.turns import Turns
from zrokd.errors import Unavailable


@pytest.fixture
def turns():
    return Turns()


@pytest.fixture
def hold(turns):
    """hold(account, times): that many calls which last until the test ends; how many run is in `hold.running`."""
    end, held = gevent.event.Event(), []

    def one(account):
        with turns.of(account):
            hold.running.append(account)
            end.wait()

    def hold(account, times):
        held.extend(gevent.spawn(one, account) for _ in range(times))
        gevent.sleep(0)

    hold.running = []
    yield hold
    end.set()
    gevent.joinall(held)
    assert len(turns) == 0


def test_an_account_has_so_many_calls_at_once_and_others_are_not_held_up(turns, hold):
    hold(1, 10)
    assert hold.running == [1] * module.AT_ONCE
    with gevent.Timeout(1), turns.of(2):
        pass


def test_who_is_no_account_does_not_wait(turns, hold):
    hold(None, 100)
    assert len(hold.running) == 100


def test_beyond_what_may_wait_a_call_is_refused_at_once(turns, hold):
    hold(1, module.MOST)
    with pytest.raises(Unavailable, match="too many calls"), turns.of(1):
        pass


def test_a_turn_that_does_not_come_is_told(turns, hold, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    hold(1, module.AT_ONCE)
    with pytest.raises(Unavailable), turns.of(1):
        pass


def test_a_call_that_fails_gives_its_turn_back(turns):
    for _ in range(3 * module.AT_ONCE):
        with pytest.raises(ZeroDivisionError), turns.of(1):
            raise ZeroDivisionError
    assert len(turns) == 0
