"""How often somebody may try, so that nobody guesses passwords or has us write mails without end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from zrokd.contracts import Clock
from zrokd.errors import TooMany

_MOST_KEYS = 20_000  # remembered; those that were quiet the longest are forgotten first


@dataclass(slots=True)
class _Tries:
    count: int = 0
    until_s: float = 0.0  # nobody may try before
    last_s: float = 0.0


class Attempts:
    """Counts tries by key. After `free` of them each next one waits twice as long as the last, up to `most_s`."""

    def __init__(self, clock: Clock, *, free: int, first_s: float = 1.0, most_s: float = 900.0) -> None:
        self._clock, self._free, self._first_s, self._most_s = clock, free, first_s, most_s
        self._keys: OrderedDict[Hashable, _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, *keys: Hashable) -> None:
        """Return when all of them may try now. :raises TooMany: says when."""
        wait_s = self._wait_s(keys)
        if wait_s > 0:
            raise TooMany("too many attempts; wait before the next one", retry_after_s=wait_s)

    def allows(self, *keys: Hashable) -> bool:
        """Whether all of them may try now."""
        return self._wait_s(keys) <= 0

    def _wait_s(self, keys: tuple[Hashable, ...]) -> float:
        now_s = self._clock.monotonic()
        with self._lock:
            return max((self._keys[key].until_s - now_s for key in keys if key in self._keys), default=0.0)

    def note(self, *keys: Hashable) -> None:
        """One more try that counts, of each."""
        now_s = self._clock.monotonic()
        with self._lock:
            for key in keys:
                self._note(key, now_s)
            while len(self._keys) > _MOST_KEYS:
                self._keys.popitem(last=False)

    def take_back(self, *keys: Hashable) -> None:
        """One try of each that was noted did not count after all."""
        with self._lock:
            for key in keys:
                tries = self._keys.get(key)
                if tries is not None and tries.count > 0:
                    tries.count -= 1
                    if tries.count < self._free:
                        tries.until_s = 0.0

    def forgive(self, *keys: Hashable) -> None:
        """They begin anew."""
        with self._lock:
            for key in keys:
                self._keys.pop(key, None)

    def _note(self, key: Hashable, now_s: float) -> None:
        tries = self._keys.setdefault(key, _Tries())
        self._keys.move_to_end(key)
        if now_s - tries.last_s > 2 * self._most_s:
            tries.count = 0
        tries.count, tries.last_s = tries.count + 1, now_s
        beyond = tries.count - self._free
        if beyond >= 0:
            tries.until_s = now_s + min(self._most_s, self._first_s * 2.0 ** min(beyond, 40))
