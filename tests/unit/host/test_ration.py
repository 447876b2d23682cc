import logging

import pytest

from zrokd.host.ration import Ration


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def passes(clock):
    """A function: whether a record passes, and how many were left out before it."""
    ration = Ration(most=2, window_s=10, clock=clock)

    def ask(text="x %s", *arguments, level=logging.ERROR, name="zrokd.a", raised=None):
        exc_info = (type(raised), raised, None) if raised else None
        record = logging.LogRecord(name, level, "f.py", 1, text, arguments, exc_info)
        return ration.filter(record), getattr(record, "left_out", 0)

    return ask


def test_a_few_of_a_kind_pass_whatever_they_are_about(passes):
    assert [passes("x %s", number)[0] for number in range(5)] == [True, True, False, False, False]


def test_the_next_to_pass_tells_how_many_did_not(passes, clock):
    for _ in range(5):
        passes()
    clock.now_s = 10.0
    assert [passes(), passes()] == [(True, 3), (True, 0)]


def test_kinds_are_told_apart_by_who_says_what_about_which_exception(passes):
    for _ in range(3):
        passes()
    assert not passes()[0]
    assert passes("y")[0]
    assert passes(name="zrokd.b")[0]
    assert passes(raised=ValueError())[0]
    assert passes(raised=KeyError())[0]


def test_information_is_never_left_out(passes):
    assert all(passes(level=logging.INFO)[0] for _ in range(100))


def test_kinds_without_end_take_no_memory_without_end(clock):
    ration = Ration(clock=clock)
    for number in range(5000):
        ration.filter(logging.LogRecord("zrokd", logging.ERROR, "f.py", 1, f"made anew {number}", (), None))
    assert len(ration._windows) <= 1000
