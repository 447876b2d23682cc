"""Writers in a line: one after another, in the order they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from zrokd.errors import StoreError


class Line:
    """For the greenlets of one thread. Not a lock: who gives one back and asks again gets it before all others."""

    def __init__(self, wait_s: float) -> None:
        """`wait_s`: how long one may have to wait."""
        self._wait_s = wait_s
        self._busy = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run the block when all who came before are through. Switches greenlets. :raises StoreError: not in time."""
        if self._busy:
            self._wait()
        self._busy = True
        try:
            yield
        finally:
            self._next()

    def _wait(self) -> None:
        mine = threading.Event()
        self._waiting.append(mine)
        try:
            if not mine.wait(self._wait_s):
                raise StoreError("the database is busy; try again")
        except BaseException:  # also when the greenlet is killed
            if mine.is_set():
                self._next()
            else:
                self._waiting.remove(mine)
            raise

    def _next(self) -> None:
        """Whoever is first has the turn; nobody comes between."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._busy = False
