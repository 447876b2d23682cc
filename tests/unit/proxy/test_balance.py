"""Several who serve one share, through the whole pipeline: what a visitor gets when one of them is broken."""

from __future__ import annotations

import logging
from collections import Counter

import gevent
import pytest
from gevent.event import Event

from zrokd.errors import NoTerminator, OverlayError, OverlayTimeout
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.status import UNANSWERED, UNREACHED, tells
from zrokd.proxy.upstream import PoolLimits


@pytest.fixture
def two(rig, speak):
    """A rig whose share is served by `left` and `right`, who say who they are."""
    rig.ends["tok-a"] = ["left", "right"]
    rig.pool_limits = PoolLimits(rest_s=0.2)
    for name in ("left", "right"):
        rig.shares[f"tok-a/{name}"] = speak(saying(name))
    return rig


def saying(name: str):
    def answer(exchange):
        while exchange.read():
            pass
        exchange.respond(200, (), name.encode())

    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def who(answer: bytes) -> str:
    assert status(answer) == 200, answer
    return answer.rpartition(b"\r\n\r\n")[2].decode()


def asked(rig, count: int, method: str = "GET", body: bytes = b"") -> list[bytes]:
    """Answers to one visitor after the other: a failed request ends its connection."""
    return [rig.visit().ask("a.zone", "/", method, body=body) for _ in range(count)]


def hang_up(stream) -> None:
    """Takes a request and ends without an answer."""
    stream.recv(65536, 5)
    stream.close()


def failing(fault: str, code: int = 502):
    """A backend whose target fails it."""

    def answer(exchange):
        while exchange.read():
            pass
        exchange.respond(code, (tells(fault),), b"page")

    return answer


def test_requests_one_by_one_are_shared_out_and_dial_once_each(two):
    assert Counter(map(who, asked(two, 20))) == {"left": 10, "right": 10}
    assert sorted(two.dials) == ["tok-a/left", "tok-a/right"]


def test_requests_at_once_are_shared_out_by_what_is_in_flight(two, speak):
    gate, running = Event(), Counter()

    def slow(name):
        def answer(exchange):
            running[name] += 1
            gate.wait(5)
            exchange.respond(200, (), name.encode())

        return answer

    for name in ("left", "right"):
        two.shares[f"tok-a/{name}"] = speak(slow(name))
    visitors = [gevent.spawn(asked, two, 1) for _ in range(20)]
    with gevent.Timeout(5):
        while running.total() < 20:
            gevent.sleep(0.001)
    assert running == {"left": 10, "right": 10}
    gate.set()
    gevent.joinall(visitors, 5, raise_error=True)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_one_that_cannot_be_dialled_costs_no_visitor_anything(two, method, caplog):
    caplog.set_level(logging.INFO, "zrokd.proxy")
    two.shares["tok-a/left"] = OverlayError("refused")
    assert set(map(who, asked(two, 12, method, b"x" if method == "POST" else b""))) == {"right"}
    assert two.dials.count("tok-a/left") == 3
    assert [record.message for record in caplog.records] == [
        "share tok-a: terminator left is left out until it answers again, after 3 failures in a row: refused"
    ]


def test_one_that_is_gone_is_asked_once(two):
    two.shares["tok-a/left"] = NoTerminator("gone")
    assert set(map(who, asked(two, 12))) == {"right"}
    assert two.dials.count("tok-a/left") == 1


def test_one_that_dies_with_its_requests_gets_three_and_comes_back_by_itself(two, speak, caplog):
    caplog.set_level(logging.INFO, "zrokd.proxy")
    two.shares["tok-a/left"] = hang_up
    got = [status(answer) for answer in asked(two, 20)]
    assert Counter(got) == {200: 17, 502: 3}
    two.shares["tok-a/left"] = speak(saying("left"))
    with gevent.Timeout(5):
        while "left" not in {who(answer) for answer in asked(two, 1)}:
            gevent.sleep(0.01)
    assert caplog.records[-1].message == "share tok-a: terminator left answers again"
    assert Counter(map(who, asked(two, 10))) == {"left": 5, "right": 5}


def test_the_try_of_one_that_was_left_out_costs_no_visitor_anything(two):
    two.shares["tok-a/left"] = hang_up
    asked(two, 8)
    before, visitor = two.dials.count("tok-a/left"), two.visit()
    with gevent.Timeout(5):
        while two.dials.count("tok-a/left") < before + 3:
            assert who(visitor.ask("a.zone", "/")) == "right"
            gevent.sleep(0.02)


def test_a_target_that_cannot_be_reached_behind_one_of_them_costs_no_visitor_anything(two, speak):
    two.shares["tok-a/left"] = speak(failing(UNREACHED))
    assert set(map(who, asked(two, 12))) == {"right"}


@pytest.mark.parametrize(
    ("method", "body", "fault"), [("POST", b"", UNREACHED), ("PUT", b"x", UNREACHED), ("GET", b"", UNANSWERED)]
)
def test_what_may_have_happened_or_cannot_be_repeated_is_not_sent_elsewhere_but_counts(two, speak, method, body, fault):
    two.shares["tok-a/left"] = speak(failing(fault))
    answers = asked(two, 12, method, body)
    assert Counter(map(status, answers)) == {200: 9, 502: 3}
    assert b"Proxy-Status" not in b"".join(answers), "that is between us and the backend"


def test_when_all_fail_the_visitor_is_told_and_none_is_asked_for_long(two, speak):
    for name in ("left", "right"):
        two.shares[f"tok-a/{name}"] = speak(failing(UNREACHED))
    answers = asked(two, 10)
    assert Counter(map(status, answers)) == {502: 3, 503: 7}
    assert b"Retry-After: 1\r\n" in answers[-1]


def test_one_that_keeps_silent_is_left_out_too(two):
    two.limits = HttpLimits(first_byte_s=0.02)
    two.shares["tok-a/left"] = lambda stream: stream.recv(65536, 5) and gevent.sleep(5)
    assert Counter(map(status, asked(two, 20))) == {200: 17, 504: 3}


def test_an_overlay_that_does_not_answer_is_waited_for_three_times_and_then_once_a_second(rig):
    rig.shares["tok-a"] = OverlayTimeout("no answer")
    assert {status(answer) for answer in asked(rig, 10)} == {503}
    assert len(rig.dials) == 3


def test_an_answer_that_says_502_by_itself_is_no_fault_of_who_serves(two, speak):
    def answer(exchange):
        exchange.respond(502, (), b"of the application")

    for name in ("left", "right"):
        two.shares[f"tok-a/{name}"] = speak(answer)
    assert {status(got) for got in asked(two, 10)} == {502}
    assert len(two.dials) == 2


def test_an_overlay_that_chooses_itself_is_asked_again_when_it_chose_one_that_is_left_out(rig, speak):
    names = iter([*["bad"] * 3, "bad", "good", *["good"] * 9])
    inner = rig.dial
    rig.pool_limits = PoolLimits(rest_s=60)

    def dial(token, terminator=None):
        name = next(names)
        rig.shares["tok-a"] = hang_up if name == "bad" else speak(saying(name))
        stream = inner(token)
        stream.terminator = name
        return stream

    rig.dial = dial
    assert [status(answer) for answer in asked(rig, 6)] == [502, 502, 502, 200, 200, 200]
    assert len(rig.dials) == 5
