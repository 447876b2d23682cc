"""How many dials of our own may be under way at one router, and what all of them say when none is answered."""

from __future__ import annotations

_LEAST, _MOST = 4, 16
_SOON_S = 0.2  # a network that has time answers in a tenth of that; one that has not is left in peace
_SURE = 3  # without an answer, one after the other: then it is not about one service


class Pace:
    """Of one router. Grows with answers that come soon, shrinks with those that come late, is one while none comes."""

    __slots__ = ("_unanswered", "trouble", "under_way", "width")

    def __init__(self) -> None:
        self.width, self.under_way = _LEAST, 0
        self.trouble = ""  # why nobody dials anything here; "" while some dials are answered
        self._unanswered = 0

    @property
    def has_room(self) -> bool:
        """Whether one more may go."""
        return self.under_way < self.width

    def answered(self, took_s: float) -> None:
        """The network answered a dial, whatever it said, after so many seconds."""
        self._unanswered, self.trouble = 0, ""
        self.width = min(self.width + 1, _MOST) if took_s <= _SOON_S else max(self.width // 2, _LEAST)

    def unanswered(self, reason: str) -> None:
        """It did not. Once some were left without an answer, none is expected and one at a time goes on asking."""
        self._unanswered += 1
        if self._unanswered >= _SURE:
            self.trouble, self.width = reason, 1
