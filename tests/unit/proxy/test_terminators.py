"""Who gets the next request, and who is left out: without an overlay, by a clock that stands still."""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrokd.errors import OverlayError, Unavailable
from zrokd.proxy.terminators import BreakerLimits, Terminators

LIMITS = BreakerLimits(failures=3, rest_s=10.0)


class Rig:
    def __init__(self, *names: str) -> None:
        self.now, self.names, self.looks = 100.0, list(names), 0
        self.ends = Terminators(self.listed, LIMITS, log=logging.getLogger("test"), clock=lambda: self.now)

    def listed(self, _token):
        self.looks += 1
        if self.names == ["broken"]:
            raise OverlayError("the folder cannot be read")
        return self.names

    def choose(self, warm=(), *, spare=True, but=None):
        return self.ends.choose("tok", warm, spare=spare, but=but)

    def end(self, name):
        return self.ends.reached("tok", name)

    def fail(self, name, times=3):
        return [self.ends.failed(self.end(name), "refused") for _ in range(times)]


def test_the_one_with_the_least_in_flight_is_chosen():
    rig = Rig("a", "b", "c")
    taken = Counter()
    for _ in range(30):
        end = rig.choose()
        end.busy += 1
        taken[end.name] += 1
    assert taken == {"a": 10, "b": 10, "c": 10}
    rig.end("b").busy -= 3
    assert [rig.choose().name for _ in range(2)] == ["b", "b"]


def test_those_with_the_same_in_flight_take_turns():
    rig, taken = Rig("a", "b"), Counter()
    for _ in range(10):
        taken[rig.choose().name] += 1
    assert taken == {"a": 5, "b": 5}


def test_where_the_overlay_chooses_unused_streams_are_taken_where_least_is_in_flight():
    rig = Rig()
    assert rig.choose().name == ""
    left, right = rig.end("left"), rig.end("right")
    left.busy = 2
    assert rig.choose([left, right, left]) is right
    assert rig.choose([left]) is left


def test_it_is_left_out_after_three_failures_in_a_row_and_that_is_one_line(caplog):
    rig = Rig("a", "b")
    caplog.set_level(logging.INFO, "test")
    assert rig.fail("a", 2) == [False, False]
    rig.ends.answered(rig.end("a"))
    assert rig.fail("a") == [False, False, True]
    assert rig.fail("a", 5) == [False] * 5, "once"
    assert {rig.choose().name for _ in range(20)} == {"b"}
    assert [record.message for record in caplog.records] == [
        "share tok: terminator a is left out until it answers again, after 3 failures in a row: refused"
    ]


def test_after_its_rest_one_request_that_can_go_elsewhere_tries_it_and_an_answer_brings_it_back(caplog):
    rig = Rig("a", "b")
    caplog.set_level(logging.INFO, "test")
    rig.fail("a")
    rig.now += 9.9
    assert rig.choose().name == "b"
    rig.now += 0.2
    assert rig.choose(spare=False).name == "b", "a POST tries nothing"
    assert rig.choose().name == "a"
    assert rig.choose().name == "b", "one is enough"
    rig.ends.answered(rig.end("a"))
    assert {rig.choose().name for _ in range(2)} == {"a", "b"}
    assert caplog.records[-1].message == "share tok: terminator a answers again"


def test_a_try_that_fails_leaves_it_out_for_another_rest():
    rig = Rig("a", "b")
    rig.fail("a")
    rig.now += 10
    assert rig.choose().name == "a"
    rig.ends.failed(rig.end("a"), "refused")
    rig.now += 9.9
    assert rig.choose().name == "b"
    rig.now += 0.2
    assert rig.choose().name == "a"


def test_a_try_that_never_ends_does_not_stop_the_next():
    rig = Rig("a", "b")
    rig.fail("a")
    for _ in range(3):
        rig.now += 10
        assert rig.choose().name == "a"


def test_the_last_one_left_gets_one_request_a_second_of_any_kind_and_the_others_503():
    rig = Rig("a")
    rig.fail("a")
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            rig.choose()
        assert caught.value.retry_after_s == 1.0
    for _ in range(3):
        rig.now += 1
        assert rig.choose(spare=False).name == "a"
        with pytest.raises(Unavailable):
            rig.choose()
    rig.ends.answered(rig.end("a"))
    assert [rig.choose().name for _ in range(3)] == ["a"] * 3


def test_of_several_that_are_all_left_out_the_one_that_failed_first_is_tried_first():
    rig = Rig("a", "b")
    rig.fail("b")
    rig.now += 0.5
    rig.fail("a")
    rig.now += 1
    assert [rig.choose().name for _ in range(2)] == ["b", "a"]


def test_another_is_chosen_instead_of_one_that_just_failed_if_there_is_another():
    rig = Rig("a", "b")
    first = rig.choose()
    assert {rig.choose(but=first).name for _ in range(4)} == {"a", "b"} - {first.name}
    alone = Rig("a")
    assert alone.choose(but=alone.choose()).name == "a"


def test_whether_there_is_another_is_known():
    rig = Rig("a", "b")
    rig.choose()
    assert rig.ends.others(rig.end("a"))
    rig.fail("b")
    assert not rig.ends.others(rig.end("a"))


def test_the_overlay_is_asked_now_and_then_and_newcomers_get_requests():
    rig = Rig("a")
    for _ in range(100):
        rig.choose()
    assert rig.looks == 1
    rig.names.append("b")
    rig.now += 5
    assert {rig.choose().name for _ in range(4)} == {"a", "b"}
    assert rig.looks == 2


def test_who_is_gone_is_not_chosen_and_when_that_was_the_last_the_overlay_is_asked_at_once():
    rig = Rig("a", "b")
    rig.choose()
    rig.ends.gone(rig.end("a"))
    assert {rig.choose().name for _ in range(4)} == {"b"}
    rig.names = ["c"]
    rig.ends.gone(rig.end("b"))
    assert rig.choose().name == "c"


def test_when_all_known_fail_a_newcomer_is_found_at_once():
    rig = Rig("a")
    rig.choose()
    rig.fail("a")
    rig.names = ["new"]
    rig.now += 0.2
    assert rig.choose().name == "new"


def test_an_overlay_that_cannot_tell_is_left_to_choose():
    assert Rig("broken").choose().name == ""


def test_one_that_rests_is_known_and_when_its_rest_is_over_the_question_is_the_try():
    rig = Rig()
    assert not rig.ends.is_resting(rig.end("far"))
    rig.fail("far")
    assert rig.ends.is_resting(rig.end("far"))
    rig.now += 10
    assert not rig.ends.is_resting(rig.end("far"))
    assert rig.ends.is_resting(rig.end("far"))


def test_what_nobody_used_for_a_minute_is_forgotten_and_nothing_else():
    rig = Rig("a")
    rig.choose().busy = 1
    rig.now += 61
    rig.ends.sweep()
    assert rig.ends._shares
    rig.end("a").busy = 0
    rig.ends.sweep()
    assert not rig.ends._shares


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["fail", "answer", "wait"])), max_size=60))
def test_whatever_happens_nobody_who_works_is_passed_over_for_one_who_is_left_out(steps):
    rig = Rig("a", "b", "c")
    rig.choose()
    for name, what in steps:
        if what == "fail":
            rig.ends.failed(rig.end(name), "x")
        elif what == "answer":
            rig.ends.answered(rig.end(name))
        rig.now += 0.3 if what == "wait" else 0.0
        out = {each for each in "abc" if rig.end(each).out}
        assert all(rig.end(each).failures >= 3 for each in out)
        if len(out) < 3:
            assert rig.choose(spare=False).name not in out
