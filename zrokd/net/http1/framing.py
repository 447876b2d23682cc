"""Where a body ends. Source: RFC 9112 §6, with doubt always refused."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from zrokd.errors import MessageError
from zrokd.model.block import Block, remembered
from zrokd.model.http import RequestHead, ResponseHead

_LENGTH = re.compile(rb"[0-9]{1,18}")


class Framing(NamedTuple):
    """How a body is delimited. `length` counts for kind "length" only."""

    kind: Literal["none", "length", "chunked", "until_close"]
    length: int = 0


NONE = Framing("none")
CHUNKED = Framing("chunked")
UNTIL_CLOSE = Framing("until_close")


def request_framing(head: RequestHead) -> Framing:
    """The framing of a request's body. :raises MessageError: 400 or 501: it cannot be told for sure."""
    return declared_framing(head.block, head.minor) or NONE


def response_framing(head: ResponseHead, request_method: bytes) -> Framing:
    """The framing of an answer's body. :raises MessageError: 502: it cannot be told for sure."""
    if request_method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        return NONE
    try:
        return declared_framing(head.block, head.minor) or UNTIL_CLOSE
    except MessageError as error:
        raise MessageError(502, str(error)) from error


@remembered
def declared_framing(block: Block, minor: int) -> Framing | None:
    """What the fields say of a body; None: nothing. :raises MessageError: 400 or 501: it cannot be told for sure."""
    index = block.index
    if b"transfer-encoding" in index:
        return _coded(block.all(b"transfer-encoding"), block.all(b"content-length"), minor)
    return _counted(block.all(b"content-length")) if b"content-length" in index else None


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
