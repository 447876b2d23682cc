"""The files of a folder over HTTP."""

from __future__ import annotations

import errno
import mimetypes
import os
import posix
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from zrokd import hookimpl
from zrokd.contracts import PING_PATH, Caller, Mode, Settings, Stream
from zrokd.errors import StreamError
from zrokd.model.http import ExchangeSummary, Fields, printable, visitor_of
from zrokd.net.http1.limits import HttpLimits
from zrokd.net.http1.pages import page
from zrokd.net.http1.ping import pong
from zrokd.net.http1.server import HttpExchange, serve
from zrokd.net.http1.tracker import ConnectionTracker

from . import listing
from .conditional import Version, chosen_range, not_modified, version_of
from .confined import Forbidden, Found, Missing, find
from .target import folder_location, segments

_PIECE_BYTES = 1 << 18
# Frontends keep an unused stream for less, so that it is they who end it.
_LIMITS = HttpLimits(body_bytes=1 << 20, keep_alive_s=120.0, keep_alive_requests=1 << 62)
_TYPES = mimetypes.MimeTypes()  # the built-in table only: the same on every machine
for _ending in (".js", ".mjs"):
    _TYPES.add_type("text/javascript", _ending)  # Source: RFC 9239; older Pythons say application/
_HTML = b"text/html; charset=utf-8"
_NO_SNIFF = (b"X-Content-Type-Options", b"nosniff")
_SAFE: Fields = ((b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'"), _NO_SNIFF)
_OWN_PAGE: Fields = ((b"Content-Type", _HTML), *_SAFE)
_TEXTS = {
    403: ("Not allowed", "This is not shared."),
    404: ("Not found", "There is no such file."),
    405: ("Method not allowed", "Files can only be read here."),
    416: ("Range not satisfiable", "The file is shorter than that."),
}
_GONE = "The shared folder is not there now"


class WebSettings(Settings):
    """Settings of mode.web."""

    target: str = Field(
        min_length=1, description="Folder whose files are shared. Links that lead out of it are not followed."
    )
    listing: bool = Field(default=True, description="Whether a folder without index.html is listed.")
    hidden: bool = Field(default=False, description="Whether names that start with a dot are shared too.")


class WebMode(Mode):
    """GET and HEAD of what lies below one folder, with ranges and conditional requests."""

    name = "web"
    http = True
    Settings = WebSettings

    def __init__(self, settings: WebSettings, ctx: Any) -> None:
        super().__init__(settings, ctx)
        self._root = Path(settings.target).expanduser().absolute()
        self._tracker = ConnectionTracker()

    def serve(self, stream: Stream, caller: Caller) -> None:  # noqa: ARG002
        """Answer the requests of one connection."""
        serve(stream, self._exchange, _LIMITS, log=self.ctx.log, tracker=self._tracker)

    def drain(self, deadline_s: float) -> None:  # noqa: ARG002
        """End idle connections; the others after their answer."""
        self._tracker.drain()

    def probe(self) -> str:
        """Why the folder cannot be read now, or ""."""
        try:
            self.ctx.offload(os.listdir, self._root)
        except OSError as error:
            told = {errno.ENOENT: "there is no folder", errno.ENOTDIR: "this is no folder:"}
            return f"{told.get(error.errno or 0, 'we may not read the folder')} {self._root}"
        return ""

    def _exchange(self, exchange: HttpExchange) -> None:
        path, _, query = exchange.head.target.partition(b"?")
        if path == PING_PATH:
            exchange.respond(204, pong(self.share_token, exchange.head.target))
            return
        answer = _Answer(exchange, self.ctx, public=self.public)
        try:
            self._answer(answer, path, query)
        finally:
            answer.tell(self.share_token)

    def _answer(self, answer: _Answer, path: bytes, query: bytes) -> None:
        if answer.head.method not in {b"GET", b"HEAD"}:
            answer.error(405, ((b"Allow", b"GET, HEAD"),))
            return
        parts = segments(path)
        try:
            if parts is None:
                raise Missing
            found = self.ctx.offload(find, self._root, parts, hidden=self.settings.hidden)
            try:
                self._show(answer, found, parts, path, query)
            finally:
                found.close()
        except Missing:
            answer.error(404)
        except Forbidden:
            answer.error(403)

    def _show(self, answer: _Answer, found: Found, parts: list[bytes], path: bytes, query: bytes) -> None:
        if not found.is_folder:
            if path.endswith(b"/"):
                raise Missing
            answer.file(found, parts[-1])
        elif not path.endswith(b"/"):
            answer.send(301, ((b"Location", folder_location(parts, query)),))
        else:
            self._folder(answer, found, parts)

    def _folder(self, answer: _Answer, found: Found, parts: list[bytes]) -> None:
        try:
            index = self.ctx.offload(find, self._root, [*parts, b"index.html"], hidden=self.settings.hidden)
        except Missing:
            self._list(answer, found, parts)
            return
        try:
            if index.is_folder:
                self._list(answer, found, parts)
            else:
                answer.file(index, b"index.html")
        finally:
            index.close()

    def _list(self, answer: _Answer, found: Found, parts: list[bytes]) -> None:
        if not self.settings.listing:
            raise Forbidden
        descriptor = self.ctx.offload(found.reopen)
        try:
            entries = self.ctx.offload(listing.entries, descriptor, hidden=self.settings.hidden)
        finally:
            posix.close(descriptor)
        answer.send(200, (*_OWN_PAGE, (b"Cache-Control", b"no-cache")), listing.page(parts, entries))


class _Answer:
    """The answer to one request: sent once, told once."""

    def __init__(self, exchange: HttpExchange, ctx: Any, *, public: bool) -> None:
        self._exchange, self._ctx, self._public = exchange, ctx, public
        self.head = exchange.head
        self._started = ctx.clock.monotonic()
        self._status, self._sent = 0, 0

    def send(self, status: int, fields: Fields, body: bytes = b"") -> None:
        self._status = status
        self._exchange.respond(status, fields, body)
        self._sent = 0 if self.head.method == b"HEAD" else len(body)

    def error(self, status: int, fields: Fields = ()) -> None:
        shown = page(status, *_TEXTS[status], *fields)
        self.send(status, (*_SAFE, *shown.fields), shown.body)

    def file(self, found: Found, name: bytes) -> None:
        version = version_of(found.status)
        fields: Fields = (
            (b"ETag", version.etag), (b"Last-Modified", version.modified), (b"Accept-Ranges", b"bytes"), _NO_SNIFF,
        )  # fmt: skip
        if not_modified(self.head, version):
            self.send(304, fields)
            return
        try:
            part = chosen_range(self.head, version)
        except ValueError:
            self.error(416, ((b"Content-Range", b"bytes */%d" % version.size),))
            return
        self._stream(found, (*fields, (b"Content-Type", _content_type(name))), version, part)

    def _stream(self, found: Found, fields: Fields, version: Version, part: tuple[int, int] | None) -> None:
        first, length = part or (0, version.size)
        if part:
            fields = (*fields, (b"Content-Range", b"bytes %d-%d/%d" % (first, first + length - 1, version.size)))
        descriptor = self._ctx.offload(found.reopen)
        try:
            self._status = 206 if part else 200
            self._exchange.respond(self._status, fields, self._pieces(descriptor, first, length), length)
        finally:
            posix.close(descriptor)

    def _pieces(self, descriptor: int, offset: int, length: int) -> Iterator[bytes]:
        while length:
            piece = self._ctx.offload(os.pread, descriptor, min(length, _PIECE_BYTES), offset)
            if not piece:
                raise StreamError("the file became shorter while it was sent")
            yield piece
            self._sent += len(piece)
            offset, length = offset + len(piece), length - len(piece)

    def tell(self, share_token: str) -> None:
        self._ctx.hooks.on_exchange(
            ExchangeSummary(
                share_token=share_token,
                role="backend",
                peer=visitor_of(self.head) if self._public else self._exchange.peer,
                method=printable(self.head.method),
                target=printable(self.head.target),
                status=self._status,
                rx_bytes=0,
                tx_bytes=self._sent,
                duration_s=self._ctx.clock.monotonic() - self._started,
            )
        )


def _content_type(name: bytes) -> bytes:
    kind, encoding = _TYPES.guess_type(name.decode("utf-8", "replace"), strict=False)
    if encoding:
        return b"application/gzip" if encoding == "gzip" else b"application/octet-stream"
    if kind is None:
        return b"application/octet-stream"
    return kind.encode() + b"; charset=utf-8" * kind.startswith("text/")


@hookimpl
def zrokd_provide_modes() -> Iterable[type[Mode]]:
    """This mode."""
    return [WebMode]
