"""The handshake of a websocket. A tunnel opens only when both ends prove that they mean one. Source: RFC 6455 §4."""

from __future__ import annotations

import base64
import hashlib
import re

from zrokd.errors import MessageError
from zrokd.model.http import RequestHead, ResponseHead

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")  # 16 bytes in base64


def check_handshake(head: RequestHead) -> None:
    """Refuse a request for a websocket that no server would take. :raises MessageError: 426: version, 400: key."""
    if head.all(b"Sec-WebSocket-Version") != [b"13"]:
        raise MessageError(426, "the only websocket version spoken here is 13")
    keys = head.all(b"Sec-WebSocket-Key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise MessageError(400, "the websocket key is not 16 bytes in base64")


def accepts(asked: RequestHead, answer: ResponseHead) -> bool:
    """Whether `answer` was made by somebody who read the key of `asked`."""
    digest = hashlib.sha1((asked.get(b"Sec-WebSocket-Key") or b"") + _MAGIC, usedforsecurity=False).digest()
    return answer.all(b"Sec-WebSocket-Accept") == [base64.b64encode(digest)]
