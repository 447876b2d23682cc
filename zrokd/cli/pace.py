"""How many connections a person is shown: so many lines a second, and the rest in one sum."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from zrokd.model.http import ConnectionSummary

MOST = 20  # lines a second


@dataclass(slots=True)
class Sum:
    """Connections that were not shown one by one."""

    count: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0


class Pace:
    """Of one screen. Keeps three numbers, however many come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second, self._shown = 0, 0
        self._rest = Sum()

    def admit(self, summary: ConnectionSummary) -> bool:
        """Whether it is shown; if not, it is part of the sum that `rest` gives later."""
        if self._now() != self._second:
            self._second, self._shown = self._now(), 0
        self._shown += 1
        if self._shown <= MOST:
            return True
        self._rest.count += 1
        self._rest.rx_bytes += summary.rx_bytes
        self._rest.tx_bytes += summary.tx_bytes
        return False

    def rest(self, *, at_end: bool = False) -> Sum | None:
        """What was left out and not told yet, once its second is over; None: nothing."""
        if not self._rest.count or (self._now() == self._second and not at_end):
            return None
        told, self._rest = self._rest, Sum()
        return told

    def _now(self) -> int:
        return int(self._clock())
