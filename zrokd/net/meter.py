"""Bytes per share, counted once."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.model.limits import UsageSample


class Meter:
    """Sums until somebody takes them. Not for use from threads."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._sums: dict[str, list[int]] = {}

    def add(self, token: str, rx: int, tx: int) -> None:
        """Count bytes that came from (`rx`) and went to (`tx`) the visitors of a share."""
        sums = self._sums.get(token)
        if sums is None:
            self._sums[token] = [rx, tx]
        else:
            sums[0] += rx
            sums[1] += tx

    def take(self) -> list[UsageSample]:
        """What was counted since the last call, one sample a share, none without bytes."""
        sums, self._sums = self._sums, {}
        at_ms = self._now_ms()
        return [
            UsageSample(share_token=token, rx_bytes=rx, tx_bytes=tx, at_ms=at_ms)
            for token, (rx, tx) in sums.items()
            if rx or tx
        ]
