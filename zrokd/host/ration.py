"""The same trouble again and again is told a few times, then counted: a flood of it hides what else is wrong."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gevent.monkey import get_original

_MOST_KINDS = 1000
_Kind = tuple[str, str, str]  # logger, message before its arguments, exception


class Ration(logging.Filter):
    """Of warnings and errors of one kind `most` pass in `window_s` seconds; the next to pass tells how many did not.

    One kind is what one line of code says about one sort of exception. Information and debugging are not rationed.
    """

    def __init__(self, most: int = 50, window_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most, self._window_s, self._clock = most, window_s, clock
        self._windows: dict[_Kind, _Window] = {}
        self._lock = get_original("_thread", "allocate_lock")()  # pool threads log, too

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it passes, with the count of those before it that did not as its `left_out`."""
        if record.levelno < logging.WARNING:
            return True
        raised = record.exc_info[0] if record.exc_info else None
        with self._lock:
            window = self._window((record.name, str(record.msg), raised.__name__ if raised else ""))
            passes = window.told < self._most
            if passes:
                window.told += 1
                record.left_out, window.before = window.before, 0
            else:
                window.left_out += 1
        return passes

    def _window(self, kind: _Kind) -> _Window:
        now_s, window = self._clock(), self._windows.get(kind)
        if window is not None and now_s - window.began_s < self._window_s:
            return window
        if len(self._windows) >= _MOST_KINDS:
            self._windows.clear()
        self._windows[kind] = fresh = _Window(now_s, before=window.left_out if window else 0)
        return fresh


class _Window:
    __slots__ = ("before", "began_s", "left_out", "told")

    def __init__(self, began_s: float, before: int) -> None:
        self.began_s, self.before = began_s, before  # left out in the window before, and not told yet
        self.told = self.left_out = 0
