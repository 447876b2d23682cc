"""Answers that we write ourselves, and what every answer gets: framing, Connection, Date."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from zrokd.errors import StreamError
from zrokd.model.block import Block, Field, remembered
from zrokd.model.http import Fields, RequestHead, ResponseHead
from zrokd.net.http1.connection import HttpConnection
from zrokd.net.http1.framing import CHUNKED, NONE, UNTIL_CLOSE, Framing
from zrokd.net.http1.head import encode_response

_OWN_ELSE = frozenset({b"connection", b"transfer-encoding"})
_OWN = _OWN_ELSE | {b"content-length"}
# What a status must come with. Source: RFC 9110 §15.5.6, §15.5.22; RFC 6455 §4.4.
_COMPANIONS: dict[int, Fields] = {
    405: ((b"Allow", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),),
    426: ((b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")),
}
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class _Date:
    """The Date field's value, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def now(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True).encode()
        return self._text


_DATE = _Date()


def reason(status: int) -> bytes:
    """The usual reason phrase, or nothing."""
    return _REASONS.get(status, b"")


def framing_for(framing: Framing, minor: int) -> Framing:
    """How to pass on a body of this framing to a client of HTTP/1.`minor`: old ones know no chunks."""
    if framing.kind in ("chunked", "until_close"):
        return CHUNKED if minor else UNTIL_CLOSE
    return framing


def dress(head: ResponseHead, framing: Framing, *, keep_alive: bool, minor: int) -> ResponseHead:
    """The head with framing, Connection and Date as they must be for a client of HTTP/1.`minor`.

    An answer without body keeps its Content-Length, which tells of the one to GET, except where it may not have one.
    Source: RFC 9110 §6.6.1, §8.6; RFC 9112 §6.1, §9.3.
    """
    told = head.status >= 200 and head.status != 204
    connection = (b"" if minor else b"keep-alive") if keep_alive else b"close"
    if b"date" in head.block.index:
        return head.having(_dated(head.block, framing, connection, told))
    return head.having(_dressed(head.block, framing, connection, told, (b"Date", _DATE.now())))


@remembered
def _dated(block: Block, framing: Framing, connection: bytes, told: bool) -> Block:  # noqa: FBT001
    return _dressed(block, framing, connection, told)


def _dressed(block: Block, framing: Framing, connection: bytes, told: bool, *more: Field) -> Block:  # noqa: FBT001
    """`told`: the length of a body that is not sent is."""
    kind, own, drop = framing.kind, [], _OWN
    if kind == "length":
        length = b"%d" % framing.length
        if block.all(b"content-length") == [length]:
            drop = _OWN_ELSE
        else:
            own.append((b"Content-Length", length))
    elif kind == "chunked":
        own.append((b"Transfer-Encoding", b"chunked"))
    elif kind == "none" and told and b"content-length" in block.index:
        own.append((b"Content-Length", block.get(b"content-length") or b""))
    if connection:
        own.append((b"Connection", connection))
    return block.edited(drop, (*own, *more))


def answer(
    connection: HttpConnection,
    status: int,
    fields: Fields = (),
    body: bytes = b"",
    *,
    request: RequestHead | None = None,
    keep_alive: bool = False,
) -> bool:
    """Send a whole answer of ours; whether the connection can serve another request. Switches greenlets.

    `request` is None when its head could not be read. Without `keep_alive` we linger, so that a client which still
    sends reads the answer; the caller closes the stream. :raises StreamError: the client is gone.
    """
    present = [name.lower() for name, _ in fields]
    fields = (*fields, *(field for field in _COMPANIONS.get(status, ()) if field[0].lower() not in present))
    method, minor = (request.method, request.minor) if request else (b"GET", 1)
    framing = NONE if status in (204, 304) else Framing("length", len(body))
    keep_alive = keep_alive and connection.keep_alive
    head = dress(ResponseHead(status, reason(status), fields), framing, keep_alive=keep_alive, minor=minor)
    connection.send(encode_response(head) + (b"" if method == b"HEAD" or framing == NONE else body))
    if not keep_alive:
        connection.linger()
    return keep_alive


def refuse(connection: HttpConnection, status: int, text: str) -> None:
    """Tell a client why its message was refused, and end the connection's use. The text must not echo the request."""
    try:
        answer(connection, status, ((b"Content-Type", b"text/plain; charset=utf-8"),), f"{text}\n".encode())
    except StreamError:
        return  # it is gone, and was refused anyway
