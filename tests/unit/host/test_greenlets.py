import asyncio
import logging
import socket
import threading
import time

import gevent
import pytest
from gevent.event import Event

from zrokd.host.greenlets import Greenlets, Threads


@pytest.fixture
def greenlets():
    made = Greenlets(logging.getLogger("zrokd.test"))
    yield made
    made.kill_all()


@pytest.fixture
def threads():
    made = Threads(2)
    yield made
    made.close()


def test_a_greenlet_runs_with_its_arguments_and_is_forgotten(greenlets):
    seen = []
    task = greenlets.spawn(seen.append, "x", name="worker")
    assert (len(greenlets), greenlets.names(), task.done) == (1, ["worker"], False)
    assert task.join(5)
    assert (seen, len(greenlets), task.done) == (["x"], 0, True)


def test_without_a_name_it_has_that_of_its_function(greenlets):
    greenlets.spawn(gevent.sleep, 100)
    assert greenlets.names() == ["sleep"]


def test_joining_gives_up_after_its_limit(greenlets):
    assert not greenlets.spawn(gevent.sleep, 100).join(0.01)


def test_what_it_raises_is_logged_with_its_name(greenlets, caplog):
    greenlets.spawn(lambda: 1 / 0, name="divider").join(5)
    assert "divider failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("raised", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_what_is_no_exception_is_logged_too_and_ends_nobody_else(greenlets, threads, caplog, raised):
    def run():
        raise raised

    greenlets.spawn(run, name="divider").join(5)
    assert "divider failed" in caplog.text
    with pytest.raises(raised):
        threads.offload(run)


def test_killing_waits_for_its_clean_up(greenlets):
    ended, started = [], Event()

    def run():
        try:
            started.set()
            gevent.sleep(100)
        finally:
            gevent.sleep(0.01)
            ended.append(True)

    task = greenlets.spawn(run)
    started.wait(5)
    task.kill()
    assert ended == [True]


def test_kill_all_ends_those_too_that_others_start_meanwhile(greenlets):
    started = Event()

    def stubborn():
        try:
            started.set()
            gevent.sleep(100)
        finally:
            greenlets.spawn(gevent.sleep, 100)

    greenlets.spawn(stubborn)
    started.wait(5)
    greenlets.kill_all()
    assert len(greenlets) == 0


@pytest.fixture
def deaf(greenlets, monkeypatch):
    """deaf(name): a greenlet that takes its end for an error of its work, and goes on until the test is over."""
    monkeypatch.setattr("zrokd.host.greenlets._KILL_S", (0.03, 0.02))
    over = []

    def run():
        while not over:
            try:
                gevent.sleep(0.001)
            except:  # noqa: E722  as plugins do
                continue

    def start(name):
        task = greenlets.spawn(run, name=name)
        gevent.sleep(0)
        return task

    yield start
    over.append(True)


def test_who_does_not_end_is_named_and_left_behind(greenlets, deaf, caplog):
    deaf("poll the till")
    deaf("poll the door")
    other = greenlets.spawn(gevent.sleep, 100)
    with gevent.Timeout(5):
        greenlets.kill_all()
    assert "goes on, so it is left behind: poll the door, poll the till" in caplog.text
    assert other.done


def test_one_that_does_not_end_is_left_behind_too(deaf, caplog):
    task = deaf("poll the till")
    with gevent.Timeout(5):
        task.kill()
    assert not task.done
    assert "left behind: poll the till" in caplog.text


def test_who_takes_only_the_first_end_for_an_error_is_ended(greenlets, monkeypatch, caplog):
    monkeypatch.setattr("zrokd.host.greenlets._KILL_S", (0.03, 5))

    def run():
        try:
            gevent.sleep(100)
        except:  # noqa: E722
            gevent.sleep(100)

    greenlets.spawn(run)
    gevent.sleep(0)
    greenlets.kill_all()
    assert (len(greenlets), caplog.text) == (0, "")


def test_one_may_end_all_the_others(greenlets):
    done = []

    def last():
        greenlets.kill_all()
        done.append(len(greenlets))

    greenlets.spawn(gevent.sleep, 100)
    greenlets.spawn(last).join(5)
    assert done == [1]


def test_work_that_blocks_runs_in_a_thread_while_others_go_on(threads):
    turns = []
    counter = gevent.spawn(lambda: [turns.append(gevent.sleep(0.005)) for _ in range(1000)])
    real_sleep = __import__("gevent.monkey", fromlist=["get_original"]).get_original("time", "sleep")
    threads.offload(real_sleep, 0.1)
    counter.kill()
    assert len(turns) > 3


def test_offloaded_work_gets_all_its_arguments_and_gives_its_result(threads):
    assert threads.offload(int, "ff", base=16) == 255
    assert threads.offload(dict, function=1) == {"function": 1}


def test_what_offloaded_work_raises_comes_back(threads):
    with pytest.raises(ValueError, match="invalid literal"):
        threads.offload(int, "x")


def test_no_more_threads_than_the_limit(threads):
    real_sleep = __import__("gevent.monkey", fromlist=["get_original"]).get_original("time", "sleep")
    native = __import__("gevent.monkey", fromlist=["get_original"]).get_original("threading", "get_ident")
    seen = set()

    def work():
        seen.add(native())
        real_sleep(0.01)

    gevent.joinall([gevent.spawn(threads.offload, work) for _ in range(10)])
    assert 1 <= len(seen) <= 2
    assert native() not in seen


def test_closing_twice_is_fine():
    threads = Threads(1)
    threads.offload(int)
    threads.close()
    threads.close()


def test_closing_does_not_wait_for_ever(monkeypatch):
    from zrokd.host import greenlets as module

    monkeypatch.setattr(module, "_CLOSE_S", 0.05)
    threads, release = Threads(1), __import__("gevent.monkey", fromlist=["x"]).get_original("threading", "Event")()
    waiting = gevent.spawn(threads.offload, release.wait)
    gevent.sleep(0.01)
    began = time.monotonic()
    threads.close()
    assert time.monotonic() - began < 2
    release.set()
    waiting.join(5)
    threads.close()
    assert threading.active_count()


@pytest.mark.parametrize("end", ["one", "all"])
def test_who_is_ended_before_its_first_turn_gives_back_what_it_was_given(greenlets, end):
    ours, theirs = socket.socketpair()

    def serve(sock):
        with sock:
            gevent.sleep(60)

    task = greenlets.spawn(serve, ours)
    if end == "one":
        task.kill()
    else:
        greenlets.kill_all()
    assert task.done
    assert ours.fileno() == -1
    theirs.close()
