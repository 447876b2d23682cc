from __future__ import annotations

import contextvars
import gc
from collections.abc import Callable
from weakref import ref

import gevent
import pytest
from gevent.event import Event

from zrokd.net.crew import Crew

SAID: contextvars.ContextVar[str] = contextvars.ContextVar("said", default="nothing")


class Work:
    """Waits for each thing, an Event, and notes who did it, without keeping hold of them."""

    def __init__(self) -> None:
        self.by: list[ref[gevent.Greenlet]] = []

    @property
    def alive(self) -> list[gevent.Greenlet]:
        """Those that did things and did not end, in order."""
        return [member for who in dict.fromkeys(self.by) if (member := who()) is not None and not member.dead]

    def __call__(self, thing: Event) -> None:
        who = ref(gevent.getcurrent())
        hash(who)  # to be told from others when they are gone, too
        self.by.append(who)
        thing.wait()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def crew(work):
    made = Crew(work, 3)
    yield made
    made.kill()


def done() -> Event:
    event = Event()
    event.set()
    return event


def test_who_is_done_takes_the_next_thing(crew, work) -> None:
    for _ in range(5):
        crew.begin(done())
        assert len(crew) == 1
        assert crew.wait(5)
    assert len(set(work.by)) == 1
    assert len(crew) == 0


def test_things_at_once_are_done_at_once(crew, work) -> None:
    things = [Event() for _ in range(3)]
    for thing in things:
        crew.begin(thing)
    gevent.idle()
    assert (len(crew), len(set(work.by))) == (3, 3)
    assert not crew.wait(0.001)
    for thing in things:
        thing.set()
    assert crew.wait(5)


def test_there_is_room_again_when_one_is_done(crew) -> None:
    things = [Event() for _ in range(3)]
    for thing in things:
        crew.wait_room()
        crew.begin(thing)
    waits = gevent.spawn(crew.wait_room)
    gevent.idle()
    assert not waits.ready()
    things[1].set()
    waits.get(timeout=5)
    assert len(crew) == 2


def one_after_another(work, *things: str) -> None:
    """All by a crew of one."""
    crew = Crew(work, 1)
    for thing in things:
        crew.begin(thing)
        assert crew.wait(5)
    crew.kill()


def test_each_thing_is_done_in_a_context_of_its_own() -> None:
    heard = []

    def work(thing: str) -> None:
        heard.append(SAID.get())
        SAID.set(thing)

    one_after_another(work, "a", "b")
    assert heard == ["nothing", "nothing"]


@pytest.mark.parametrize("fault", [gevent.Timeout(), gevent.GreenletExit()])
def test_who_can_still_be_thrown_something_for_what_it_did_does_nothing_more(fault) -> None:
    left: list[gevent.Greenlet] = []  # as a timeout has its greenlet until it is closed
    done = []

    def work(thing: str) -> None:
        if thing == "leaves":
            left.append(gevent.getcurrent())
            return
        left[0].throw(fault)
        gevent.sleep(0)
        done.append(thing)

    one_after_another(work, "leaves", "next")
    assert done == ["next"]
    assert left[0].dead


def test_what_work_raises_ends_its_greenlet_alone(crew, work, monkeypatch) -> None:
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda *_: None)
    crew.begin(None)
    assert crew.wait(5)
    crew.begin(done())
    assert crew.wait(5)
    gevent.idle()
    assert len(set(work.by)) == 2
    assert len(work.alive) == 1


# -- after a flood ---


@pytest.fixture
def looks(monkeypatch) -> Callable[[Crew], None]:
    """looks(crew): the time after which it ends who had nothing to do is over, as its timer says."""
    monkeypatch.setattr("zrokd.net.crew._QUIET_S", 1e6)

    def over(crew) -> None:
        crew._shed()
        gevent.idle()

    return over


def flood(crew, count: int) -> None:
    """So many things at once, and all done."""
    things = [Event() for _ in range(count)]
    for thing in things:
        crew.begin(thing)
    gevent.idle()
    for thing in things:
        thing.set()
    assert crew.wait(5)


def test_who_has_nothing_to_do_ends_after_a_while(looks, work) -> None:
    crew = Crew(work, 1000)
    flood(crew, 200)
    gevent.idle()
    assert len(work.alive) == 128
    looks(crew)
    assert len(work.alive) == 128, "until it looked once nobody knows who was idle meanwhile"
    for _ in range(3):
        flood(crew, 3)
        looks(crew)
        assert len(work.alive) == 3, "as many as were needed at once since it looked last"
    looks(crew)
    assert work.alive == []
    assert crew._looks is None, "nobody looks at nobody"
    flood(crew, 2)
    assert len(work.alive) == 2
    looks(crew)
    looks(crew)
    assert work.alive == []
    crew.kill()


def test_what_they_held_is_free_again(looks) -> None:
    held: list[ref[Event]] = []

    def work(thing: Event) -> None:
        held.append(ref(thing))
        thing.wait()

    crew = Crew(work, 1000)
    flood(crew, 100)
    looks(crew)
    looks(crew)
    gc.collect()
    assert [one for one in held if one() is not None] == []
    crew.kill()


def test_it_looks_by_itself(monkeypatch, work) -> None:
    monkeypatch.setattr("zrokd.net.crew._QUIET_S", 0.005)
    crew = Crew(work, 10)
    flood(crew, 10)
    with gevent.Timeout(5):
        while work.alive:
            gevent.sleep(0.005)
    crew.kill()


def test_dismissed_the_idle_end_now_and_the_busy_with_what_they_do(crew, work) -> None:
    last = Event()
    crew.begin(done())
    crew.begin(last)
    gevent.idle()
    crew.dismiss()
    (busy,) = work.alive
    assert busy is work.by[1]()
    last.set()
    busy.join(5)
    assert busy.dead


def test_killed_all_end_those_who_had_no_turn_before_too(crew, work) -> None:
    crew.begin(Event())
    gevent.idle()
    crew.begin(Event())
    crew.kill()
    assert len(work.by) == 2, "so that whoever is given something can give it back"
    assert not work.alive
    assert (len(crew), crew.wait(0)) == (0, True)
    crew.kill()


def test_a_crowd_that_is_gone_is_not_kept(work) -> None:
    crew = Crew(work, 1000)
    for _ in range(300):
        crew.begin(done())
    assert crew.wait(5)
    gevent.idle()
    assert len(work.alive) <= 128
    crew.kill()
