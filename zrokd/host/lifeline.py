"""What ties a worker to its daemon: a socket that brings configurations, takes signs of life, and ends with either."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from gevent import Timeout

from zrokd.errors import StartError
from zrokd.host.systemd import Notifier

SILENCE_S = 20.0  # a worker that says nothing for so long hangs
_LENGTH = struct.Struct("!Q")
_RECV = 1 << 16
_TELL_S = 1.0


class Lifeline(Notifier):
    """The worker's end. To the worker its daemon is what the service manager is to the daemon."""

    def __init__(self, sock: socket.socket) -> None:
        """`sock` is taken over."""
        super().__init__({})
        self.watchdog_s = SILENCE_S
        self.frozen = b""  # the configuration that came last
        self._sock = sock

    def read(self) -> None:
        """Wait for a configuration. Switches greenlets. :raises StartError: the daemon is gone."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        self.frozen = self._exactly(length)

    def follow(self, on_news: Callable[[], None], on_end: Callable[[], None]) -> None:
        """Call `on_news` after each further configuration, and `on_end` when the daemon is gone. Switches greenlets."""
        try:
            while True:
                self.read()
                on_news()
        except StartError:
            on_end()

    def _exactly(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            try:
                part = self._sock.recv(min(left, _RECV))
            except ConnectionError:
                part = b""
            if not part:
                raise StartError("the daemon that started this worker is gone")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def send(self, *lines: str) -> None:
        """Tell the daemon. One that does not listen is no reason to fail: `follow` finds it gone."""
        with Timeout(_TELL_S, False):
            try:
                self._sock.sendall("\n".join(lines).encode() + b"\n")
            except OSError:
                return


class Leash:
    """The daemon's end. The caller closes it, which ends the worker."""

    def __init__(self, sock: socket.socket) -> None:
        """`sock` is taken over."""
        self._sock = sock

    def give(self, frozen: bytes) -> None:
        """Hand over a configuration. Switches greenlets. :raises OSError: the worker is gone."""
        self._sock.sendall(_LENGTH.pack(len(frozen)) + frozen)

    def hear(self, timeout_s: float) -> bytes:
        """What the worker tells next; b"" when it is gone. Switches greenlets.

        :raises TimeoutError: it told nothing for `timeout_s` seconds.
        """
        try:
            self._sock.settimeout(timeout_s)
            return self._sock.recv(_RECV)
        except TimeoutError:
            return self._here()
        except ConnectionError:
            return b""

    def _here(self) -> bytes:
        """What came while we were the ones who stood still. :raises TimeoutError: nothing did."""
        self._sock.settimeout(0)
        try:
            return self._sock.recv(_RECV)
        except BlockingIOError as error:
            raise TimeoutError from error

    def close(self) -> None:
        """Let go. Idempotent."""
        self._sock.close()
