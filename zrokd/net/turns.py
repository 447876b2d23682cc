"""Turns of a greenlet that could go on without ever waiting."""

from __future__ import annotations

import time

import gevent

_TURN_S = 0.005
#: Not 0: the loop runs up to fifty who are ready at once before it looks at descriptors and timers again.
_MOMENT_S = 1e-6


def give_way() -> None:
    """Let all others run who can: those who are ready, those whose descriptors are, and those whose time has come."""
    gevent.sleep(_MOMENT_S)


class Turns:
    """Lets other greenlets run after so many milliseconds of work, however little came of it."""

    __slots__ = ("_until_s",)

    def __init__(self) -> None:
        self._until_s = 0.0

    def pass_on(self) -> None:
        """Call it between two pieces of work; the first call begins the turn. Switches greenlets when it is over."""
        if not self._until_s:
            self._until_s = time.monotonic() + _TURN_S
        elif time.monotonic() >= self._until_s:
            give_way()
            self._until_s = time.monotonic() + _TURN_S
