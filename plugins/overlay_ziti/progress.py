"""Whether a slow network is at work on what we wait for: it answers in turn, and those before us are answered."""

from __future__ import annotations

import time
from collections import defaultdict, deque

_KEPT = 256  # answers of a kind: more come in no time that matters


class Progress:
    """Of one channel. Times are of time.monotonic()."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: defaultdict[int, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def answered(self, kind: int, sequence: int) -> None:
        """A request of this kind was answered now."""
        self._answers[kind].append((sequence, time.monotonic()))

    def ahead_of(self, kind: int, sequence: int) -> float:
        """When the last answer came to a request of this kind that went before this one; 0: never.

        Answers to later ones tell nothing: whoever is dialled may be silent while the network is well.
        """
        return max((at for answered, at in self._answers[kind] if answered < sequence), default=0.0)
