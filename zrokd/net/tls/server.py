"""The server's side of handshakes: which certificate is shown, how many go on at once."""

from __future__ import annotations

import ssl
import time
from _ssl import _SSLContext
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gevent.lock import BoundedSemaphore

from zrokd.errors import StreamError
from zrokd.net.stream import SocketStream
from zrokd.net.tls.certificate import Certificate
from zrokd.net.tls.settings import TlsSettings
from zrokd.net.tls.stream import SERVER_NAME, TlsStream

_FIRST_BYTES = 4096
_HANDSHAKE = b"\x16"  # the first byte of TLS's first record
_THREADS = 2  # that do the arithmetic; more would take those that others need
Shown = Callable[[str | None], ssl.SSLContext]


class NoTls(StreamError):
    """Who connected does not speak TLS. `came` are its first bytes."""

    def __init__(self, peer: str, came: bytes) -> None:
        super().__init__(f"{peer} does not speak TLS")
        self.came = came


class TlsServer:
    """Makes TLS streams of accepted ones, by one state of the settings. A reload makes another."""

    def __init__(self, settings: TlsSettings, offload: Callable[..., Any]) -> None:
        self.settings = settings
        self._offload = offload
        self._turns = BoundedSemaphore(_THREADS)
        self._running: dict[SocketStream, bool] = {}  # handshakes, the oldest first; whether it is our turn
        self._context = context_for([each.loaded for each in settings.certificates])

    def welcome(self, stream: SocketStream) -> TlsStream:
        """`stream` inside TLS. The caller closes it, or `stream` when this raises. Switches greenlets.

        :raises NoTls: it begins with something else.
        :raises StreamTimeout: the handshake took too long. :raises StreamError: it failed, or gave way to others.
        """
        self._make_room()
        self._running[stream] = False
        try:
            until_s = time.monotonic() + self.settings.handshake_time
            came = stream.recv(_FIRST_BYTES, self.settings.handshake_time)
            if came[:1] != _HANDSHAKE:
                raise NoTls(stream.peer, came)
            inside = TlsStream(stream, self._context, came=came)
            inside.handshake(partial(self._compute, stream), max(until_s - time.monotonic(), 0.0))
            return inside
        finally:
            self._running.pop(stream, None)

    def _make_room(self) -> None:
        """Cut off the oldest that waits for its client. Those that wait for us were quick enough."""
        if len(self._running) < self.settings.handshakes:
            return
        oldest = next((stream for stream, ours in self._running.items() if not ours), None)
        if oldest is None:
            raise StreamError(f"{self.settings.handshakes} TLS handshakes run already")
        del self._running[oldest]
        oldest.abort()

    def _compute(self, stream: SocketStream, function: Callable[..., Any]) -> Any:
        if stream in self._running:
            self._running[stream] = True
        try:
            with self._turns:
                return self._offload(function)
        finally:
            if stream in self._running:
                self._running[stream] = False


def context_for(certificates: Iterable[Certificate]) -> ssl.SSLContext:
    """One context that shows each visitor the certificate for the name it asks for; the first for any other."""
    made = [(certificate, certificate.context()) for certificate in certificates]
    exact: dict[str, ssl.SSLContext] = {}
    for certificate, context in reversed(made):  # of two for one name the first counts
        exact.update(dict.fromkeys(certificate.names, context))
    first = made[0][1]

    def choose(inside: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Runs in the thread of the handshake."""
        known = vars(inside)[SERVER_NAME] = (name or "").lower().rstrip(".")
        inside.context = _chosen(exact, known, first)

    # gevent's own property gives the callback no SSLObject; this is the one beneath it.
    vars(_SSLContext)["sni_callback"].__set__(first, choose)
    return first


def _chosen(known: dict[str, ssl.SSLContext], name: str, first: ssl.SSLContext) -> ssl.SSLContext:
    """Source: RFC 6125 §6.4.3: `*` stands for one label, the leftmost."""
    return known.get(name) or known.get(f"*.{name.partition('.')[2]}") or first
