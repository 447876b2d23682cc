"""Who stood on the hub: a greenlet that ran on for long, or a call that blocked the whole process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import greenlet  # type: ignore[import-untyped]

LIMIT_S = 0.5
_SAMPLE_S = 0.1


class HubWatch:
    """Measures each stretch between two greenlet switches while `watch` is on.

    Time in which the machine gave our thread no core does not count. Of the main greenlet, which is the test itself,
    only time asleep in the kernel counts: a test may compute, and may not call what blocks.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0
        self.culprit = ""
        self._hub: Any = gevent.get_hub()
        self._since = self._waited = self._worked = 0.0
        self._stat = Path("/proc/thread-self/schedstat")

    @contextmanager
    def watch(self) -> Iterator[HubWatch]:
        """Measure inside the block."""
        timer = self._hub.loop.timer(_SAMPLE_S, _SAMPLE_S)
        timer.start(self._sample)
        before = greenlet.settrace(self._trace)
        self._sample()
        self._since = time.perf_counter()
        try:
            yield self
            self._stretch(greenlet.getcurrent())
        finally:
            greenlet.settrace(before)
            timer.stop()
            timer.close()

    def _trace(self, _event: str, pair: tuple[Any, Any]) -> None:
        self._stretch(pair[0])

    def _stretch(self, runner: Any) -> None:
        now = time.perf_counter()
        span_s, self._since = now - self._since, now
        if span_s > LIMIT_S and runner is not self._hub:
            self._blame(runner, span_s)

    def _blame(self, runner: Any, span_s: float) -> None:
        waited, worked = self._waited, self._worked
        self._sample()
        span_s -= self._waited - waited
        if runner.parent is None:
            span_s -= self._worked - worked
        if span_s > self.worst_s:
            self.worst_s, self.culprit = span_s, repr(runner)

    def _sample(self) -> None:
        self._waited = int(self._stat.read_text().split()[1]) / 1e9
        self._worked = time.thread_time()
