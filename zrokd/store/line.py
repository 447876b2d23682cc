"""Writers in a line: one after another, in the order they came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zrokd.errors import StoreError, StoreLocked


@dataclass(slots=True, eq=False)
class _Place:
    called: threading.Event = field(default_factory=threading.Event)
    refusal: StoreLocked | None = None


class Line:
    """For the greenlets of one thread. Not a lock: who gives one back and asks again gets it before all others."""

    def __init__(self, wait_s: float, pause_s: float = 0.0) -> None:
        """`wait_s`: how long one may have to wait. `pause_s`: how long nobody tries what was found locked."""
        self._wait_s, self._pause_s = wait_s, pause_s
        self._refusal: tuple[float, StoreLocked] | None = None
        self._busy = False
        self._waiting: deque[_Place] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run the block when all who came before are through. Switches greenlets.

        When the one whose turn it is finds the database locked, all who wait are told so: they would wait for the same,
        one after another. :raises StoreLocked: that. :raises StoreError: not in time.
        """
        self._heed_refusal()
        if self._busy:
            self._wait()
        self._busy = True
        try:
            yield
        except StoreLocked as error:
            self._refuse(error)
            raise
        finally:
            self._next()

    def _wait(self) -> None:
        mine = _Place()
        self._waiting.append(mine)
        try:
            if not mine.called.wait(self._wait_s):
                raise StoreError("the database is busy; try again")
        except BaseException:  # also when the greenlet is killed
            if not mine.called.is_set():
                self._waiting.remove(mine)
            elif mine.refusal is None:
                self._next()
            raise
        if mine.refusal:
            raise StoreLocked(str(mine.refusal)) from mine.refusal

    def _heed_refusal(self) -> None:
        if self._refusal and time.monotonic() < self._refusal[0]:
            raise StoreLocked(str(self._refusal[1])) from self._refusal[1]
        self._refusal = None

    def _refuse(self, error: StoreLocked) -> None:
        self._refusal = (time.monotonic() + self._pause_s, error)
        while self._waiting:
            place = self._waiting.popleft()
            place.refusal = error
            place.called.set()

    def _next(self) -> None:
        """Whoever is first has the turn; nobody comes between."""
        if self._waiting:
            self._waiting.popleft().called.set()
        else:
            self._busy = False
