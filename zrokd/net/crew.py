"""Greenlets that do one thing after another: to make one for each costs more than many of these things."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from sys import getrefcount
from typing import Any, Generic, TypeVar

import gevent
from gevent import Greenlet, get_hub, getcurrent
from gevent.event import Event

T = TypeVar("T")
_MOST_IDLE = 128  # kept for what comes next
_QUIET_S = 30.0  # who had nothing to do for so long, and at most for twice that, ends
_OUR_REFERENCES = 4  # to one who is idle: of its two frames, and of the look at it


class Crew(Generic[T]):
    """Runs `work(thing)` in a greenlet each, of which `limit` are busy at most. What work raises ends its greenlet."""

    def __init__(self, work: Callable[[T], None], limit: int) -> None:
        self._work, self._limit = work, limit
        self._busy: set[Greenlet] = set()
        self._idle: list[Greenlet] = []
        self._room, self._rest = Event(), Event()
        self._rest.set()
        self._dismissed = False
        self._looks: Any = None  # the timer of `_shed`, while somebody is idle
        self._spare = 0  # how many were idle all the time since its last look

    def __len__(self) -> int:
        """How many are busy."""
        return len(self._busy)

    def wait_room(self) -> None:
        """Wait until one more may be busy. Switches greenlets when it must wait."""
        while len(self._busy) >= self._limit:
            self._room.clear()
            self._room.wait()

    def begin(self, thing: T) -> None:
        """Have somebody work on it, soon. Does not switch greenlets."""
        member: Any = self._rested()
        if member is not None:
            get_hub().loop.run_callback(member.switch, thing)
        else:
            member = Greenlet.spawn(self._serve, thing)
        self._busy.add(member)
        if self._rest.is_set():
            self._rest.clear()

    def _rested(self) -> Greenlet | None:
        """One who is idle, and who is done with what it did before.

        Whom somebody else still knows, as a timeout that was never closed does, may be thrown an exception later: that
        must not end what it does next, for somebody else.
        """
        while self._idle:
            member = self._idle.pop()
            if len(self._idle) < self._spare:
                self._spare -= 1
            if getrefcount(member) <= _OUR_REFERENCES:
                return member
            member.kill(block=False)
        return None

    def _serve(self, thing: T) -> None:
        member: Any = getcurrent()
        try:
            while True:
                contextvars.copy_context().run(self._work, thing)
                if self._dismissed or len(self._idle) >= _MOST_IDLE:
                    return
                self._leave(member)
                self._idle.append(member)
                if self._looks is None:
                    self._looks = get_hub().loop.timer(_QUIET_S, _QUIET_S, ref=False)
                    self._looks.start(self._shed)
                thing = get_hub().switch()
        finally:
            self._leave(member)
            if member in self._idle:
                self._idle.remove(member)
                self._spare = min(self._spare, len(self._idle))

    def _shed(self) -> None:
        """End those for whom there was nothing to do since the last look: who came last goes first to work."""
        spare, self._idle = self._idle[: self._spare], self._idle[self._spare :]
        for member in spare:
            member.kill(block=False)
        self._spare = len(self._idle)
        if not self._idle:
            self._look_no_more()

    def _look_no_more(self) -> None:
        looks, self._looks = self._looks, None
        if looks is not None:
            looks.stop()
            looks.close()

    def _leave(self, member: Greenlet) -> None:
        self._busy.discard(member)
        if not self._room.is_set():
            self._room.set()
        if not self._busy:
            self._rest.set()

    def dismiss(self) -> None:
        """End who is idle, and the others with what they do. Idempotent. Switches greenlets."""
        self._dismissed = True
        self._look_no_more()
        gevent.killall(list(self._idle))

    def wait(self, timeout_s: float) -> bool:
        """Whether nobody is busy any more within that time. Switches greenlets."""
        return bool(self._rest.wait(timeout_s))

    def kill(self) -> None:
        """End everybody now. Idempotent. Switches greenlets."""
        self.dismiss()
        gevent.sleep(0)  # who had no turn yet would never run, and so not close what it was given
        gevent.killall(list(self._busy))
        self._rest.set()
