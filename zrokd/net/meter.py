"""Bytes per share, counted once."""

from __future__ import annotations

from collections.abc import Callable

from zrokd.contracts.overlay import Stream
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


class Metered(Stream):
    """A visitor's stream whose bytes are told as they go. It has no kernel socket, past which bytes would go unseen."""

    def __init__(self, inner: Stream, on_bytes: Callable[[int, int], None]) -> None:
        """`on_bytes(rx, tx)` hears increments; it must not switch greenlets. `inner` is taken over."""
        self._inner, self._on_bytes = inner, on_bytes
        self.peer = inner.peer

    @property
    def secure(self) -> bool:
        """See Stream."""
        return self._inner.secure

    @property
    def server_name(self) -> str:
        """See Stream."""
        return self._inner.server_name

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """See Stream."""
        data = self._inner.recv(max_bytes, timeout_s)
        self._on_bytes(len(data), 0)
        return data

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """See Stream."""
        count = self._inner.recv_into(buffer, timeout_s)
        self._on_bytes(count, 0)
        return count

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """See Stream. Counted once it is handed over, whole."""
        self._inner.send(data, timeout_s)
        self._on_bytes(0, len(data))

    def send_eof(self) -> None:
        """See Stream."""
        self._inner.send_eof()

    def close(self) -> None:
        """See Stream."""
        self._inner.close()

    def abort(self) -> None:
        """See Stream."""
        self._inner.abort()

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """See Stream."""
        return self._inner.wait_readable(timeout_s)

    def is_idle(self) -> bool:
        """See Stream."""
        return self._inner.is_idle()
