"""WSGI applications on our listener. Source: PEP 3333."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any
from urllib.parse import unquote_to_bytes

from zrokd.contracts.overlay import Stream
from zrokd.model.http import LATER, Fields, RequestHead
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.server import HttpExchange, serve
from zrokd.net.http1.tracker import ConnectionTracker

LOG = logging.getLogger("zrokd.net.wsgi")
DEFAULTS = HttpLimits(body_bytes=64 * 1024)

Later = Callable[[], object]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


class WsgiHandler:
    """Serves a WSGI application on streams: give it to a Listener as `handle`.

    A request's body is read whole before the application runs; `limits.body_bytes` bounds it, with 413.

    An application that is to answer later gives `environ[LATER]` a function that waits, which may switch greenlets.
    What it answers then is thrown away, and it is called again after that: all that it holds meanwhile is one function.
    """

    def __init__(self, app: Any, limits: HttpLimits = DEFAULTS, *, log: logging.Logger = LOG) -> None:
        if limits.body_bytes is None:
            raise ValueError("a WSGI server holds bodies in memory: set limits.body_bytes")
        self._app = app
        self._limits = limits
        self._log = log
        self._tracker = ConnectionTracker()

    def __call__(self, stream: Stream) -> None:
        """Answer the requests of one connection until it ends. Switches greenlets. :raises StreamError: it broke."""
        serve(stream, self._run, self._limits, log=self._log, tracker=self._tracker)

    def _run(self, exchange: HttpExchange) -> None:
        body = b"".join(iter(exchange.read, b""))
        later = _answer(self._app, self._log, exchange, body, may_wait=True)
        if later is not None:
            later()  # called from Python alone, as few frames of C as can be are kept meanwhile: 0.5 KiB each
            _answer(self._app, self._log, exchange, body, may_wait=False)

    def drain(self) -> None:
        """Close idle connections now; busy ones end after their exchange. Idempotent."""
        self._tracker.drain()

    def relieve(self) -> None:
        """Close connections that are idle, of those that are open longest: others wait for room."""
        self._tracker.relieve()


def _answer(app: Any, log: logging.Logger, exchange: HttpExchange, body: bytes, *, may_wait: bool) -> Later | None:
    """Answer the request, or give back what is to be waited for before the application is asked again."""
    environ, answer = _environ(exchange, body, log), _Answer()
    later: list[Later] = []
    if may_wait:
        environ[LATER] = later.append
    chunks = app(environ, answer.start)
    try:
        if later:
            return later[0]
        _send(exchange, answer, chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return None


def _send(exchange: HttpExchange, answer: _Answer, chunks: Iterable[bytes]) -> None:
    """Send what the application gives. One that has all in one piece needs no chunks."""
    if isinstance(chunks, list | tuple):
        body = answer.written + b"".join(chunks)
        status, fields = answer.head()
        told = answer.length if exchange.head.method == b"HEAD" else None
        exchange.respond(status, fields, [body], length=len(body) if told is None else told)
        return
    pieces = iter(chunks)
    first = next(pieces, b"")  # the application may call start_response only now
    status, fields = answer.head()
    exchange.respond(status, fields, _chain(answer, first, pieces), length=answer.length)


def _chain(answer: _Answer, first: bytes, rest: Iterable[bytes]) -> Iterable[bytes]:
    answer.sent = True
    yield answer.written + first
    yield from rest


class _Answer:
    """What start_response was told."""

    def __init__(self) -> None:
        self.sent = False
        self.length: int | None = None
        self.written = b""
        self._status = 0
        self._fields: Fields = ()

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """PEP 3333's start_response."""
        if exc_info is not None and self.sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._status:
            raise RuntimeError("start_response was called twice")
        self._status = int(status[:3])
        self._fields = tuple(
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in headers
            if name.lower() != "content-length"
        )
        self.length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
        return self._write

    def _write(self, data: bytes) -> None:
        if self.sent:
            raise RuntimeError("write() comes before the body")
        self.written += data

    def head(self) -> tuple[int, Fields]:
        """Status and fields. :raises RuntimeError: the application never called start_response."""
        if not self._status:
            raise RuntimeError("the application did not call start_response")
        return self._status, self._fields


def _environ(exchange: HttpExchange, body: bytes, log: logging.Logger) -> dict[str, Any]:
    head = exchange.head
    path, _, query = head.target.partition(b"?")
    host, _, port = (head.get(b"Host") or b"localhost").decode("latin-1").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head.method.decode("ascii"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port or ("443" if head.secure else "80"),
        "SERVER_PROTOCOL": f"HTTP/1.{head.minor}",
        "REMOTE_ADDR": exchange.peer.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if head.secure else "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": _Errors(log),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ.update(_field_variables(head))
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _field_variables(head: RequestHead) -> dict[str, str]:
    """Fields as variables. Names with `_` would pass for others with `-` and are left out."""
    variables: dict[str, str] = {}
    for name, value in head.fields:
        if b"_" in name:
            continue
        key = name.decode("ascii").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        joint = "; " if key == "HTTP_COOKIE" else ", "
        variables[key] = f"{variables[key]}{joint}{text}" if key in variables else text
    for key in ("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
        variables.pop(key, None)
    return variables


class _Errors(io.TextIOBase):
    """wsgi.errors: whole lines go to the log."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._log.error("application: %s", line)
        return len(text)

    def flush(self) -> None:
        if not self.closed and self._line:
            self.write("\n")
