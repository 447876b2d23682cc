from __future__ import annotations

import contextlib
import time

import gevent

from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.tracker import ConnectionTracker, farewell_s


def test_it_knows_connections_while_they_are_open(make_pair):
    tracker = ConnectionTracker()
    connection = HttpConnection(make_pair()[0], HttpLimits())
    with tracker.track(connection) as tracked:
        assert tracked is connection
        assert len(tracker) == 1
    assert len(tracker) == 0


def test_drain_closes_idle_connections_and_lets_busy_ones_end(make_pair):
    tracker = ConnectionTracker()
    idle, busy = (HttpConnection(make_pair()[0], HttpLimits()) for _ in range(2))
    busy.idle = False
    with tracker.track(idle), tracker.track(busy):
        assert idle.keep_alive
        assert busy.keep_alive
        tracker.drain()
        tracker.drain()
        assert idle.stream.fileno() == -1
        assert busy.stream.fileno() >= 0
        assert not busy.keep_alive


def test_a_connection_that_comes_while_draining_serves_one_exchange(make_pair):
    tracker = ConnectionTracker()
    tracker.drain()
    late = HttpConnection(make_pair()[0], HttpLimits())
    with tracker.track(late):
        assert not late.keep_alive
        assert late.stream.fileno() >= 0


def test_a_connection_whose_next_request_came_already_is_not_closed_under_it(make_pair):
    tracker = ConnectionTracker()
    ours, theirs = make_pair()
    connection = HttpConnection(ours, HttpLimits())
    with tracker.track(connection):
        theirs.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        tracker.drain()
        head = connection.read_request()
        assert head is not None
        assert not connection.keep_alive


def test_winding_down_ends_as_soon_as_the_last_connection_does(make_pair):
    tracker = ConnectionTracker()
    busy = HttpConnection(make_pair()[0], HttpLimits())
    busy.idle = False
    with tracker.track(busy):
        winding = gevent.spawn(tracker.wind_down, 60.0)
        gevent.sleep(0)
        assert not winding.ready()
        assert not busy.keep_alive
    winding.get(timeout=5)


def test_winding_down_bids_those_farewell_who_are_still_there_near_the_end(make_pair):
    tracker, told = ConnectionTracker(), []
    lasting, other = (HttpConnection(make_pair()[0], HttpLimits()) for _ in range(2))
    lasting.idle = other.idle = False
    lasting.farewell = lambda: told.append("farewell")
    with tracker.track(lasting), tracker.track(other):
        tracker.wind_down(0.02)
    assert told == ["farewell"]


def test_half_of_a_short_drain_and_a_second_of_a_long_one_is_left_for_farewells():
    assert [farewell_s(seconds) for seconds in (0.0, 0.5, 30.0)] == [0.0, 0.25, 1.0]


def test_relief_breaks_those_of_the_older_half_whose_head_takes_long(make_pair):
    tracker = ConnectionTracker()
    slow, quick, *young = (HttpConnection(make_pair()[0], HttpLimits()) for _ in range(4))
    slow.idle = quick.idle = False
    slow.reading_since_s, quick.reading_since_s = time.monotonic() - 2.0, time.monotonic()
    with contextlib.ExitStack() as known:
        for connection in (slow, quick, *young):
            known.enter_context(tracker.track(connection))
        tracker.relieve()
    assert [each.stream.fileno() >= 0 for each in (slow, quick, *young)] == [False, True, True, True]


def test_relief_closes_idle_ones_of_the_older_half(make_pair):
    tracker = ConnectionTracker()
    connections = [HttpConnection(make_pair()[0], HttpLimits()) for _ in range(4)]
    connections[0].idle = False
    with contextlib.ExitStack() as known:
        for connection in connections:
            known.enter_context(tracker.track(connection))
        tracker.relieve()
    assert [each.stream.fileno() >= 0 for each in connections] == [True, False, True, True]
    assert connections[0].keep_alive
