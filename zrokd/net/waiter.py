"""Let one greenlet wait until a descriptor is ready.

A wait must cost next to nothing, since each request takes several. So the descriptor stays watched between two waits,
until it becomes ready with nobody there; and a timer runs on until it rings, then looks whether its time has come.
"""

from __future__ import annotations

import math
import time
from typing import Any

from gevent import get_hub, getcurrent


class Waiter:
    """One direction of one descriptor. `cancel` it before the descriptor is closed."""

    __slots__ = ("_events", "_greenlet", "_hub", "_rings_s", "_timer", "_until_s", "_watched", "_watcher")

    READ = 1
    WRITE = 2

    def __init__(self, fd: int, events: int) -> None:
        self._hub: Any = get_hub()
        self._watcher: Any = self._hub.loop.io(fd, events)
        self._events = events
        self._watched = False
        self._greenlet: Any = None
        self._until_s = math.inf  # the limit of the present wait, on the monotonic clock
        self._timer: Any = None
        self._rings_s = math.inf  # when the timer does, on the same clock

    def wait(self, timeout_s: float | None) -> bool:
        """Whether the descriptor became ready; False after `timeout_s` seconds or `cancel`. Switches greenlets."""
        if self._greenlet is not None:
            raise RuntimeError("two greenlets wait for the same direction of one stream")
        self._until_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        if self._until_s < self._rings_s:
            self._ring_at(self._until_s)
        if not self._watched:
            self._watched = True
            self._watcher.start(self._ready)
        self._greenlet = getcurrent()
        try:
            return self._hub.switch() is True
        finally:
            self._greenlet = None

    def _ready(self) -> None:
        greenlet = self._greenlet
        if greenlet is None or self._events == Waiter.WRITE:  # there is nearly always room to write
            self._unwatch()
        if greenlet is not None:
            greenlet.switch(True)

    def _unwatch(self) -> None:
        self._watched = False
        self._watcher.stop()

    def _ring_at(self, at_s: float) -> None:
        self._silence()
        self._rings_s = at_s
        self._timer = self._hub.loop.timer(max(at_s - time.monotonic(), 0.0), ref=False)
        # The loop's own clock stands still while a greenlet computes; by it the limit would have begun before now.
        self._timer.start(self._rang, update=True)

    def _rang(self) -> None:
        self._silence()
        if self._greenlet is None or self._until_s == math.inf:
            return
        if self._until_s > time.monotonic():
            self._ring_at(self._until_s)
        else:
            self._greenlet.switch(False)

    def _silence(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer, self._rings_s = None, math.inf

    def cancel(self) -> None:
        """Wake who waits, soon; watch no more. Does not switch greenlets."""
        self._unwatch()
        self._silence()
        if self._greenlet is not None:
            self._hub.loop.run_callback(self._wake, self._greenlet)

    def _wake(self, greenlet: Any) -> None:
        if self._greenlet is greenlet:  # it may have been killed meanwhile
            greenlet.switch(False)
