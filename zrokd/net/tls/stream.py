"""A stream inside TLS, as client or server.

OpenSSL works on memory alone; bytes come and go by the socket's own stream. The arithmetic of a handshake takes
milliseconds and runs in a thread; everything after it is quick and runs where it is called.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

from gevent.lock import BoundedSemaphore

from zrokd.contracts.overlay import Stream
from zrokd.errors import StreamClosed, StreamError, StreamTimeout
from zrokd.net.stream import SocketStream

_WRITE_BYTES = 1 << 16  # encrypted at a time, and held until the peer takes it
_READ_BYTES = 1 << 15
SERVER_NAME = "asked_name"  # attribute of a server's SSLObject: what its client asked for, in lower case
_RECORD_BYTES = 1 << 14  # no record holds more
T = TypeVar("T")


class TlsStream(Stream):
    """A stream inside TLS over `inner`, which it takes over. Of use after `handshake`.

    Its end says so to the peer (close_notify); a peer that ends without saying so is broken, not ended.
    """

    def __init__(
        self, inner: SocketStream, context: ssl.SSLContext, *, name: str | None = None, came: bytes = b""
    ) -> None:
        """As the client of the host `name`; without one as the server, of whose client `came` was read already."""
        self.peer = inner.peer
        self._inner = inner
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python 3.11.2 sets it: a cut would look like an end
        self._tls = context.wrap_bio(self._in, self._out, server_side=name is None, server_hostname=name)
        self._in.write(came)
        self._ready = False  # before that a thread may be at work on it
        self._early = b""  # decrypted by who only looked whether something is there
        self._sending = BoundedSemaphore(1)  # records leave in the order in which they were made

    @property
    def secure(self) -> bool:
        """Always."""
        return True

    @property
    def server_name(self) -> str:
        """As the contract says; known after the handshake."""
        return str(vars(self._tls).get(SERVER_NAME, ""))

    # -- beginning ---

    def handshake(self, offload: Callable[..., Any], timeout_s: float) -> None:
        """Agree on keys within `timeout_s` seconds; the arithmetic runs through `offload`. Switches greenlets.

        :raises StreamTimeout: the peer was too slow. :raises StreamError: not trusted, no TLS, or nothing in common.
        """
        until_s = time.monotonic() + timeout_s
        try:
            while not self._agreed(offload):
                self._flush(_left_s(until_s))
                self._receive(_left_s(until_s))
            self._flush(_left_s(until_s))
        except StreamTimeout as error:
            raise StreamTimeout(f"the TLS handshake with {self.peer} took more than {timeout_s:g} s") from error
        self._ready = True

    def _agreed(self, offload: Callable[..., Any]) -> bool:
        if self._tls.server_side and not self._in.pending and not self._in.eof:
            return False
        error = offload(self._step)
        if error is None or isinstance(error, ssl.SSLWantReadError):
            return error is None
        self._offer()  # the alert that tells the peer why
        raise self._failure(error) from error

    def _step(self) -> ssl.SSLError | None:
        """What one thread does; errors are returned, because that more bytes are needed is the rule."""
        try:
            self._tls.do_handshake()
        except ssl.SSLError as error:
            return error
        return None

    # -- reading ---

    def recv(self, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """As the contract says."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            data = self._decrypted(max_bytes)
            if data is not None:
                return data
            self._flush(timeout_s)
            self._receive(_left_s(until_s))

    def recv_into(self, buffer: memoryview, timeout_s: float | None = None) -> int:
        """As the contract says."""
        data = self.recv(len(buffer), timeout_s)
        buffer[: len(data)] = data
        return len(data)

    def wait_readable(self, timeout_s: float | None = None) -> bool:
        """As the contract says. True means that a `recv` does not wait: half a record is not enough."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while self._is_silent():
            if not self._inner.wait_readable(_left_s(until_s)):
                return False
            self._receive(_left_s(until_s))
        return True

    def is_idle(self) -> bool:
        """As the contract says. What TLS says for itself (session tickets) is taken in on the way."""
        while self._is_silent():
            if self._inner.is_idle():
                return True
            try:
                self._receive(0.0)
            except StreamError:
                return False
        return False

    def _is_silent(self) -> bool:
        """Whether a `recv` would wait: no bytes, end or error came as yet."""
        if self._early:
            return False
        try:
            early = self._decrypted(_RECORD_BYTES)
        except StreamError:
            return False  # `recv` meets it again
        self._early = early or b""
        return early is None

    def _decrypted(self, max_bytes: int) -> bytes | None:
        """Bytes that came, b"" at the peer's end, None when they do not make a record yet."""
        self._check_open()
        if self._early:
            data, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return data
        try:
            return self._tls.read(max_bytes)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:  # the peer's end, after ours
            return b""
        except ssl.SSLError as error:
            raise self._failure(error) from error

    def _receive(self, timeout_s: float | None) -> None:
        data = self._inner.recv(_READ_BYTES, timeout_s)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    # -- writing ---

    def send(self, data: bytes | bytearray | memoryview, timeout_s: float | None = None) -> None:
        """As the contract says."""
        self._check_open()
        view = memoryview(data)
        for start in range(0, len(view), _WRITE_BYTES):
            try:
                self._tls.write(view[start : start + _WRITE_BYTES])
            except ssl.SSLError as error:
                raise self._failure(error) from error
            self._flush(timeout_s)

    def _flush(self, timeout_s: float | None) -> None:
        while self._out.pending:
            with self._sending:
                self._inner.send(self._out.read(), timeout_s)

    # -- ending ---

    def send_eof(self) -> None:
        """As the contract says. The peer may go on sending."""
        self._end()
        self._flush(None)

    def close(self) -> None:
        """As the contract says. The peer is told, as far as the kernel takes it at once."""
        if self._ready:
            self._ready = False
            self._end()
            self._offer()
        self._inner.close()

    def abort(self) -> None:
        """As the contract says."""
        self._ready = False
        self._inner.abort()

    def _end(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # that the peer has not ended, too, or is broken
            self._tls.unwrap()

    def _offer(self) -> None:
        """Send what waits, without waiting; not into the middle of a record."""
        if not self._sending.locked() and self._out.pending:
            with contextlib.suppress(StreamError):
                self._inner.send_some(self._out.read())

    def _check_open(self) -> None:
        if not self._ready:
            raise StreamClosed(f"the stream {self.peer} was closed here")

    def _failure(self, error: ssl.SSLError) -> StreamError:
        if isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING":
            return StreamError(f"TLS with {self.peer} was cut off")
        if isinstance(error, ssl.SSLCertVerificationError):
            return StreamError(f"the certificate of {self.peer} is not trusted ({error.verify_message})")
        return StreamError(f"TLS with {self.peer} failed: {error.reason or error}")


def _left_s(until_s: float | None) -> float | None:
    return None if until_s is None else max(until_s - time.monotonic(), 0.0)
