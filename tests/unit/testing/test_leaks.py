import os
import sqlite3
import subprocess

import gevent
import pytest

from zrokd.testing import leaks

BRIEF_S = 0.05


def test_nothing_taken_is_nothing_left():
    with leaks.nothing_left(BRIEF_S):
        pass


def test_what_is_given_back_soon_is_no_leak():
    with leaks.nothing_left(5):
        gevent.spawn_later(0.02, lambda: None)
        gevent.spawn(gevent.sleep, 0.05)


def test_a_descriptor_is_found_and_named():
    reader, writer = os.pipe()
    with pytest.raises(AssertionError, match=r"descriptor \d+ -> pipe:"), leaks.nothing_left(BRIEF_S):
        third = os.dup(reader)
    for number in (reader, writer, third):
        os.close(number)


def test_a_greenlet_is_found_and_named():
    with pytest.raises(AssertionError, match="sleep_long"), leaks.nothing_left(BRIEF_S):
        left = gevent.spawn(sleep_long)
    left.kill()


def sleep_long():
    gevent.sleep(100)


def test_a_process_is_found_and_named():
    with pytest.raises(AssertionError, match=r"process \d+ \(sleep\)"), leaks.nothing_left(BRIEF_S):
        left = subprocess.Popen(["sleep", "100"])
    left.kill()
    left.wait()


def test_what_was_there_before_is_no_leak():
    before = gevent.spawn(gevent.sleep, 100)
    with leaks.nothing_left(BRIEF_S):
        gevent.spawn(gevent.sleep, 0).join()
    before.kill()


def test_giving_up_something_older_does_not_hide_a_leak_for_ever():
    with pytest.raises(AssertionError), leaks.nothing_left(BRIEF_S):
        left = [gevent.spawn(gevent.sleep, 100) for _ in range(2)]
    gevent.killall(left)


def test_an_error_inside_is_not_covered_up():
    with pytest.raises(KeyError), leaks.nothing_left(BRIEF_S):
        raise KeyError("mine")


def test_pipes_that_the_relay_keeps_are_no_leak():
    from zrokd.net.pipes import PIPES

    with leaks.nothing_left(1):
        pipe = PIPES.take()
        PIPES.give(pipe, empty=True)


def test_a_database_that_was_open_before_may_be_opened_more_often(tmp_path):
    older = sqlite3.connect(tmp_path / "x.sqlite3")
    older.execute("pragma journal_mode=wal")
    older.execute("create table t (n)")
    with leaks.nothing_left(0.05):
        another = sqlite3.connect(tmp_path / "x.sqlite3")
        another.execute("select * from t").fetchall()
    another.close()
    older.close()


def test_a_database_that_was_not_open_before_is_a_leak(tmp_path):
    with pytest.raises(AssertionError, match=r"x\.sqlite3"), leaks.nothing_left(0.05):
        left = sqlite3.connect(tmp_path / "x.sqlite3")
        left.execute("create table t (n)")
    left.close()
