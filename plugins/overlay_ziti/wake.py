"""Let one greenlet wait until another rings."""

from __future__ import annotations

from typing import Any

from gevent import get_hub, getcurrent


class Wake:
    """A bell for one waiting greenlet. A ring that nobody waits for is lost: look first, then wait."""

    __slots__ = ("_greenlet", "_rung")

    def __init__(self) -> None:
        self._greenlet: Any = None
        self._rung = False

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it now."""
        return self._greenlet is not None

    def wait(self, timeout_s: float | None) -> bool:
        """Whether it rang; False after `timeout_s` seconds. Switches greenlets."""
        if self._greenlet is not None:
            raise RuntimeError("two greenlets wait for the same direction of one stream")
        hub: Any = get_hub()
        self._greenlet, self._rung = getcurrent(), False
        try:
            if timeout_s is None:
                return bool(hub.switch())
            return self._wait_limited(hub, max(timeout_s, 0.0))
        finally:
            self._greenlet = None

    def _wait_limited(self, hub: Any, timeout_s: float) -> bool:
        timer = hub.loop.timer(timeout_s)
        timer.start(self._greenlet.switch, False, update=True)
        try:
            return bool(hub.switch())
        finally:
            timer.stop()
            timer.close()

    def ring(self) -> None:
        """Wake who waits, in this turn of the loop. Does not switch greenlets."""
        if self._greenlet is not None and not self._rung:
            self._rung = True
            get_hub().loop.run_callback(self._wake, self._greenlet)

    def _wake(self, greenlet: Any) -> None:
        if self._greenlet is greenlet:  # it may have been killed, or have met its limit, meanwhile
            greenlet.switch(True)
