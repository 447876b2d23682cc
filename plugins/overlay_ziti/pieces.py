"""Payloads that a router cut into pieces: its option `mtu` makes it, for hosts without a flow control of their own.

The first piece begins with the size of the whole, as an unsigned varint; all are numbered like whole payloads.
Source: openziti/sdk-golang `xgress/xgress.go`
"""

from __future__ import annotations

from .flow import Flags, FlowError

_MOST = 1024 * 1024  # of one payload; Go's are some tens of KiB
_VARINT_MOST = 10


class Pieces:
    """Of one stream, one payload at a time."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._parts: list[bytes] = []
        self._flags = self._size = self._missing = 0

    def add(self, flags: int, body: bytes) -> bool:
        """Take the next piece; whether the payload is whole now. :raises FlowError: it is no piece of it."""
        self._size += len(body)
        self._flags |= flags
        if not self._parts:
            self._missing, body = _begin(body)
        self._missing -= len(body)
        if self._missing < 0:
            raise FlowError("the pieces of a payload are more than the whole")
        self._parts.append(body)
        return not self._missing

    def take(self) -> tuple[int, bytes, int]:
        """The whole: its flags, its bytes, and what its pieces counted as they came. The next piece begins another."""
        found = self._flags & ~Flags.CHUNK, b"".join(self._parts), self._size
        self._forget()
        return found


def _begin(body: bytes) -> tuple[int, bytes]:
    size = 0
    for index, byte in enumerate(body[:_VARINT_MOST]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if size > _MOST:
                raise FlowError(f"a payload of {size} bytes was cut into pieces")
            return size, body[index + 1 :]
    if body:
        raise FlowError("the first piece of a payload does not say how long the whole is")
    return 0, b""
