"""How many dials of our own may be under way at one router, and what all of them say when none is answered."""

from __future__ import annotations

_FIRST, _MOST = 4, 16
_SOON_S = 0.1  # a network that has time answers in a tenth of that; one that has not is left in peace
_REST = 5.0  # times as long as a slow answer took nothing more is asked: visitors come first
_SURE = 3  # without an answer, one after the other: then it is not about one service


class Pace:
    """Of one router. Grows by one with each answer that comes soon, halves with each that does not."""

    __slots__ = ("_rests_until", "_unanswered", "trouble", "under_way", "width")

    def __init__(self) -> None:
        self.width, self.under_way = _FIRST, 0
        self.trouble = ""  # why nobody dials anything here; "" while some dials are answered
        self._unanswered, self._rests_until = 0, 0.0

    def has_room(self, now: float) -> bool:
        """Whether one more may go at this time of time.monotonic()."""
        return self.under_way < self.width and now >= self._rests_until

    def answered(self, took_s: float, now: float) -> None:
        """The network answered a dial at `now`, whatever it said, after so many seconds."""
        self._unanswered, self.trouble = 0, ""
        if took_s <= _SOON_S:
            self.width = min(self.width + 1, _MOST)
        else:
            self.width = max(self.width // 2, 1)
            self._rests_until = now + _REST * took_s

    def unanswered(self, reason: str) -> None:
        """It did not. Once some were left without an answer, none is expected and one at a time goes on asking."""
        self._unanswered += 1
        self.width = max(self.width // 2, 1)
        if self._unanswered >= _SURE:
            self.trouble = reason
