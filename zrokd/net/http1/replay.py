"""Streams around a stream: one that passes everything on, and one that first gives back what was read too early."""

from __future__ import annotations

from zrokd.contracts.overlay import Stream


class PassingStream(Stream):
    """`stream`, for others to change parts of. It has no kernel socket of its own."""

    def __init__(self, stream: Stream) -> None:
        self.peer = stream.peer
        self._stream = stream

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """As the contract says."""
        return self._stream.recv(max_bytes, timeout_s)

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As the contract says."""
        return self._stream.recv_into(buffer, timeout_s)

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """As the contract says."""
        self._stream.send(data, timeout_s)

    def send_eof(self) -> None:
        """As the contract says."""
        self._stream.send_eof()

    def close(self) -> None:
        """As the contract says."""
        self._stream.close()

    def abort(self) -> None:
        """As the contract says."""
        self._stream.abort()

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """As the contract says."""
        return self._stream.wait_readable(timeout_s)

    def is_idle(self) -> bool:
        """As the contract says."""
        return self._stream.is_idle()


class ReplayStream(PassingStream):
    """`stream`, with `first` before what it still brings."""

    def __init__(self, stream: Stream, first: bytes) -> None:
        super().__init__(stream)
        self._first = first

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """As the contract says."""
        if not self._first:
            return self._stream.recv(max_bytes, timeout_s)
        data, self._first = self._first[:max_bytes], self._first[max_bytes:]
        return data

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As the contract says."""
        if not self._first:
            return self._stream.recv_into(buffer, timeout_s)
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """As the contract says."""
        return bool(self._first) or self._stream.wait_readable(timeout_s)

    def is_idle(self) -> bool:
        """As the contract says."""
        return not self._first and self._stream.is_idle()
