"""How many connections each of several processes carries, so that those who accept at one socket share them evenly."""

from __future__ import annotations

import mmap
import os

_PLACES = 64
_SIZE = 4
_NOBODY, _COMING = 0xFFFFFFFF, 0xFFFFFFFE
_SLACK = 2  # connections more than the lightest other; below, who is quicker may have the next one


class Scales:
    """Memory that processes share by inheriting `fd`. Each writes at its own place and reads at all."""

    def __init__(self, fd: int, own: int) -> None:
        """`fd`, of `make`, is taken over; `own` is the place of this process."""
        self.fd, self._own = fd, own
        self._memory = mmap.mmap(fd, _PLACES * _SIZE)
        self._counts = memoryview(self._memory).cast("I")
        self._counts[own] = _COMING

    @classmethod
    def make(cls) -> Scales:
        """New ones, with the first place taken. The caller closes them."""
        fd = os.memfd_create("zrokd-scales")
        os.write(fd, b"\xff" * (_PLACES * _SIZE))
        return cls(fd, 0)

    def weigh(self, count: int) -> None:
        """This process carries `count` connections now."""
        self._counts[self._own] = count

    def take(self) -> int:
        """A place for another process, which writes there once it serves. :raises OSError: all are taken."""
        place = next((place for place, count in enumerate(self._counts) if count == _NOBODY), None)
        if place is None:
            raise OSError(f"there are {_PLACES} processes already")
        self._counts[place] = _COMING
        return place

    def leave(self, place: int | None = None) -> None:
        """Nobody is at `place` (default: this process's own) any more."""
        self._counts[self._own if place is None else place] = _NOBODY

    @property
    def heavy(self) -> bool:
        """Whether another process carries clearly less than this one."""
        own = self._counts[self._own]
        return own < _COMING and min(self._counts) + _SLACK < own

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        if self.fd >= 0:
            self._counts.release()
            self._memory.close()
            os.close(self.fd)
            self.fd = -1
