"""Let one greenlet wait until a descriptor is ready."""

from __future__ import annotations

from typing import Any

from gevent import get_hub, getcurrent


class Waiter:
    """One libev watcher, used again for every wait on one direction of one descriptor."""

    __slots__ = ("_greenlet", "_hub", "_watcher")

    READ = 1
    WRITE = 2

    def __init__(self, fd: int, events: int) -> None:
        self._hub: Any = get_hub()
        self._watcher: Any = self._hub.loop.io(fd, events)
        self._greenlet: Any = None

    def wait(self, timeout_s: float | None) -> bool:
        """Whether the descriptor became ready; False after `timeout_s` seconds or `cancel`. Switches greenlets."""
        if self._greenlet is not None:
            raise RuntimeError("two greenlets wait for the same direction of one stream")
        self._greenlet = current = getcurrent()
        self._watcher.start(current.switch, True)
        try:
            if timeout_s is None:
                return bool(self._hub.switch())
            return self._wait_limited(current, max(timeout_s, 0.0))
        finally:
            self._watcher.stop()
            self._greenlet = None

    def _wait_limited(self, current: Any, timeout_s: float) -> bool:
        timer = self._hub.loop.timer(timeout_s)
        # The loop's own clock stands still while a greenlet computes; by it the limit would have begun before now.
        timer.start(current.switch, False, update=True)
        try:
            return bool(self._hub.switch())
        finally:
            timer.stop()
            timer.close()

    def cancel(self) -> None:
        """Wake who waits, soon; call it before the descriptor is closed. Does not switch greenlets."""
        self._watcher.stop()
        if self._greenlet is not None:
            self._hub.loop.run_callback(self._wake, self._greenlet)

    def _wake(self, greenlet: Any) -> None:
        if self._greenlet is greenlet:  # it may have been killed meanwhile
            greenlet.switch(False)
