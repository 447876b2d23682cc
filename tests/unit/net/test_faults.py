import asyncio
import sys

import gevent
import pytest

from zrokd.net.faults import faults, within


def test_what_returns_in_time_is_passed_on():
    assert within(5, lambda a, *, b: (a, b), 1, b=2) == (1, 2)


def test_what_does_not_return_is_ended_where_it_waits():
    ended = []

    def hang():
        try:
            gevent.sleep(100)
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        within(0.01, hang)
    assert ended == [True]


@pytest.mark.parametrize(
    "raised",
    [
        ValueError(),
        SystemExit(3),
        KeyboardInterrupt(),
        gevent.Timeout(1),
        MemoryError(),
        RecursionError(),
        asyncio.CancelledError(),
    ],
)
def test_what_a_plugin_may_raise_is_a_fault(raised):
    assert isinstance(raised, faults())


def test_what_a_plugin_has_not_imported_is_not_imported_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "asyncio.exceptions")
    assert faults() == (Exception, SystemExit, KeyboardInterrupt, gevent.Timeout)
    assert "asyncio.exceptions" not in sys.modules


def test_what_ends_a_greenlet_is_none():
    assert not isinstance(gevent.GreenletExit(), faults())
