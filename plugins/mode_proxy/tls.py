"""TLS over any stream, as a client."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from zrokd.contracts import Stream
from zrokd.errors import StreamError

_RECORD_BYTES = 1 << 14
_READ_BYTES = 1 << 16
T = TypeVar("T")


class TlsStream(Stream):
    """A stream inside TLS; it takes `inner` over."""

    def __init__(self, inner: Stream, context: ssl.SSLContext, name: str) -> None:
        self.peer = inner.peer
        self._inner = inner
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._early = b""  # read by is_idle, wanted by recv
        self._sending = threading.Lock()  # records leave in the order in which they were made

    def handshake(self, offload: Callable[..., Any], timeout_s: float) -> None:
        """Agree on keys; the arithmetic runs through `offload`. :raises StreamError: not trusted, or no TLS there."""
        self._step(lambda: offload(self._tls.do_handshake), timeout_s)
        self._flush(timeout_s)

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """As the contract says. A connection that ends without TLS's own end is broken, not ended."""
        if self._early:
            data, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return data
        try:
            return self._step(lambda: self._tls.read(max_bytes), timeout_s)
        except _Ended:
            return b""

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As the contract says."""
        data = self.recv(len(buffer), timeout_s)
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """As the contract says."""
        view = memoryview(data)
        for start in range(0, len(view), _RECORD_BYTES):
            piece = view[start : start + _RECORD_BYTES]
            self._step(lambda piece=piece: self._tls.write(piece), timeout_s)  # type: ignore[misc]
            self._flush(timeout_s)

    def send_eof(self) -> None:
        """As the contract says."""
        with contextlib.suppress(ssl.SSLError):  # the peer's own end is not waited for
            self._tls.unwrap()
        self._flush(None)

    def close(self) -> None:
        """As the contract says."""
        self._inner.close()

    def abort(self) -> None:
        """As the contract says."""
        self._inner.abort()

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """As the contract says; records that carry no data count too."""
        return bool(self._early or self._tls.pending() or self._in.pending) or self._inner.wait_readable(timeout_s)

    def is_idle(self) -> bool:
        """As the contract says. What TLS says for itself (session tickets) is taken in on the way."""
        while not self._early:
            try:
                self._early = self._tls.read(1)
                return False
            except ssl.SSLWantReadError:
                if self._inner.is_idle():
                    return True
                if not self._take_in():
                    return False
            except ssl.SSLError:
                return False
        return False

    def _take_in(self) -> bool:
        try:
            data = self._inner.recv(_READ_BYTES, 0.0)
        except StreamError:
            return False
        self._in.write(data)
        return bool(data)

    def _step(self, action: Callable[[], T], timeout_s: float | None) -> T:
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self._flush(timeout_s)
                self._receive(timeout_s)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as error:
                raise _ended(self.peer, error) from error
            except ssl.SSLError as error:
                raise StreamError(f"TLS with {self.peer} failed: {_reason(error)}") from error

    def _receive(self, timeout_s: float | None) -> None:
        data = self._inner.recv(_READ_BYTES, timeout_s)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def _flush(self, timeout_s: float | None) -> None:
        with self._sending:
            while self._out.pending:
                self._inner.send(self._out.read(), timeout_s)


class _Ended(StreamError):
    """The peer ended its direction in TLS's own way."""


def _ended(peer: str, error: ssl.SSLError) -> StreamError:
    if isinstance(error, ssl.SSLZeroReturnError):
        return _Ended(f"{peer} ended the connection")
    return StreamError(f"TLS with {peer} was cut off")


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); `insecure: true` takes any"
    return error.reason or str(error)
