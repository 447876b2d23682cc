"""What the streams and dials to one service tell of its hosts: whether they were heard of lately.

A host whose wire was cut says nothing, and the network takes seconds to notice. Who asks meanwhile is not to wait as
long: once one stream has fallen silent, those at rest are not used again and a dial has little time.
"""

from __future__ import annotations

SILENT_S = 0.9  # with something under way that nobody acknowledged
DIAL_S = 0.8  # for a dial to a host that is silent
_DOUBTED_S = 10.0  # without streams that could tell
_REMEMBERED_S = 30.0  # a host that went away in a disturbance is expected back for this long


class Reach:
    """Of one service. Times are of time.monotonic(); 0: never. Nothing here waits."""

    __slots__ = ("_silent_since", "_troubled_at")

    def __init__(self) -> None:
        self._silent_since = self._troubled_at = 0.0

    @property
    def silent(self) -> bool:
        """Whether the last thing known is that what was sent was not acknowledged."""
        return bool(self._silent_since)

    def is_silent(self, now: float) -> bool:
        """Whether that became known a moment ago."""
        return self.silent and now - self._troubled_at < _DOUBTED_S

    def vouches_for(self, heard_at: float) -> bool:
        """Whether a stream at rest, whose host was last heard of at `heard_at`, may be used."""
        return not self._silent_since or heard_at > self._silent_since

    def unanswered(self, since: float, now: float) -> None:
        """Nothing was heard since `since`, with something under way."""
        self._silent_since = self._silent_since or since
        self._troubled_at = now

    def heard(self) -> None:
        """A host of it acknowledged something, or took a dial."""
        self._silent_since = self._troubled_at = 0.0

    def expects(self, now: float, disturbed_at: float) -> bool:
        """Whether a host that is not there may be back soon: it fell silent, or our own way broke, a moment ago."""
        last = max(self._troubled_at, disturbed_at)
        return bool(last) and now - last < _REMEMBERED_S
