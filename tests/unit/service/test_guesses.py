from types import SimpleNamespace

import pytest

from zrokd.errors import TooMany
from zrokd.service import guesses
from zrokd.service.guesses import Guesses, place_of


@pytest.fixture
def clock():
    now = SimpleNamespace(s=1000.0)
    now.monotonic = lambda: now.s
    return now


def attempt(who, name, address, *, right=False, broken=False):
    """Whether it was let through to the password."""
    try:
        with who.trying(name, address) as one:
            if broken:
                raise ValueError
            one.wrong, one.right = not right, right
    except TooMany:
        return False
    except ValueError:
        pass
    return True


def test_from_all_places_that_are_unknown_together_a_name_is_tried_ten_times_an_hour(clock):
    who = Guesses(clock)
    for hour in (10, 1, 1):
        assert sum(attempt(who, "ann", f"198.51.100.{number}") for number in range(200)) == hour
        clock.s += 3601


def test_where_somebody_was_before_other_peoples_guesses_do_not_count(clock):
    who = Guesses(clock)
    assert attempt(who, "ann", "192.0.2.1", right=True)
    for number in range(200):
        attempt(who, "ann", f"198.51.100.{number}")
    assert attempt(who, "ann", "192.0.2.1", right=True)
    assert not attempt(who, "ann", "192.0.2.2", right=True), "a place that is unknown waits"
    who.welcome("ann", "192.0.2.2")
    assert attempt(who, "ann", "192.0.2.2", right=True)
    assert attempt(who, "bob", "192.0.2.2")


def test_a_place_that_is_known_has_few_tries_too(clock):
    who = Guesses(clock)
    attempt(who, "ann", "192.0.2.1", right=True)
    assert sum(attempt(who, "ann", "192.0.2.1") for _ in range(100)) == 5


def test_one_place_tries_few_names(clock):
    who = Guesses(clock)
    assert sum(attempt(who, f"name{number}", "192.0.2.1") for number in range(200)) == 50
    assert attempt(who, "ann", "192.0.2.2")


def test_many_at_once_are_no_more_than_one_after_another(clock):
    who, under_way = Guesses(clock), []
    for number in range(200):
        one = who.trying("ann", f"198.51.100.{number}")
        try:
            under_way.append((one, one.__enter__()))
        except TooMany:
            continue
    assert len(under_way) == 10
    for one, told in under_way:
        told.wrong = True
        one.__exit__(None, None, None)
    assert not attempt(who, "ann", "203.0.113.1")


def test_what_nobody_could_judge_does_not_count(clock):
    who = Guesses(clock)
    assert all(attempt(who, "ann", "192.0.2.1", broken=True) for _ in range(100))
    assert attempt(who, "ann", "192.0.2.1")


def test_the_memory_is_bounded(clock, monkeypatch):
    monkeypatch.setattr(guesses, "_MOST_KNOWN", 2)
    who = Guesses(clock)
    for name in ("ann", "bob", "ann", "eve"):
        attempt(who, name, "192.0.2.1", right=True)
    assert list(who._known) == [("ann", "192.0.2.1"), ("eve", "192.0.2.1")]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("pid:7", "pid:7"),
    ],
)
def test_a_place_is_what_one_person_has(address, place):
    assert place_of(address) == place
