import logging

import pytest

from zrokd.errors import Denied, Unavailable
from zrokd.model.naming import Mapping, MappingChanges
from zrokd.proxy.feed import Feed
from zrokd.proxy.mapping import MappingTable


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Controller:
    """Answers from a list, and keeps what it was asked."""

    def __init__(self, clock: Clock, *answers: MappingChanges | Exception) -> None:
        self.clock, self.answers, self.asked = clock, list(answers), []
        self.waits = True

    def mappings(self, epoch: str, since: int, wait_s: float) -> MappingChanges:
        self.asked.append((epoch, since, wait_s))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if self.waits and not answer.mappings:
            self.clock.now += wait_s
        return answer


class Delays:
    def __init__(self) -> None:
        self.given = 0
        self.resets = 0

    def next_s(self) -> float:
        self.given += 1
        return float(self.given)

    def reset(self) -> None:
        self.resets += 1


class Rig:
    def __init__(self, *answers: MappingChanges | Exception) -> None:
        self.clock, self.table, self.delays = Clock(), MappingTable(), Delays()
        self.controller = Controller(self.clock, *answers)
        self.paused: list[float] = []
        self.gone: list[frozenset[str]] = []
        self.feed = Feed(
            self.controller,
            self.table,
            self.delays,
            on_changed=self.gone.append,
            log=logging.getLogger("test.feed"),
            clock=self.clock,
            pause=self.paused.append,
        )

    def steps(self, *waits: float) -> list[bool]:
        return [self.feed.step(wait) for wait in waits]


def changes(version: int, *names: tuple[int, str, str], full: bool = False, epoch: str = "e1") -> MappingChanges:
    mappings = tuple(Mapping(version=v, host=host, token=token) for v, host, token in names)
    return MappingChanges(epoch=epoch, version=version, full=full, mappings=mappings)


FIRST = changes(2, (1, "a.zone", "tok-a"), (2, "b.zone", "tok-b"), full=True)
AWAY = Unavailable("http://127.0.0.1:1 does not answer")


def test_everything_first_then_what_changed():
    rig = Rig(FIRST, changes(3, (3, "a.zone", "")), changes(3))
    assert rig.steps(0, 25, 25) == [True, True, True]
    assert rig.controller.asked == [("", 0, 0), ("e1", 2, 25), ("e1", 3, 25)]
    assert rig.table.lookup("a.zone") is None
    assert rig.table.lookup("b.zone").token == "tok-b"
    assert rig.gone == [frozenset(), frozenset(["tok-a"])]
    assert rig.paused == []


def test_a_delta_that_does_not_fit_makes_it_ask_for_everything(caplog):
    rig = Rig(FIRST, changes(9, (1, "x.zone", "old")), changes(10, (9, "c.zone", "tok-c"), full=True))
    assert rig.steps(0, 25) == [True, True]
    assert rig.controller.asked[-1] == ("", 0, 0.0)
    assert rig.table.lookup("c.zone").token == "tok-c"
    assert rig.gone[-1] == {"tok-a", "tok-b"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_another_epoch_makes_it_ask_for_everything():
    rig = Rig(FIRST, changes(1, (1, "x.zone", "x"), epoch="e2"), changes(1, (1, "x.zone", "x"), full=True, epoch="e2"))
    rig.steps(0, 25)
    assert (rig.table.epoch, rig.table.version) == ("e2", 1)


def test_a_controller_that_never_gives_everything_is_a_fault_not_a_loop():
    rig = Rig(changes(1, (1, "x.zone", "x")), changes(1, (1, "x.zone", "x")))
    assert rig.steps(0) == [False]
    assert rig.paused == [1.0]
    assert not rig.table.loaded


def test_one_line_when_the_controller_goes_away_and_one_when_it_is_back(caplog):
    caplog.set_level(logging.INFO)
    rig = Rig(FIRST, AWAY, AWAY, AWAY, changes(2), changes(2))
    rig.steps(0, 25, 0, 0, 0, 25)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "does not answer; serving the names known so far" in caplog.messages[0]
    assert "back" in caplog.messages[1]
    assert rig.table.lookup("a.zone").token == "tok-a"


def test_delays_grow_while_it_is_away_and_start_anew_when_it_is_back():
    rig = Rig(FIRST, AWAY, AWAY, changes(2))
    rig.steps(0, 25, 0, 0)
    assert rig.paused == [1.0, 2.0]
    assert rig.delays.resets == 2


def test_a_refusal_is_an_error_of_the_operators(caplog):
    rig = Rig(Denied("the controller does not know this token"))
    rig.steps(0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "no names are known" in caplog.text


def test_why_and_since_when_it_is_away_is_known():
    rig = Rig(FIRST, AWAY, changes(2))
    assert rig.feed.age_s is None
    rig.steps(0)
    assert (rig.feed.age_s, rig.feed.away) == (0.0, "")
    rig.clock.now += 40
    rig.steps(25)
    assert rig.feed.age_s == 40.0
    assert "does not answer" in rig.feed.away
    rig.steps(0)
    assert (rig.feed.age_s, rig.feed.away) == (0.0, "")


def test_one_unforeseen_answer_does_not_end_the_feed(caplog):
    rig = Rig(AttributeError("nobody thought of this"), FIRST)
    assert rig.steps(0, 0) == [False, True]
    assert "Traceback" in caplog.text
    assert rig.table.loaded


def test_a_controller_that_does_not_wait_cannot_make_it_spin():
    rig = Rig(FIRST, changes(2), changes(2), changes(3, (3, "c.zone", "tok-c")))
    rig.controller.waits = False
    rig.steps(0, 25, 25, 25)
    assert rig.paused == [1.0, 1.0]


def test_after_a_failure_it_asks_without_waiting_there():
    class Stop(BaseException):
        pass

    rig = Rig(FIRST, changes(2), AWAY, changes(2), changes(2), Stop())  # type: ignore[arg-type]
    rig.controller.mappings = _raising(rig.controller.mappings, Stop)
    with pytest.raises(Stop):
        rig.feed.run()
    assert [wait for _, _, wait in rig.controller.asked] == [0, 25, 25, 0, 25]


def _raising(ask, stop):
    def mappings(epoch, since, wait_s, controller=ask.__self__):
        if isinstance(controller.answers[0], stop):
            raise controller.answers[0]
        return ask(epoch, since, wait_s)

    return mappings


def test_names_loaded_from_disk_are_asked_on_from():
    rig = Rig(changes(4, (4, "c.zone", "tok-c")))
    rig.table.replace(FIRST)
    rig.steps(0)
    assert rig.controller.asked == [("e1", 2, 0)]
    assert len(rig.table) == 3
