"""How long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Delays that double from `first_s` up to `limit_s`, each cut by up to a half at random.

    The randomness keeps many clients from coming back in step after an outage.
    """

    def __init__(self, first_s: float = 0.2, limit_s: float = 15.0, *, rng: random.Random | None = None) -> None:
        self._first_s, self._limit_s = first_s, limit_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self.tries = 0  # failed ones in a row

    def next_s(self) -> float:
        """Seconds until the next try; longer each time, never more than the limit."""
        full_s = min(self._limit_s, self._first_s * 2.0 ** min(self.tries, 60))
        self.tries += 1
        return full_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: start with short delays again."""
        self.tries = 0
