"""Memory that was freed goes back to the system."""

from __future__ import annotations

import resource
from pathlib import Path

import gevent
import pytest

from zrokd.host import spare

MIB = 1 << 20


def held_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def burst():
    """60 MiB that are freed, with some things that stay between them."""
    pieces = [bytes(20_000) for _ in range(3_000)]
    stays = pieces[::100]
    pieces.clear()
    return stays


@pytest.mark.skipif(spare._TRIM is None, reason="only glibc can give memory back")
def test_what_a_burst_left_is_given_back_each_time(monkeypatch):
    monkeypatch.setattr(spare, "_EVERY_S", 0.001)
    given_back = gevent.event.Event()

    def offload(function, *arguments):
        function(*arguments)
        given_back.set()

    running = gevent.spawn(spare.keep_giving_back, offload)
    for _ in range(2):
        before = held_bytes()
        stays = burst()
        assert held_bytes() > before + 30 * MIB
        given_back.clear()
        assert given_back.wait(5)
        assert held_bytes() < before + 10 * MIB
        assert len(stays) == 30
    running.kill()


def test_where_there_is_no_way_it_ends_at_once(monkeypatch):
    monkeypatch.setattr(spare, "_TRIM", None)
    spare.keep_giving_back(pytest.fail)
