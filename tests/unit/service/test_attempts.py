from types import SimpleNamespace

import pytest

from zrokd.errors import TooMany
from zrokd.service import attempts
from zrokd.service.attempts import Attempts


@pytest.fixture
def clock():
    now = SimpleNamespace(s=1000.0)
    now.monotonic = lambda: now.s
    return now


def test_the_first_tries_are_free_then_each_waits_twice_as_long(clock):
    tries = Attempts(clock, free=3, first_s=1.0, most_s=5.0)
    waits = []
    for _ in range(8):
        tries.note("eve")
        try:
            tries.check("eve")
            waits.append(0.0)
        except TooMany as error:
            waits.append(error.retry_after_s)
            clock.s += error.retry_after_s
            tries.check("eve")
    assert waits == [0.0, 0.0, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


def test_the_longest_wait_of_all_keys_counts_and_others_are_not_held_up(clock):
    tries = Attempts(clock, free=1)
    tries.note("eve")
    tries.check("ann")
    assert (tries.allows("ann"), tries.allows("ann", "eve")) == (True, False)
    with pytest.raises(TooMany):
        tries.check("ann", "eve")


def test_who_proves_himself_or_is_quiet_for_long_begins_anew(clock):
    tries = Attempts(clock, free=2, most_s=10.0)
    for ending in (lambda: tries.forgive("ann"), lambda: setattr(clock, "s", clock.s + 21.0)):
        tries.note("ann")
        ending()
        tries.note("ann")
        assert tries.allows("ann")
        tries.forgive("ann")


def test_a_million_wrong_tries_do_not_overflow(clock):
    tries = Attempts(clock, free=1, most_s=900.0)
    for _ in range(5000):
        tries.note("eve")
    with pytest.raises(TooMany) as caught:
        tries.check("eve")
    assert caught.value.retry_after_s == 900.0


def test_the_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(attempts, "_MOST_KEYS", 10)
    tries = Attempts(clock, free=1)
    for number in range(100):
        tries.note(number)
    assert (tries.allows(0), tries.allows(99), len(tries._keys)) == (True, False, 10)
