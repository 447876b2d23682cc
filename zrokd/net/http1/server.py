"""The keep-alive loop of things that answer themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from zrokd.contracts.overlay import Stream
from zrokd.errors import MessageError, StreamError
from zrokd.model.http import Fields, RequestHead, ResponseHead
from zrokd.net.faults import faults
from zrokd.net.http1.answer import dress, framing_for, reason, refuse
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import NONE, UNTIL_CLOSE, Framing
from zrokd.net.http1.head import encode_response
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.tracker import ConnectionTracker

LOG = logging.getLogger("zrokd.net.http1")


class HttpExchange:
    """One request, to be answered once."""

    def __init__(self, connection: HttpConnection, head: RequestHead) -> None:
        self.head = head
        self.peer = connection.stream.peer
        self.status = 0  # of the answer, once it was begun
        self._connection = connection
        self._reader = connection.request_reader()
        self._expected = head.minor > 0 and (head.get(b"Expect") or b"").lower() == b"100-continue"

    def read(self, max_bytes: int = 65536) -> bytes:
        """Some bytes of the request's body, b"" at its end. Asks a client that waits for 100 to go on.

        Switches greenlets. :raises MessageError: malformed or too large. :raises StreamError: cut short.
        """
        if self._expected and not self._reader.done and not self.status:
            self._expected = False
            self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._reader.read(max_bytes)

    def respond(
        self, status: int, fields: Fields = (), body: bytes | Iterable[bytes] = b"", length: int | None = None
    ) -> None:
        """Send the answer. Framing, Date and Connection are added here; a body to HEAD is left out. Switches greenlets.

        `length` is that of an iterable body; without it the body goes chunked, or to the end of the connection.
        :raises StreamError: the client is gone. :raises ValueError: the body is not `length` bytes long.
        """
        if self.status:
            raise RuntimeError("this request was answered already")
        chunks = [body] if isinstance(body, bytes) else body
        framing = self._framing(status, len(body) if isinstance(body, bytes) else length)
        self._settle()
        self._connection.keep_alive &= self._reader.done and framing != UNTIL_CLOSE
        head = dress(
            ResponseHead(status, reason(status), fields),
            framing,
            keep_alive=self._connection.keep_alive,
            minor=self.head.minor,
        )
        bodiless = framing == NONE or self.head.method == b"HEAD"
        writer = self._connection.writer(NONE if bodiless else framing, encode_response(head))
        self.status = status
        for chunk in () if bodiless else chunks:
            writer.write(chunk)
        writer.finish()

    def _framing(self, status: int, length: int | None) -> Framing:
        if status in (204, 304):
            return NONE
        return framing_for(UNTIL_CLOSE, self.head.minor) if length is None else Framing("length", length)

    def _settle(self) -> None:
        """Read what is here of a body that nobody asked for, so that the connection lives on."""
        while not self._reader.done and self._connection.buffered:
            self._reader.read()

    def end(self) -> bool:
        """Whether the connection can serve another request. Called by `serve`."""
        if not self._connection.keep_alive and (not self._reader.done or self._connection.unread()):
            self._connection.linger()
        return self._connection.keep_alive

    def fail(self, status: int, text: str) -> None:
        """The handler failed: tell the client when it was told nothing, else break off. Called by `serve`."""
        self._connection.keep_alive = False
        if self.status:
            self._connection.stream.abort()
        else:
            self.status = status
            refuse(self._connection, status, text)


def serve(
    stream: Stream,
    handler: Callable[[HttpExchange], None],
    limits: HttpLimits,
    *,
    log: logging.Logger = LOG,
    tracker: ConnectionTracker | None = None,
) -> None:
    """Answer the requests of one connection until it ends. The caller closes the stream. Switches greenlets.

    What `handler` raises is logged, and the client gets 500 without internals. :raises StreamError: the client is gone.
    """
    connection = HttpConnection(stream, limits)
    tracker = ConnectionTracker() if tracker is None else tracker
    with tracker.track(connection):
        while _serve_one(connection, handler, log):
            pass


def _serve_one(connection: HttpConnection, handler: Callable[[HttpExchange], None], log: logging.Logger) -> bool:
    try:
        head = connection.read_request()
        if head is None:
            return False
        exchange = HttpExchange(connection, head)
    except MessageError as error:
        refuse(connection, error.status, str(error))
        return False
    _handle(exchange, handler, log)
    return exchange.end()


def _handle(exchange: HttpExchange, handler: Callable[[HttpExchange], None], log: logging.Logger) -> None:
    try:
        handler(exchange)
        if not exchange.status:
            raise RuntimeError("the handler did not answer")
    except MessageError as error:
        exchange.fail(error.status, str(error))
    except StreamError:
        raise
    except faults():
        log.exception("the handler of %r failed", exchange.head.target[:200])
        exchange.fail(500, "this server failed to answer")
