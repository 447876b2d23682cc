"""Where a body ends. Source: RFC 9112 §6, with doubt always refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead

_LENGTH = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Framing:
    """How a body is delimited. `length` counts for kind "length" only."""

    kind: Literal["none", "length", "chunked", "until_close"]
    length: int = 0


NONE = Framing("none")
CHUNKED = Framing("chunked")
UNTIL_CLOSE = Framing("until_close")


def request_framing(head: RequestHead) -> Framing:
    """The framing of a request's body. :raises MessageError: 400 or 501: it cannot be told for sure."""
    return declared_framing(head) or NONE


def response_framing(head: ResponseHead, request_method: bytes) -> Framing:
    """The framing of an answer's body. :raises MessageError: 502: it cannot be told for sure."""
    if request_method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        return NONE
    try:
        return declared_framing(head) or UNTIL_CLOSE
    except MessageError as error:
        raise MessageError(502, str(error)) from error


def declared_framing(head: RequestHead | ResponseHead) -> Framing | None:
    """What the fields say of a body; None: nothing. :raises MessageError: 400 or 501: it cannot be told for sure."""
    names = head.names
    if b"transfer-encoding" in names:
        return _coded(head.all(b"transfer-encoding"), head.all(b"content-length"), head.minor)
    return _counted(head.all(b"content-length")) if b"content-length" in names else None


def _counted(lengths: list[bytes]) -> Framing:
    if len(lengths) > 1:
        raise MessageError(400, "Content-Length is there more than once")
    if not _LENGTH.fullmatch(lengths[0]):
        raise MessageError(400, "Content-Length is not a number of bytes")
    return Framing("length", int(lengths[0]))


def _coded(codings: list[bytes], lengths: list[bytes], minor: int) -> Framing:
    if lengths:
        raise MessageError(400, "Content-Length and Transfer-Encoding exclude each other")
    if minor == 0:
        raise MessageError(400, "HTTP/1.0 has no Transfer-Encoding")
    if len(codings) > 1:
        raise MessageError(400, "Transfer-Encoding is there more than once")
    if codings[0].lower() != b"chunked":
        raise MessageError(501, "the only Transfer-Encoding taken here is chunked")
    return CHUNKED
