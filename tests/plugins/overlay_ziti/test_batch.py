"""Look-ups that come together are one query; each gets its own answer, or the failure of its query."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event
from zrokd_plugins.overlay_ziti.batch import Batch

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


class Source:
    """Answers when it is let; its first query blocks those that come meanwhile."""

    def __init__(self):
        self.asked, self.go, self.failure = [], Event(), None

    def __call__(self, names):
        self.asked.append(names)
        self.go.wait()
        if self.failure:
            raise self.failure
        return {name: NUMBERS[name] for name in names if name in NUMBERS}


@pytest.fixture
def source():
    return Source()


def looking(batch, *names):
    made = [gevent.spawn(batch.get, name) for name in names]
    gevent.sleep(0)
    return made


def values(tasks):
    return [task.get(timeout=5) for task in tasks]


def test_what_is_wanted_meanwhile_is_one_query(source):
    tasks = looking(Batch(source, 10), "one", "two", "three", "nobody")
    assert source.asked == [["one"]] or len(source.asked[0]) == 4
    source.go.set()
    assert values(tasks) == [1, 2, 3, None]
    assert len(source.asked) <= 2


def test_those_who_come_during_a_query_are_in_the_next(source):
    batch = Batch(source, 10)
    first = looking(batch, "one")
    later = looking(batch, "two", "three", "two")
    source.go.set()
    assert values([*first, *later]) == [1, 2, 3, 2]
    assert source.asked == [["one"], ["two", "three"]]


def test_who_wants_what_is_asked_for_already_waits_for_it(source):
    tasks = looking(Batch(source, 10), "one", "one")
    source.go.set()
    assert values(tasks) == [1, 1]
    assert source.asked == [["one"]]


def test_a_query_has_its_limit(source):
    batch = Batch(source, 2)
    tasks = looking(batch, *NUMBERS)
    source.go.set()
    assert values(tasks) == [1, 2, 3, 4, 5]
    assert max(map(len, source.asked)) <= 2


def test_an_answer_is_not_remembered(source):
    batch = Batch(source, 10)
    source.go.set()
    assert (batch.get("one"), batch.get("one"), batch.get("nobody")) == (1, 1, None)
    assert len(source.asked) == 3


def test_a_failure_is_that_of_all_who_asked_and_of_nobody_else(source):
    batch = Batch(source, 10)
    first, later = looking(batch, "one"), looking(batch, "two", "three")
    source.failure = ValueError("no")
    source.go.set()
    for task in (*first, *later):
        with pytest.raises(ValueError, match="no"):
            task.get(timeout=5)
    source.failure = None
    assert batch.get("two") == 2


def test_when_who_asks_is_killed_the_next_one_asks(source):
    batch = Batch(source, 10)
    (first,) = looking(batch, "one")
    later = looking(batch, "one", "two")
    first.kill()
    source.go.set()
    assert values(later) == [1, 2]


def test_who_went_away_while_waiting_is_not_waited_for(source):
    batch = Batch(source, 1)
    first = looking(batch, "one")
    gone, stays = looking(batch, "two", "three")
    gone.kill()
    source.go.set()
    assert values([*first, stays]) == [1, 3]
    assert batch.get("two") == 2
